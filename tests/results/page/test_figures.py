"""Figures of the page: inline SVG of the plots, the same bytes every time, with unique ids."""

import re

import numpy as np
import pandas as pd
import pytest

from echokit.evaluation.evaluate_folds import evaluate_folds
from echokit.evaluation.evaluation import Evaluation
from echokit.evaluation.metrics.accuracy import Accuracy
from echokit.evaluation.metrics.auprc import Auprc
from echokit.evaluation.metrics.auroc import Auroc
from echokit.evaluation.predictions import Predictions
from echokit.results.figures.curve_figures import roc_figure
from echokit.results.figures.score_figures import calibration_figure, decision_figure, score_figure, why_no_calibration
from echokit.results.page.run_charts import overlaid, svg


def predictions(n: int = 40, positive: str = "reduced", *, probability: bool = True) -> Predictions:
    rng = np.random.default_rng(0)
    y = (np.arange(n) % 3 == 0).astype(int)
    score = np.clip(0.3 + 0.3 * y + 0.15 * rng.normal(size=n), 0.01, 0.99)
    names = [f"p{i}" for i in range(n)]
    table = pd.DataFrame({"case_id": names, "patient_id": names, "split": "test", "repeat": 0, "fold": 0})
    return Predictions(table.assign(y_true=y, y_score=score), positive, probability=probability)


def evaluated(n: int = 40, positive: str = "reduced") -> Evaluation:
    evaluators = [("accuracy", Accuracy()), ("auroc", Auroc()), ("auprc", Auprc())]
    return evaluate_folds(predictions(n, positive), evaluators, seed=0, resamples=20)


def test_the_same_figure_gives_the_same_text() -> None:
    first, second = (svg("roc", roc_figure(evaluated(), positive="reduced", stamp="PHANTOM DATA")) for _ in range(2))
    assert first == second
    assert 'role="img"' in first
    assert re.search(r'aria-label="ROC curve, test set\. [^"]+"', first)


def test_the_text_has_no_address_metadata_or_style_sheet() -> None:
    text = svg("roc", roc_figure(evaluated(), positive="reduced"))
    for part in ("http", "xmlns", "<metadata", "<style", "<!", "<?"):
        assert part not in text


def test_ids_are_unique_and_all_references_exist() -> None:
    figures = {"roc": roc_figure(evaluated(), positive="reduced"), "scores": score_figure(predictions())}
    text = "".join(svg(name, figure) for name, figure in figures.items())
    ids = re.findall(r'\bid="([^"]+)"', text)
    references = set(re.findall(r'href="#([^"]+)"', text)) | set(re.findall(r"url\(#([^)]+)\)", text))
    assert len(ids) == len(set(ids))
    assert references
    assert references <= set(ids)


def test_names_from_the_recipe_are_escaped() -> None:
    text = svg("roc", roc_figure(evaluated(positive='<b>"--><script>'), positive='<b>"--><script>'))
    assert "<b>" not in text
    assert "<script" not in text


def test_many_patients_keep_the_figure_small() -> None:
    rng = np.random.default_rng(0)
    points = np.sort(rng.random(50_000)).tolist()
    curve = {"repeat": 0, "fold": 0, "n": 50_000, "events": 9, "fpr": points, "tpr": points}
    text = svg("roc", roc_figure(Evaluation((), {"roc": {"test": [curve]}}), positive="reduced"))
    assert len(text) < 300_000


def test_calibration_and_decision_curves_need_probabilities() -> None:
    assert calibration_figure(predictions(600)) is not None
    assert why_no_calibration(predictions(600)) is None
    for without in (predictions(40), predictions(600, probability=False)):  # 100 patients of each class, probabilities
        assert calibration_figure(without) is None
        assert why_no_calibration(without)
    assert decision_figure(predictions(), stamp="PHANTOM DATA") is not None
    assert decision_figure(predictions(probability=False)) is None


def test_the_bars_of_each_class_sum_to_one() -> None:
    axes = score_figure(predictions()).axes[0]
    for bars in axes.containers:
        assert sum(bar.get_height() for bar in bars) == pytest.approx(1.0)  # type: ignore[attr-defined]


@pytest.mark.parametrize("score", [0.5, 7.0])
def test_equal_scores_have_a_histogram(score: float) -> None:
    table = predictions().table.assign(y_score=score)
    axes = score_figure(Predictions(table, "reduced", probability=score < 1)).axes[0]
    assert sum(bar.get_height() for bar in axes.containers[0]) == pytest.approx(1.0)  # type: ignore[attr-defined]


def test_runs_of_one_fold_are_overlaid() -> None:
    single = evaluated().curves
    folds = {name: {"test": [*single[name]["test"], *single[name]["test"]]} for name in ("roc", "pr")}
    assert len(overlaid(["a", "b"], [single, folds], "test", None)) == 2
    assert overlaid(["a"], [folds], "test", None) == []
