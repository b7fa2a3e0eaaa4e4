"""Net benefit (decision curve analysis)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from echokit.evaluation.evaluation import BaselineTest, Evaluation, Interval, Metric
from echokit.evaluation.evaluator import Floats, Labels, Weights
from echokit.evaluation.metrics.threshold_metric import Thresholded
from echokit.evaluation.predictions import Predictions
from echokit.evaluation.statistics.against_baseline import against_constant
from echokit.evaluation.statistics.bootstrap import bootstrap_interval
from echokit.evaluation.statistics.call_counts import Counts, binarize, count_outcomes, counts_of, describe_threshold

GRID = np.arange(1, 100) / 100


class NetBenefit(Thresholded):
    """Net benefit at threshold t, TP/n - FP/n * t/(1-t) (Vickers and Elkin, 2006).

    Undefined if the scores are no probabilities, or the threshold is not between 0 and 1. The baseline is the better of
    classifying all patients as positive and classifying none. The curve ``decision`` holds
    ``threshold, model, all``.
    """

    metric = "net_benefit"
    larger_is_better = True

    def __call__(self, predictions: Predictions) -> Evaluation:
        """Compute the net benefit of one split, one row a patient."""
        reason, threshold = _undefined(predictions), float(predictions.threshold)
        n, positives = len(predictions), int(predictions.y_true.sum())
        counts = counts_of(predictions)
        metric = Metric(
            metric=self.metric,
            definition=(
                f"net benefit tp/n - fp/n * t/(1-t) at the threshold t, in true positives a patient; "
                f"{describe_threshold(predictions)}; the baseline is the better of classifying all patients as "
                "positive and classifying none"
            ),
            value=None if reason else float(net_benefit(counts, threshold)[0]),
            n=n,
            events=positives,
            baseline=None if reason else max(0.0, _of_all(positives / n, threshold)),
            threshold=threshold,
            interval=f"undefined: {reason}" if reason else None,
        )
        return Evaluation((metric,), {} if reason else {"decision": _curve(predictions)})

    def intervals(self, predictions: Predictions, *, level: float, seed: int, resamples: int) -> Sequence[Interval]:
        """Compute a bootstrap interval at the threshold of the predictions."""
        reason = _undefined(predictions)
        if reason:
            return (Interval(None, None, f"undefined: {reason}"),)

        def statistic(y: Labels, predicted: Floats, weights: Weights) -> Floats:
            return net_benefit(count_outcomes(y, predicted, weights), predictions.threshold)

        binary = binarize(predictions)
        interval = bootstrap_interval(
            binary.y_true, binary.y_score, statistic, resamples=resamples, level=level, stratified=False, seed=seed
        )
        return (interval,)

    def against_baseline(self, predictions: Predictions, *, seed: int) -> Sequence[BaselineTest | None]:
        """Compare the costs of wrong classes with those of the better constant answer."""
        if _undefined(predictions):
            return (None,)
        y, t = predictions.y_true, float(predictions.threshold)
        cost = np.where(y == 1, 1.0, t / (1 - t))  # of a wrong class; net benefit is the prevalence less the mean cost
        model = cost * ((predictions.y_score >= t) != (y == 1))
        constant = cost * (y == 0) if _of_all(float(y.mean()), t) > 0 else cost * (y == 1)
        return (against_constant(model, constant, "cost of a wrong class"),)


def net_benefit(counts: Counts, threshold: float) -> Floats:
    """Compute the net benefit of (B,) counts at a threshold between 0 and 1."""
    return (counts.tp - counts.fp * threshold / (1 - threshold)) / counts.n


def _undefined(predictions: Predictions) -> str | None:
    if not len(predictions):
        return "no patients"
    if not predictions.probability:
        return "the scores are no probabilities"
    if not 0 < predictions.threshold < 1:
        return f"the threshold {predictions.threshold:g} is not between 0 and 1"
    return None


def _of_all(prevalence: float, threshold: float) -> float:
    return prevalence - (1 - prevalence) * threshold / (1 - threshold)


def _curve(predictions: Predictions) -> dict[str, list[float]]:
    prevalence = float(predictions.y_true.mean())
    model = [float(net_benefit(counts_of(replace(predictions, threshold=t)), t)[0]) for t in GRID.tolist()]
    return {"threshold": GRID.tolist(), "model": model, "all": [_of_all(prevalence, t) for t in GRID.tolist()]}
