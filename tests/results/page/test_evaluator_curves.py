"""Curves that an evaluator defines: refused or written, drawn on the page, with text that stays text."""

import json
import math
import re
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

from echokit import Curve, Evaluation, Predictions
from echokit.evaluation.evaluate_folds import evaluate_folds
from echokit.results.figures.evaluator_curves import (
    LONGEST_TEXT,
    MOST_POINTS,
    curve_caption,
    curve_figure,
    drawn_curves,
)
from echokit.results.page.run_charts import svg
from tests.expect import refused


def predictions(folds: int = 1) -> Predictions:
    n = 40
    rng = np.random.default_rng(0)
    y = (np.arange(n) % 3 == 0).astype(int)
    names = [f"p{i}" for i in range(n)]
    table = pd.DataFrame({"case_id": names, "patient_id": names, "split": "test", "repeat": 0})
    table = table.assign(
        fold=np.arange(n) // 3 % folds, y_true=y, y_score=np.clip(0.3 + 0.3 * y, 0, 1) + rng.random(n) / 9
    )
    return Predictions(table, "reduced")


class Drawing:
    """A plugin's evaluator of one curve."""

    def __init__(self, *, leave_out: int = -1, **given: Any) -> None:
        self.leave_out = leave_out
        self.given: dict[str, Any] = {
            "title": "Referral",
            "x_label": "referred",
            "y_label": "found",
            "series": {"model": ((0.0, 0.5, 1.0), np.array([0.1, 0.75, 1.0]))},
            **given,
        }

    def __call__(self, rows: Predictions) -> Evaluation:
        left_out = int(rows.table["fold"].iloc[0]) == self.leave_out
        return Evaluation((), {} if left_out else {"referral": Curve(**self.given)})


def contents(folds: int = 1, **given: Any) -> list[dict[str, Any]]:
    evaluation = evaluate_folds(predictions(folds), [("lab:draws", Drawing(**given))], seed=0)
    return drawn_curves(evaluation.curves, "test")["lab:referral"]


