"""Calibration, decision curve and distribution of the scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from echokit.evaluation.metrics.calibration import ENOUGH, Calibration
from echokit.evaluation.metrics.net_benefit import NetBenefit
from echokit.results.figures.curve_figures import CHANCE
from echokit.results.figures.figure_style import (
    BLUE,
    GREY,
    VERMILLION,
    add_panel,
    house_style,
    new_figure,
)
from echokit.results.wording import count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from echokit.evaluation.predictions import Predictions

BINS = 20
LOWEST_NET_BENEFIT = 0.15
"""How far the decision curve goes below zero, as a share of its highest value."""


def why_no_calibration(predictions: Predictions) -> str | None:
    """Return why there is no calibration curve, or None if there is one."""
    if not predictions.probability:
        return "the scores are no probabilities"
    positives = int(predictions.y_true.sum())
    few = min(positives, len(predictions) - positives)
    return f"it needs {ENOUGH} patients of each class, and the smaller class has {few}" if few < ENOUGH else None


def calibration_figure(predictions: Predictions, *, stamp: str | None = None) -> Figure | None:
    """Draw the observed share of positives against the mean predicted probability.

    Args:
        predictions: Of one split, one row a patient.
        stamp: PHANTOM DATA, or None.

    Returns:
        The figure, or None if there is no calibration curve: ``why_no_calibration``.
    """
    curve = Calibration()(predictions).curves.get("calibration")
    if curve is None:
        return None
    with house_style():
        figure, axes = _start("Calibration, test set", predictions, stamp)
        band: dict[str, Any] = {"color": GREY, "alpha": 0.18, "linewidth": 0, "label": "95 % band if calibrated"}
        axes.fill_between(curve["expected"], curve["null_low"], curve["null_high"], **band)
        axes.plot([0, 1], [0, 1], label="ideal", **CHANCE)
        axes.plot(curve["expected"], curve["observed"], "o", color=BLUE, label="observed, ten bins")
        axes.set(xlim=(-0.015, 1.015), ylim=(-0.015, 1.015), xlabel="Mean predicted probability")
        axes.set_ylabel("Observed share of positives")
        axes.legend(loc="upper left")
    return figure


def decision_figure(predictions: Predictions, *, stamp: str | None = None) -> Figure | None:
    """Draw the net benefit of the model, of treating all and of treating none.

    Args:
        predictions: Of one split, one row a patient.
        stamp: PHANTOM DATA, or None.

    Returns:
        The figure, or None if the scores have no decision curve.
    """
    curve = NetBenefit()(predictions).curves.get("decision")
    if curve is None:
        return None
    highest = max([*curve["model"], *curve["all"], 0.01])
    with house_style():
        figure, axes = _start("Decision curve, test set", predictions, stamp)
        axes.plot(curve["threshold"], curve["model"], color=BLUE, label="act on the model")
        axes.plot(curve["threshold"], curve["all"], color=VERMILLION, label="act on all patients")
        axes.axhline(0.0, label="act on no patient", **CHANCE)
        axes.set(xlim=(-0.015, 1.015), ylim=(-LOWEST_NET_BENEFIT * highest, 1.08 * highest))
        axes.set_xlabel("Threshold probability")
        axes.set_ylabel("Net benefit (true positives per patient)")
        axes.legend(loc="best")
    return figure


def score_figure(predictions: Predictions, *, stamp: str | None = None) -> Figure:
    """Draw the histogram of the scores of each class, as shares of the class.

    Args:
        predictions: Of one split, one row a patient.
        stamp: PHANTOM DATA, or None.
    """
    truth, score = predictions.y_true, predictions.y_score
    unit = predictions.probability and score.min() >= 0 and score.max() <= 1
    edges = np.histogram_bin_edges(score, BINS, (0.0, 1.0) if unit else None)
    with house_style():
        figure, axes = _start("Scores by class, test set", predictions, stamp)
        classes = [score[truth == 0], score[truth == 1]]
        axes.hist(
            classes,
            edges.tolist(),
            weights=[np.full(len(scores), 1 / max(1, len(scores))) for scores in classes],
            color=[BLUE, VERMILLION],
            label=[f"not {predictions.positive}", predictions.positive],
        )
        axes.axvline(predictions.threshold, label=f"threshold {predictions.threshold:g}", **CHANCE)
        axes.set_xlabel("Score" + (" (probability)" if predictions.probability else ""))
        axes.set_ylabel("Share of the class")
        axes.legend(loc="best")
    return figure


def _start(title: str, predictions: Predictions, stamp: str | None) -> tuple[Figure, Axes]:
    positives = int(predictions.y_true.sum())
    patients = f"{count(len(predictions), 'patient')}, {positives:,} positive ({predictions.positive})"
    figure = new_figure(title, patients, stamp=stamp)
    return figure, add_panel(figure, stamp=stamp)
