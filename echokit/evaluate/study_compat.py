"""The three numbers that the study calls AUPRC."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from echokit.evaluate.auprc import Auprc
from echokit.evaluate.bootstrap import Statistic, bootstrap_interval
from echokit.evaluate.chance import chance_average_precision
from echokit.evaluate.evaluation import Evaluation, Interval, Metric
from echokit.evaluate.predictions import Predictions
from echokit.evaluate.scores import Floats

ENOUGH_EVENTS = 20


class StudyCompat:
    """The study's three conventions under one name: to compare with its tables, not to judge a model by.

    ``study_auprc_macro`` is the average precision averaged over both classes (Stage 1, ResNet18 rows: it flatters,
    as the larger class is easy); ``study_auprc_positive`` that of the positive class alone, which is echokit's
    ``auprc``; ``study_auprc_trapezoid`` the trapezoid area under the precision-recall points (Stage 2), which draws
    lines where no threshold lies (Davis and Goadrich, 2006).
    """

    metric: ClassVar[str] = "study_auprc"

    def __call__(self, predictions: Predictions) -> Evaluation:
        """Compute the three numbers of one split, one row a patient."""
        y, score = predictions.y_true, predictions.y_score
        n, events = len(y), int(y.sum())
        one = np.ones((1, n))
        metrics = []
        for name, (statistic, words, chance) in _conventions().items():
            defined = 0 < events < n
            metrics.append(
                Metric(
                    metric=f"{self.metric}_{name}",
                    definition=f"the study's AUPRC, {words}; positive class {predictions.positive!r}",
                    value=float(statistic(y, score, one)[0]) if defined else None,
                    n=n,
                    events=events,
                    baseline=chance(events, n) if defined else None,
                    interval=None if defined else f"undefined: only one class among {n} patients",
                )
            )
        return Evaluation(tuple(metrics))

    def intervals(self, predictions: Predictions, *, level: float, seed: int, resamples: int) -> Sequence[Interval]:
        """Make bootstrap intervals from 20 events on; none below."""
        y, score = predictions.y_true, predictions.y_score
        if int(y.sum()) < ENOUGH_EVENTS:
            return (Interval(None, None, f"none below {ENOUGH_EVENTS} events"),) * len(_conventions())
        return [
            bootstrap_interval(y, score, statistic, resamples=resamples, level=level, stratified=False, seed=seed)
            for statistic, _, _ in _conventions().values()
        ]


def macro_average_precision(y: npt.NDArray[Any], score: Floats, weights: npt.NDArray[np.number]) -> Floats:
    """Mean of the average precision of either class, the other class ranked by the negated score: (B,) float64."""
    statistic = Auprc().statistic
    return 0.5 * (statistic(y, score, weights) + statistic(1 - y, -score, weights))


def trapezoid_area(y: npt.NDArray[Any], score: Floats, weights: npt.NDArray[np.number]) -> Floats:
    """Trapezoid area under the precision-recall points, from precision 1 at recall 0: (B,) float64.

    NaN where a class has no weight.
    """
    order = np.argsort(-score, kind="stable")
    last = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))
    found = np.cumsum(weights[:, order] * (y[order] == 1), axis=1, dtype=np.float64)[:, last]
    called = np.cumsum(weights[:, order], axis=1, dtype=np.float64)[:, last]
    events, total = found[:, -1:], called[:, -1:]
    start = np.ones((len(weights), 1))
    # A threshold above which nobody has weight is no point of the curve: it repeats the start.
    precision = np.concatenate([start, np.divide(found, called, out=np.ones_like(found), where=called > 0)], axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = np.concatenate([0 * start, found / events], axis=1)
    area = (np.diff(recall, axis=1) * (precision[:, 1:] + precision[:, :-1]) / 2).sum(axis=1)
    return np.where((events[:, 0] > 0) & (total[:, 0] > events[:, 0]), area, np.nan)


def _conventions() -> dict[str, tuple[Statistic, str, Any]]:
    return {
        "macro": (
            macro_average_precision,
            "Stage 1 of the ResNet18 models: average precision averaged over both classes, which lies above that of "
            "the rarer class; the baseline is a random ranking",
            lambda events, n: (chance_average_precision(events, n) + chance_average_precision(n - events, n)) / 2,
        ),
        "positive": (
            Auprc().statistic,
            "average precision of the positive class alone, the same as auprc; the baseline is a random ranking",
            chance_average_precision,
        ),
        "trapezoid": (
            trapezoid_area,
            "Stage 2: trapezoid area under the precision-recall points, from precision 1 at recall 0; no baseline: "
            "its chance value depends on the ties",
            lambda events, n: None,
        ),
    }