def test_it_is_written_for_every_fold_under_the_name_of_the_plugin() -> None:
    found = contents(2, reference=((0, 1), (0, 1)), reference_label="chance")
    assert [(one["fold"], one["n"], one["events"]) for one in found] == [(0, 21, 7), (1, 19, 7)]
    for one in found:
        assert one["series"] == {"model": {"x": [0.0, 0.5, 1.0], "y": [0.1, 0.75, 1.0]}}
        assert one["reference"] == {"x": [0.0, 1.0], "y": [0.0, 1.0]}
        json.dumps(one, allow_nan=False)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"series": {"model": ([0.0, math.nan], [0.0, 1.0])}}, "point 1 of the series 'model'"),
        ({"series": {"model": ([0.0, 1.0], [0.0, math.inf])}}, "point 1"),
        ({"series": {"model": ([0.0, 1.0], [-1e308, 1e308])}}, "point 0"),
        ({"series": {"model": ([], [])}}, "no points"),
        ({"series": {"model": ([0.0, 1.0], [0.0])}}, "2 x and 1 y"),
        ({"series": {"model": [0.0, 1.0, 2.0]}}, "'model'"),
        ({"series": {"model": ("ab", "cd")}}, "'model'"),
        ({"series": {"model": None}}, "'model'"),
        ({"series": {}}, "no series"),
        ({"series": {1: ([0], [0])}}, "1"),
        ({"reference": ((0, math.nan), (0, 1))}, "the reference"),
        ({"title": " "}, "no title"),
        ({"x_label": 3}, "x_label"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_the_evaluator(given: dict[str, Any], name: str) -> None:
    with refused("evaluator.bad_curve", names=("'lab:draws'", "'referral'", name)):
        contents(**given)


def test_what_is_no_curve_and_no_mapping_is_refused() -> None:
    def evaluator(rows: Predictions) -> Evaluation:
        return Evaluation((), {"referral": [1, 2]})

    with refused("evaluator.bad_curve", names=("'lab:draws'",)):
        evaluate_folds(predictions(), [("lab:draws", evaluator)], seed=0)
    plain = evaluate_folds(predictions(), [("lab:draws", lambda rows: Evaluation((), {"kept": {"a": 1}}))], seed=0)
    assert plain.curves["lab:kept"]["test"][0]["a"] == 1
    assert drawn_curves(plain.curves, "test") == {}


def lines(figure: Any) -> list[tuple[str, int]]:
    (axes,) = figure.axes
    return [(line.get_label(), len(line.get_xdata())) for line in axes.lines]


def legend(figure: Any) -> list[str]:
    found = figure.axes[0].get_legend()
    return [] if found is None else [text.get_text() for text in found.get_texts()]


def test_folds_and_series_are_laid_over_one_another() -> None:
    one = curve_figure(contents(), positive="reduced")
    assert legend(one) == []
    chance = {"reference": ((0, 1), (0, 1)), "reference_label": "chance"}
    assert legend(curve_figure(contents(**chance), positive="reduced")) == ["chance"]
    three = curve_figure(contents(3, **chance), positive="reduced")
    assert legend(three) == ["fold 0", "fold 1", "fold 2", "chance"]
    two = {"a": ([0, 1], [0, 1]), "_b": ([0, 1], [1, 0])}
    assert legend(curve_figure(contents(series=two), positive="reduced")) == ["a", "b"]
    many = curve_figure(contents(3, series=two), positive="reduced")
    assert legend(many) == ["a, one line a fold", "b, one line a fold"]
    assert len(lines(many)) == 6
    assert legend(curve_figure(contents(12), positive="reduced")) == ["12 folds, one line each"]


def test_the_caption_counts_patients_and_folds_without_a_curve() -> None:
    evaluation = evaluate_folds(predictions(4), [("lab:draws", Drawing(leave_out=2, description="Found."))], seed=0)
    metrics = evaluate_folds(predictions(4), [("accuracy", _accuracy())], seed=0).metrics
    found = drawn_curves(evaluation.curves, "test")["lab:referral"]
    caption = curve_caption("lab:referral", found, metrics, "test")
    n, events = sum(one["n"] for one in found), sum(one["events"] for one in found)
    assert caption.startswith(f"Found. n {n}, {events} positive. ")
    assert "1 of 4 folds" in caption
    assert caption.endswith("plugin lab.")


def _accuracy() -> Any:
    from echokit.evaluation.metrics.accuracy import Accuracy

    return Accuracy()


HOSTILE = '</script><script>alert(1)</script><b>"$x^{2$\x00\ud800 \n_' + "long " * 200


def test_text_of_a_plugin_stays_text() -> None:
    given = dict.fromkeys(("title", "x_label", "y_label", "reference_label", "description"), HOSTILE)
    found = contents(**given, series={HOSTILE: ([0, 1], [0, 1]), "_": ([0], [1])}, reference=((0, 1), (0, 1)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        text = svg("curve0", curve_figure(found, positive="reduced", stamp="PHANTOM DATA"), _caption(found))
    assert "<script" not in text
    assert "<b>" not in text
    assert "\x00" not in text
    assert "PHANTOM DATA" in text
    assert max(map(len, re.findall(r">([^<]*)<", text))) < 4 * LONGEST_TEXT
    assert svg("curve0", curve_figure(found, positive="reduced", stamp="PHANTOM DATA"), _caption(found)) == text


def _caption(found: list[dict[str, Any]]) -> str:
    return curve_caption("lab:referral", found, [], "test")


def test_a_long_line_is_thinned_and_keeps_its_ends() -> None:
    x = np.linspace(0, 1, 5 * MOST_POINTS + 3)
    found = contents(series={"model": (x, x)})
    assert len(found[0]["series"]["model"]["x"]) == len(x)
    (line,) = curve_figure(found, positive="reduced").axes[0].lines
    assert len(line.get_xdata()) <= MOST_POINTS + 1
    assert (line.get_xdata()[0], line.get_xdata()[-1]) == (0, 1)
