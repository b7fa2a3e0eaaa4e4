"""Plots: same bytes every time, with stamp, numbers and reasons for missing curves."""

from __future__ import annotations

import io

import matplotlib.image
import numpy as np
import pandas as pd
import pytest

from echokit.evaluation.evaluate_folds import evaluate_folds
from echokit.evaluation.evaluation import Evaluation
from echokit.evaluation.metrics.accuracy import Accuracy
from echokit.evaluation.metrics.auprc import Auprc
from echokit.evaluation.metrics.auroc import Auroc
from echokit.evaluation.predictions import Predictions
from echokit.results.figures.curve_figures import confusion_figure, pr_figure, roc_figure
from echokit.results.figures.learning_figure import learning_curves_figure
from echokit.results.figures.write_figures import write_plots

NAMES = ["roc.png", "pr.png", "confusion.png", "learning_curves.png"]
CURVE_FIGURES = [roc_figure, pr_figure, confusion_figure]


def evaluate(folds=1, one_class_in=(), n=24):
    rng = np.random.default_rng(0)
    rows = []
    for fold in range(folds):
        y = (np.arange(n) % 3 == 0).astype(int) * (fold not in one_class_in)
        names = [f"{fold}-{i}" for i in range(n)]
        part = pd.DataFrame({"case_id": names, "patient_id": names, "split": "test", "repeat": 0, "fold": fold})
        rows.append(part.assign(y_true=y, y_score=y + rng.normal(size=n)))
    evaluators = [("accuracy", Accuracy()), ("auroc", Auroc()), ("auprc", Auprc())]
    return evaluate_folds(Predictions(pd.concat(rows), "reduced"), evaluators, seed=0, resamples=50)


def records(folds=1, epochs=4, **change):
    row = {"train_loss": 0.6, "val_loss": 0.7, "train_accuracy": 0.8, "val_accuracy": 0.7, "val_auroc": 0.8}
    return [{"fold": f, "epoch": e + 1, **row, **change} for f in range(folds) for e in range(epochs)]


def texts(figure):
    from matplotlib.text import Text

    return " | ".join(item.get_text() for item in figure.findobj(Text) if item.get_visible())


def pixels(figure):
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return matplotlib.image.imread(io.BytesIO(buffer.getvalue()))


def test_four_png_files_with_the_same_bytes_every_time(tmp_path):
    evaluation = evaluate()
    first, again = (
        write_plots(tmp_path / name / "plots", evaluation, records(), selected={0: 2}, positive="reduced")
        for name in ("a", "b")
    )
    assert [path.name for path in first] == NAMES
    for one, two in zip(first, again, strict=True):
        content = one.read_bytes()
        assert content.startswith(b"\x89PNG")
        assert b"Software" not in content
        assert content == two.read_bytes()


def test_every_file_has_the_banner_only_when_stamped(tmp_path):
    evaluation = evaluate()
    plain, stamped = (
        write_plots(tmp_path / str(stamp), evaluation, records(), selected={0: 2}, positive="reduced", stamp=stamp)
        for stamp in (None, "PHANTOM DATA")
    )
    for without, with_stamp in zip(plain, stamped, strict=True):
        before, after = (matplotlib.image.imread(path)[:15] for path in (without, with_stamp))  # above the title
        assert (before[..., :3] == 1).all()
        assert (after[..., 0] > after[..., 2] + 0.5).mean() > 0.7  # orange with white letters


@pytest.mark.parametrize("figure", [*CURVE_FIGURES, learning_curves_figure])
@pytest.mark.parametrize("folds", [0, 1])
def test_the_watermark_is_visible_over_the_plot(figure, folds):
    from matplotlib.text import Text

    evaluation = evaluate() if folds else Evaluation()
    if figure is learning_curves_figure:
        drawn = figure(records(folds), selected={0: 2}, stamp="PHANTOM DATA")
    else:
        drawn = figure(evaluation, positive="reduced", stamp="PHANTOM DATA")
    banner, watermark = (item for item in drawn.findobj(Text) if item.get_text() == "PHANTOM DATA")
    with_it = pixels(drawn)
    watermark.set_visible(False)
    changed = np.abs(pixels(drawn) - with_it).max(axis=2) > 0.03
    assert changed.mean() > 0.02
    assert banner.get_color() == "white"


@pytest.mark.parametrize("figure", CURVE_FIGURES)
def test_a_curve_shows_its_patients_value_and_interval(figure):
    evaluation = evaluate()
    labels = texts(figure(evaluation, positive="reduced"))
    name = {"roc_figure": "auroc", "pr_figure": "auprc", "confusion_figure": "accuracy"}[figure.__name__]
    metric = next(metric for metric in evaluation.metrics if metric.metric == name)
    assert "24 patients, 8 positive (reduced)" in labels
    ends = "" if metric.low is None else f" (95 % CI {metric.low:.2f} to {metric.high:.2f})"
    assert (name == "auprc") == (metric.low is None)  # 8 events are too few for one
    assert f"{metric.value:.2f}{ends}" in labels
    assert "PHANTOM" not in labels


