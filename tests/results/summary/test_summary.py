"""summary.md: its numbers in the ordinary case and at the edges."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from markdown_it import MarkdownIt

from echokit.evaluation.evaluate_folds import evaluate_folds
from echokit.evaluation.evaluation import Evaluation, Metric
from echokit.evaluation.metrics.accuracy import Accuracy
from echokit.evaluation.metrics.auprc import Auprc
from echokit.evaluation.metrics.auroc import Auroc
from echokit.evaluation.predictions import Predictions
from echokit.plugins.hookspecs import Section
from echokit.results.summary.cautions import cautions
from echokit.results.summary.summary import RunSummary, SelectedEpochRow, write_summary

EVALUATORS = [("accuracy", Accuracy()), ("auroc", Auroc()), ("auprc", Auprc())]


def table(n=40, events=18, folds=1, noise=0.6, splits=("train", "val", "test")):
    rng = np.random.default_rng(0)
    rows = []
    for fold in range(folds):
        for split in splits:
            y = (np.arange(n) < events).astype(int)
            names = [f"{split}-{fold}-{i}" for i in range(n)]
            part = pd.DataFrame({"case_id": names, "patient_id": names, "split": split, "repeat": 0, "fold": fold})
            rows.append(part.assign(y_true=y, y_score=y + noise * rng.normal(size=n)))
    return pd.concat(rows, ignore_index=True)


def summary(tmp_path, predictions=None, evaluation=None, **change):
    predictions = predictions if predictions is not None else Predictions(table(), "reduced EF")
    evaluation = evaluation or evaluate_folds(predictions, EVALUATORS, seed=0, resamples=200)
    given = {
        "name": "ef_112",
        "division": "Official splits.",
        "selected_epochs": [SelectedEpochRow(0, 5, 7, "study_rule", "best validation accuracy")],
        "facts": {"seed": 0, "data": "a|b"},
        **change,
    }
    write_summary(tmp_path / "summary.md", RunSummary(evaluation=evaluation, predictions=predictions, **given))
    return (tmp_path / "summary.md").read_text(encoding="utf-8")


def test_the_answer_has_interval_patients_and_positives(tmp_path):
    predictions = Predictions(table(), "reduced EF")
    evaluation = evaluate_folds(predictions, EVALUATORS, seed=0, resamples=200)
    text = summary(tmp_path, predictions, evaluation)
    m = next(m for m in evaluation.metrics if m.metric == "auroc" and m.split == "test")
    answer = (
        f"**Test AUROC {m.value:.2f} (95 % CI {m.low:.2f} to {m.high:.2f}), 40 patients, 18 positive (reduced EF).**"
    )
    assert answer in text.splitlines()
    for metric in evaluation.metrics:
        row = next(r for r in rows(text) if r[0] == metric.split and r[1].lower() == metric.metric)
        assert row[2:] == [
            f"{metric.value:.3f}",
            "none" if metric.low is None else f"95 % CI {metric.low:.3f} to {metric.high:.3f}",
            "40",
            "18",
            f"{metric.baseline:.3f}",
        ]


def rows(text):
    return [[c.strip() for c in line.strip("|").split(" | ")] for line in text.splitlines() if line.startswith("| ")]


def cautions_in(text):
    """The warnings of the second section, if the summary has it."""
    section = re.search(r"^## What these numbers do not support\n\n(.*?)\n\n##", text, re.DOTALL | re.MULTILINE)
    return section[1].splitlines() if section else []


@pytest.mark.parametrize("stamp", [None, "PHANTOM DATA"])
def test_the_stamp_is_in_the_title_and_only_when_given(tmp_path, stamp):
    text = summary(tmp_path, stamp=stamp)
    assert text.splitlines()[0] == ("# PHANTOM DATA: ef_112" if stamp else "# ef_112")
    assert ("> **PHANTOM DATA.**" in text) == bool(stamp)
    assert ("PHANTOM" in text) == bool(stamp)


def test_notes_plots_and_citations_are_included(tmp_path):
    text = summary(
        tmp_path,
        notes=["2 files could not be read: a.avi, b.avi", "mask passed 1 of 40 videos through"],
        plots=[tmp_path / "plots" / "roc.png", tmp_path / "plots" / "learning_curves.png"],
        citations=["Ouyang et al., Nature 2020."],
    )
    assert "(R_k - R_{k-1}) P_k" in text
    assert "**Interval** of AUROC on train, val, test: DeLong on the logit scale." in text
    assert "permutation null of 200 shuffles" in text
    assert "- Epoch 5 of 7, by the rule `study_rule`: best validation accuracy" in text
    assert "- 2 files could not be read: a.avi, b.avi" in text
    assert "![roc](plots/roc.png)" in text
    assert "![learning curves](plots/learning_curves.png)" in text
    assert f"echokit run {(tmp_path / 'lock.yaml').as_posix()}" in text
    assert "- Ouyang et al., Nature 2020." in text
    assert "a\\|b" in text  # a cell cannot break its table


def test_the_division_counts_videos_and_patients_apart(tmp_path):
    once = table()
    predictions = Predictions(pd.concat([once, once.assign(case_id=once["case_id"] + "b")]), "reduced EF")
    assert ["test", "80", "40", "18"] in rows(summary(tmp_path, predictions))


def test_the_rerun_command_is_quoted_or_given(tmp_path):
    folder = tmp_path / "my runs"
    folder.mkdir()
    assert "my runs/lock.yaml'" in summary(folder)
    assert "```\nmake it again\n```" in summary(tmp_path, rerun="make it again")


def test_one_class_is_undefined_and_never_a_number(tmp_path):
    text = summary(tmp_path, Predictions(table(events=0), "reduced EF"))
    assert "**Test AUROC: undefined: only one class among 40 patients; 40 patients, 0 positive (reduced EF).**" in text
    assert "40 patients" in cautions_in(text)[0]
    for row in rows(text):
        if row[1] in ("AUROC", "AUPRC"):
            assert row[2:4] == ["undefined", "none"]
            assert row[-1] == "none"


def test_a_small_cohort_has_a_caution(tmp_path):
    text = summary(tmp_path)
    [caution] = cautions_in(text)
    assert "18 positive patients" in caution
    assert re.search(r"A pilot needs about \d+ \(\d+ in the smaller class\); a study needs about \d+ \(\d+ in", text)


def test_a_large_clear_result_has_no_caution(tmp_path):
    predictions = Predictions(table(n=400, events=150, splits=["test"]))
    assert not cautions_in(summary(tmp_path, predictions))


def test_noise_is_not_better_than_chance():
    rng = np.random.default_rng(3)
    noisy = table(n=300, events=140, splits=["test"]).assign(y_score=rng.random(300))
    evaluation = evaluate_folds(Predictions(noisy), EVALUATORS, seed=0, resamples=500)
    warnings = cautions(evaluation.metrics, "test")
    auroc = next(metric for metric in evaluation.metrics if metric.metric == "auroc")
    assert not any("100" in warning for warning in warnings)
    [warning] = [warning for warning in warnings if "AUROC" in warning]
    assert "(0.500)" in warning
    assert (f"{auroc.low:.3f} to {auroc.high:.3f}" in warning) == (auroc.value > 0.5)


def metric(name="accuracy", **change):
    given = {"value": 0.9, "low": 0.85, "high": 0.95, "level": 0.95, "n": 400, "events": 150, "baseline": 0.6}
    return Metric(**{"metric": name, "definition": "", "split": "test", **given, **change})


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ([metric()], []),
        (
            [metric(value=0.6, low=0.5)],
            ["Accuracy 0.600", "(0.600)"],
        ),
        (
            [metric(low=0.55)],
            ["Accuracy (95 % CI 0.550 to 0.950)", "(0.600)"],
        ),
        (
            [metric("auroc", value=1.0, low=1.0, high=1.0)],
            ["AUROC", "no width"],
        ),
        ([metric(split="val")], ["test set"]),
    ],
)
def test_each_caution_names_metric_interval_and_baseline(given, parts):
    warnings = cautions(given, "test")
    assert len(warnings) == bool(parts)
    for part in parts:
        assert part in warnings[0]


def test_baselines_that_folds_do_not_beat_are_one_line():
    folds = [
        metric(name, value=value, low=None, high=None, baseline=base, fold=fold)
        for name, base, values in (
            ("auroc", 0.5, (0.4, 0.7, 0.5)),
            ("brier", 0.2, (0.3, 0.1, 0.1)),
            ("f1", 0.3, (1, 1, 1)),
        )
        for fold, value in enumerate(values)
    ]
    lines = [line for line in cautions(folds, "test") if " of 3 folds" in line]
    assert len(lines) == 1
    assert "AUROC (2 of 3 folds), Brier score (1 of 3 folds)." in lines[0]


def test_few_negative_patients_have_a_caution():
    assert "20 negative patients" in cautions([metric(n=400, events=380)], "test")[0]


def test_folds_have_an_approximate_interval(tmp_path):
    data = table(folds=3, splits=["train", "test"])
    data.loc[(data["fold"] == 1) & (data["split"] == "test"), "y_true"] = 0
    selected = [SelectedEpochRow(fold, 3, 7, "last") for fold in range(3)]
    text = summary(tmp_path, Predictions(data, "died"), selected_epochs=selected)
    assert "**Test AUROC within folds " in text
    assert "(approximate 95 % CI " in text
    assert "120 patients, 36 positive (died).**" in text
    assert "AUROC is undefined in 1 of 3 folds." in text
    assert "In each of 3 folds epoch 3 of 7, by the rule `last`." in text
    assert re.search(r"\| split +\| metric +\| fold 0 \| fold 1 +\| fold 2 \| mean ± SD", text)
    assert re.search(r"\| test +\| AUROC +\|.* undefined .*0\.\d{3} ± 0\.\d{3} \(1 of 3 undefined\)", text)
    assert "CI" not in text.split("## Fold by fold")[1].split("- **")[0]


def test_many_folds_are_summarised_in_few_lines(tmp_path):
    data = table(folds=12, splits=["train", "test"])
    selected = [SelectedEpochRow(fold, fold % 2 + 1, 7, "best_val_auroc") for fold in range(12)]
    text = summary(tmp_path, Predictions(data, "died"), selected_epochs=selected)
    assert "fold 3 |" not in text
    assert re.search(r"\| test +\| AUROC +\| 0\.\d{3} ± 0\.\d{3} \| ", text)
    assert re.search(r"\| train +\| 12 +\| 40 +\| 18 ", text)
    assert "- Fold 2: epoch 1 of 7, by the rule `best_val_auroc`" in text


def test_an_empty_run_still_has_a_summary(tmp_path):
    text = summary(tmp_path, evaluation=Evaluation(), selected_epochs=[], facts={})
    assert [row[0] for row in rows(text)] == ["split", "train", "val", "test"]  # no metrics
    assert len(cautions_in(text)) == 1


def test_the_same_input_gives_the_same_bytes(tmp_path):
    assert summary(tmp_path) == summary(tmp_path)


def test_images_outside_the_run_keep_their_path(tmp_path):
    assert "![roc](elsewhere/roc.png)" in summary(tmp_path, plots=[Path("elsewhere/roc.png")])


def test_few_patients_in_very_many_folds_are_still_few(tmp_path):
    """Leaving a pair out tests every patient many times: 10 x 12 folds, and 12 patients of the larger class at most."""
    rng = np.random.default_rng(0)
    rows = []
    for fold in range(120):
        for name, y in ((f"p{fold % 10}", 1), (f"n{fold // 10}", 0)):
            rows.append((name, name, "test", 0, fold, y, rng.random()))
    columns = ["case_id", "patient_id", "split", "repeat", "fold", "y_true", "y_score"]
    selected = [SelectedEpochRow(fold, 1, 1, "last") for fold in range(120)]
    text = summary(tmp_path, Predictions(pd.DataFrame(rows, columns=columns), "died"), selected_epochs=selected)
    assert "10 positive patients" in cautions_in(text)[0]


HOSTILE = "<img src=x onerror=alert(1)>"


def test_raw_html_is_text_in_every_part(tmp_path):
    """A name, a class, a note or a section of a recipe runs nothing where summary.md is shown as HTML."""
    predictions = Predictions(table(), f"EF < 50 {HOSTILE}")
    text = summary(
        tmp_path,
        predictions,
        name=f"run {HOSTILE}",
        division=f"Split by <script>alert(1)</script> {HOSTILE}",
        facts={f"data {HOSTILE}": f"<!-- {HOSTILE}"},
        notes=[f"unreadable: \\{HOSTILE}", "<https://example.org>", "</details><?php ?>"],
        sections=[Section("Section <b>", HOSTILE, first=True), Section("Last <b>", f"`{HOSTILE}")],
        selected_epochs=[SelectedEpochRow(0, 5, 7, HOSTILE, HOSTILE)],
        stamp=HOSTILE,
        pretrained=HOSTILE,
    )
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    ours = "h[1-3]|p|strong|em|ul|li|table|thead|tbody|tr|th|td|blockquote|code|pre"
    assert not [tag for tag in re.findall(r"<[/!?]?(\w*)", html) if not re.fullmatch(ours, tag)]
    assert "EF < 50" in text
