"""Weighted ranking of positives among negatives, for AUROC and average precision."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from echokit.evaluation.evaluator import Floats, Labels, Weights


@dataclass(frozen=True, slots=True)
class Ranking:
    """Weights around each of the K distinct scores of the positives, descending.

    Attributes:
        hits: (B, K) float64, weight of the positives with exactly that score.
        above: (B, K) float64, weight of the negatives scored higher.
        reached: (B, K) float64, weight of the negatives scored as high or higher.
        positives, negatives: (B,) float64, weight of each class.
    """

    hits: Floats
    above: Floats
    reached: Floats
    positives: Floats
    negatives: Floats


def rank(y: Labels, score: Floats, weights: Weights) -> Ranking:
    """Rank the patients once and weight the ranking B times: O(n log n + B n).

    Only the scores of positives matter to the area under the ROC curve and to average precision, so nothing
    is computed at the others.

    Args:
        y: (n,) int, 1 for the positive class, 0 otherwise.
        score: (n,) float, higher means more likely positive; ties allowed.
        weights: (B, n) of any number type, not negative.
    """
    key = -np.asarray(score, np.float64)  # ascending key = descending score
    positive, negative = _by_key(np.flatnonzero(y == 1), key), _by_key(np.flatnonzero(y == 0), key)
    levels, first = np.unique(key[positive], return_index=True)
    hits = weights[:, positive].astype(np.float64)
    if len(levels) < len(positive):
        hits = np.add.reduceat(hits, first, axis=1)
    running = np.zeros((len(weights), len(negative) + 1))
    np.cumsum(weights[:, negative], axis=1, out=running[:, 1:])
    above = running[:, np.searchsorted(key[negative], levels, side="left")]
    reached = running[:, np.searchsorted(key[negative], levels, side="right")]
    return Ranking(hits, above, reached, hits.sum(axis=1), running[:, -1].copy())


def coarse_ranks(y: Labels, score: Floats) -> Floats:
    """Reduce scores to the fewest distinct values with the same ranking.

    Args:
        y: (n,) int of 0 and 1.
        score: (n,) float.

    Returns:
        (n,) float64: all negatives between two neighbouring scores of positives are tied.
    """
    levels = np.unique(score[y == 1])
    return (np.searchsorted(levels, score, "left") + np.searchsorted(levels, score, "right")).astype(np.float64)


def operating_points(y: Labels, score: Floats) -> tuple[Floats, Floats, Floats]:
    """Count true and false positives at each distinct score used as the threshold.

    Args:
        y: (n,) int of 0 and 1.
        score: (n,) float.

    Returns:
        Thresholds, true positives and false positives, each (K,) float64, highest threshold first; a case
        counts as classified as positive if its score is at or above the threshold.
    """
    order = np.argsort(-score, kind="stable")
    last = last_of_ties(score[order])
    hit = y[order] == 1
    return score[order][last], np.cumsum(hit)[last].astype(float), np.cumsum(~hit)[last].astype(float)


def last_of_ties(ordered: Floats) -> npt.NDArray[np.intp]:
    """Find the last place of each group of equal values, in (n,) sorted values."""
    return np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)[: len(ordered)])


def _by_key(rows: npt.NDArray[np.intp], key: Floats) -> npt.NDArray[np.intp]:
    return rows[np.argsort(key[rows], kind="stable")]