def test_the_pr_curve_shows_prevalence_and_chance_apart():
    evaluation = evaluate()
    metric = next(metric for metric in evaluation.metrics if metric.metric == "auprc")
    assert metric.baseline > 8 / 24
    labels = texts(pr_figure(evaluation, positive="reduced"))
    assert f"chance: prevalence 0.33 (line), AUPRC {metric.baseline:.2f}" in labels


def test_the_drawn_steps_enclose_the_average_precision():
    evaluation = evaluate()
    line = pr_figure(evaluation, positive="reduced").axes[0].lines[0]
    assert line.get_drawstyle() == "steps-pre"
    area = np.sum(np.diff(line.get_xdata()) * line.get_ydata()[1:])
    value = next(metric.value for metric in evaluation.metrics if metric.metric == "auprc")
    assert area == pytest.approx(value, abs=1e-12)


def test_the_confusion_matrix_shows_the_counts():
    evaluation = evaluate()
    counts = evaluation.curves["confusion"]["test"][0]
    labels = texts(confusion_figure(evaluation, positive="reduced")).split(" | ")
    for key in ("tn", "fp", "fn", "tp"):
        assert str(counts[key]) in labels
    assert any("threshold 0.5" in text for text in labels)


@pytest.mark.parametrize("figure", [roc_figure, pr_figure])
def test_one_class_is_reported_and_not_drawn(figure):
    drawn = figure(evaluate(one_class_in=[0]), positive="reduced")
    assert "24 patients" in texts(drawn)
    assert not drawn.axes[0].lines


def test_one_class_leaves_a_confusion_matrix_without_a_sensitivity():
    assert "sensitivity undefined" in texts(confusion_figure(evaluate(one_class_in=[0]), positive="reduced"))


@pytest.mark.parametrize("figure", CURVE_FIGURES)
def test_a_split_that_was_not_evaluated_is_reported(figure):
    drawn = figure(evaluate(), positive="r", split="val")
    assert texts(drawn).count("validation set") == 2  # title and reason
    assert not drawn.axes[0].lines


@pytest.mark.parametrize("figure", CURVE_FIGURES)
def test_folds_are_named_and_undefined_ones_counted(figure):
    labels = texts(figure(evaluate(folds=3, one_class_in=[1]), positive="reduced"))
    assert "over 3 folds" in labels
    if figure is not confusion_figure:
        assert "(1 undefined)" in labels
        assert "fold 0: AU" in labels
        assert "fold 1" not in labels


def test_many_folds_share_one_label():
    labels = texts(roc_figure(evaluate(folds=12), positive="reduced"))
    assert "12 folds, one line each" in labels
    assert "fold 3" not in labels


def test_the_selected_epoch_moves_the_mark():
    two, three = (learning_curves_figure(records(), selected={0: epoch}) for epoch in (2, 3))
    assert "selected epoch 2" in texts(two)
    assert (pixels(two) != pixels(three)).any()


@pytest.mark.parametrize(
    ("history", "selected", "message"),
    [
        ([], {}, "no epoch was recorded"),
        ([{"epoch": 1, "train_loss": None}], {}, "Nothing was recorded"),
        (records(folds=3), {0: 1, 1: 2, 2: 3}, "3 folds of up to 4 epochs"),
    ],
)
def test_short_histories_are_drawn_or_reported(history, selected, message):
    figure = learning_curves_figure(history, selected=selected)
    assert message in texts(figure)
    pixels(figure)


@pytest.mark.parametrize(
    ("history", "panels"),
    [(records(), 3), (records(epochs=1, val_auroc=None), 2), ([{"epoch": 1, "train_loss": 0.5}], 1)],
)
def test_only_recorded_panels_are_drawn(history, panels):
    assert len(learning_curves_figure(history).axes) == panels


@pytest.mark.parametrize("folds", [2, 10])
def test_folds_have_different_colours(folds):
    curves = learning_curves_figure(records(folds=folds)).axes[0].lines
    assert len({line.get_color() for line in curves}) == folds
    roc = roc_figure(evaluate(folds=folds), positive="reduced").axes[0].lines[:folds]
    assert [line.get_color() for line in roc] == list(dict.fromkeys(line.get_color() for line in curves))
    assert f"fold {folds - 1}" in texts(learning_curves_figure(records(folds=folds)))


def test_plots_never_import_pyplot():
    import subprocess
    import sys

    code = (
        "import sys; from echokit.results.figures.write_figures import write_plots;"
        "from echokit.evaluation.evaluation import Evaluation;"
        "from echokit.results.figures.curve_figures import roc_figure; roc_figure(Evaluation(), positive='x');"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
