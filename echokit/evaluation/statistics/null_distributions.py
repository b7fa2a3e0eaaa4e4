"""Null distributions: random rankings, permutation tests, the best of random models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from echokit.evaluation.evaluator import Floats
from echokit.evaluation.statistics.ranking import last_of_ties

CHUNK_ELEMENTS = 500_000  # of the shuffles in memory at once


def chance_average_precision(events: int, score: Floats) -> float:
    """Compute the expected average precision of these scores for random classes.

    The mean of the permutation null, exact. A positive patient in a group of tied scores has the precision at the end
    of its group, at rank N: it counts itself, and of the N - 1 others (events - 1)/(n - 1) are positive on average.
    Without ties it approaches the prevalence only from about 600 patients; with all scores tied it is the prevalence.

    Args:
        events: Patients of the positive class, at least 1.
        score: (n,) float64, n at least ``events``.

    Raises:
        ValueError: ``events`` is not between 1 and n.
    """
    n = len(score)
    if not 1 <= events <= n:
        raise ValueError(f"average precision needs 1 to n = {n} positives, not {events}")
    ascending = np.sort(-score)
    ranks = np.searchsorted(ascending, ascending, side="right").astype(np.float64)
    true_positives = 1 + (ranks - 1) * (events - 1) / max(n - 1, 1)
    return float(np.mean(true_positives / ranks))


def shuffled_average_precision(score: Floats, events: int, *, shuffles: int, seed: int) -> Floats:
    """Compute the permutation null of the average precision of these scores.

    Args:
        score: (n,) float64; ties are taken together.
        events: Patients of the positive class, from 1 to n.
        shuffles: Number of shuffles.
        seed: Seed of the Philox generator.

    Returns:
        (shuffles,) float64.
    """
    ordered = np.sort(score)[::-1]
    last = last_of_ties(ordered)
    generator = np.random.Generator(np.random.Philox(seed))
    n, chunk = len(score), max(1, CHUNK_ELEMENTS // len(score))
    classes = np.zeros(n)
    classes[:events] = 1
    values = []
    for start in range(0, shuffles, chunk):
        rows = np.tile(classes, (min(chunk, shuffles - start), 1))
        true_positives = np.cumsum(generator.permuted(rows, axis=1), axis=1)[:, last]
        gained = np.diff(true_positives, axis=1, prepend=0)
        values.append((gained * true_positives / (last + 1)).sum(axis=1) / events)
    return np.concatenate(values)


def permutation_p(observed: float, null: Floats) -> float:
    """Compute the p value of a permutation test, (b + 1) / (m + 1).

    Of m permuted values b are at or above the observed one. Never zero, as the observed labelling is one of the
    permutations (Phipson and Smyth, 2010). The null must come from the whole procedure: any selection is repeated
    inside every permutation.

    Args:
        observed: The statistic of the real labels; larger means better.
        null: (m,) float64 of permuted labels.

    Raises:
        ValueError: A permuted value is NaN.
    """
    if np.isnan(null).any():
        raise ValueError("a permuted statistic is undefined: it cannot be compared")
    return (int((null >= observed - 1e-12).sum()) + 1) / (len(null) + 1)


def rank_sum_distribution(positives: int, negatives: int) -> Floats:
    """Compute the Mann-Whitney distribution of a random ranking without ties.

    Args:
        positives, negatives: Patients of each class, at least 1.

    Returns:
        (positives x negatives + 1,) float64 that sums to 1: entry u is the probability of u pairs won.
    """
    # The generating function is the Gaussian binomial: a product of (1 - q^(negatives + i)) / (1 - q^i).
    m, n = sorted((positives, negatives))
    size = m * n + 1
    ways = np.zeros(size)
    ways[0] = 1.0
    for i in range(1, m + 1):
        if n + i < size:
            ways[n + i :] -= ways[: size - n - i].copy()
        for start in range(i):  # dividing by 1 - q^i is a running sum with step i
            ways[start::i] = np.cumsum(ways[start::i])
        ways *= i / (n + i)  # stays a probability, so nothing overflows
    probability: Floats = np.maximum(ways, 0) / np.maximum(ways, 0).sum()
    return probability


def best_of_random(folds: Sequence[tuple[int, int]], models: int, *, quantile: float = 0.5) -> float:
    """Compute the exact fold-mean AUROC of the best of several random models.

    Every model ranks every fold at random, and the best of them is chosen on the same folds. Folds with one class
    have no AUROC and are left out, as they are of the mean.

    Args:
        folds: (events, n) of each test fold; one for a single test set.
        models: Number of models, at least 1.
        quantile: Quantile of the best; 0.5 is the median.

    Returns:
        The fold-mean AUROC.

    Raises:
        ValueError: No fold has both classes, or there are no models.
    """
    sizes = [(events, n - events) for events, n in folds if 0 < events < n]
    if not sizes or models < 1:
        raise ValueError("need at least one fold with both classes, and one model")
    pairs = [m * k for m, k in sizes]
    # On a grid of 1/common every fold's AUROC is a whole number; many different folds share only a fine one.
    common = int(np.lcm.reduce(np.asarray(pairs, object)))
    grid = common if common * len(pairs) <= 2_000_000 else 100_000
    total = np.ones(1)
    for (m, k), count in zip(sizes, pairs, strict=True):
        distribution = np.zeros(grid + 1)
        np.add.at(
            distribution, np.round(np.arange(count + 1) * grid / count).astype(np.int64), rank_sum_distribution(m, k)
        )
        total = _convolve(total, distribution)
    below = np.cumsum(total) ** models
    index = int(np.searchsorted(below, quantile * below[-1]))
    return index / (grid * len(pairs))


def _convolve(first: Floats, second: Floats) -> Floats:
    from scipy.signal import fftconvolve

    if min(np.count_nonzero(first), np.count_nonzero(second)) < 2_000:
        # Few values: exact, and faster than a transform.
        few, many = sorted((first, second), key=np.count_nonzero)
        result = np.zeros(len(first) + len(second) - 1)
        for i in np.flatnonzero(few):
            result[i : i + len(many)] += few[i] * many
        return result
    result = np.maximum(fftconvolve(first, second), 0.0)
    return np.asarray(result, np.float64)
