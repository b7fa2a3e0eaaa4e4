"""DeLong's covariance of AUROCs, and intervals of an AUROC."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from echokit.evaluation.evaluation import Interval
from echokit.evaluation.evaluator import Floats, Labels
from echokit.evaluation.statistics.wilson import z_of


def placements(y: Labels, score: Floats) -> tuple[Floats, Floats]:
    """Compute the share of the other class that each patient is ranked above.

    Ties count half. By ranks, O(n log n) (Sun and Xu, IEEE Signal Processing Letters 2014).

    Args:
        y: (n,) int of 0 and 1, both present.
        score: (n,) float64.

    Returns:
        (positives,) and (negatives,) float64, in the order of the patients; the mean of either is the AUROC.
    """
    from scipy.stats import rankdata

    positive = y == 1
    rank, m, k = rankdata(score), int(positive.sum()), int((~positive).sum())
    above = (rank[positive] - rankdata(score[positive])) / k
    below = 1 - (rank[~positive] - rankdata(score[~positive])) / m
    return above, below


def auroc_covariance(y: Labels, scores: Floats) -> tuple[Floats, Floats]:
    """Compute the AUROC of M scores and its covariance (DeLong et al. 1988).

    Args:
        y: (n,) int of 0 and 1, both present.
        scores: (M, n) float64.

    Returns:
        (M,) and (M, M) float64; the covariance is NaN with a single patient in a class.
    """
    pairs = [placements(y, score) for score in np.atleast_2d(scores)]
    positive, negative = np.stack([p for p, _ in pairs]), np.stack([q for _, q in pairs])
    return positive.mean(axis=1), _covariance_of_mean(positive) + _covariance_of_mean(negative)


def delong_interval(y: Labels, score: Floats, level: float = 0.95) -> Interval:
    """Compute the interval of the AUROC of fixed scores of independent patients.

    DeLong's variance on the logit scale (Pepe, The statistical evaluation of medical tests, 2003, section 5.2), which
    keeps the ends inside 0 and 1 and covers in small samples. If that variance is 0 or undefined (an AUROC of
    0 or 1, a single patient in a class), the score-type interval is used instead.

    Args:
        y: (n,) int of 0 and 1, both present.
        score: (n,) float64.
        level: Nominal level, between 0 and 1.
    """
    (auroc,), ((variance,),) = auroc_covariance(y, score)
    if variance > 0 and 0 < auroc < 1:
        low, high = on_the_logit(float(auroc), math.sqrt(variance), level)
        return Interval(low, high, "DeLong on the logit scale")
    m = int((y == 1).sum())
    low, high = score_type(float(auroc), m, len(y) - m, level)
    return Interval(low, high, "score-type (Newcombe 2006, method 5), as DeLong's variance is zero or undefined")


def on_the_logit(value: float, error: float, level: float) -> tuple[float, float]:
    """Compute a symmetric interval on the logit scale of a value in (0, 1)."""
    z = z_of(level)
    centre, half = math.log(value / (1 - value)), z * error / (value * (1 - value))
    return _expit(centre - half), _expit(centre + half)


def score_type(auroc: float, positives: float, negatives: float, level: float = 0.95) -> tuple[float, float]:
    """Compute the score-type interval of an AUROC.

    Newcombe, Statistics in Medicine 2006, part 2, method 5: the values t with |auroc - t| <= z sqrt(V(t)), where V is
    Hanley and McNeil's variance under exponential scores with both class sizes replaced by their mean in its cross
    terms. Has a width at 0 and 1 too.

    Args:
        auroc: From 0 to 1.
        positives, negatives: Patients of each class, at least 1; fractions if patients were discounted.
        level: Nominal level, between 0 and 1.
    """
    from scipy.optimize import brentq

    z, star = z_of(level), (positives + negatives) / 2 - 1

    def variance(t: float) -> float:
        inner = 1 + star * (1 - t) / (2 - t) + star * t / (1 + t)
        return t * (1 - t) * inner / (positives * negatives)

    def distance(t: float) -> float:
        return (auroc - t) ** 2 - z * z * variance(t)

    low = 0.0 if auroc <= 0 else float(brentq(distance, 0.0, auroc)) if auroc < 1 else _root(distance, 0.0, 1.0)
    high = 1.0 if auroc >= 1 else float(brentq(distance, auroc, 1.0)) if auroc > 0 else _root(distance, 0.0, 1.0)
    return low, high


def _root(distance: Callable[[float], float], low: float, high: float) -> float:
    """Find the root strictly inside; an end can be a root at AUROC 0 or 1."""
    from scipy.optimize import brentq

    inside = 1e-9
    return float(brentq(distance, low + inside, high - inside))


def _covariance_of_mean(values: Floats) -> Floats:
    n = values.shape[1]
    if n < 2:
        return np.full((len(values), len(values)), np.nan)
    covariance: Floats = np.atleast_2d(np.cov(values)) / n
    return covariance


def _expit(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0
