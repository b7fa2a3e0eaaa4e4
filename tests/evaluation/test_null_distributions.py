"""Chance average precision, permutation tests and the best of many random models."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import average_precision_score

from echokit.evaluation.statistics.null_distributions import (
    best_of_random,
    chance_average_precision,
    permutation_p,
    rank_sum_distribution,
    shuffled_average_precision,
)


@pytest.mark.parametrize(("n", "events"), [(1, 1), (5, 1), (6, 2), (7, 3), (7, 6), (4, 4)])
def test_chance_average_precision_is_the_mean_over_all_rankings(n, events):
    values = []
    for chosen in itertools.combinations(range(n), events):
        y = np.isin(np.arange(n), chosen).astype(int)
        values.append(average_precision_score(y, -np.arange(n, dtype=float)))
    assert chance_average_precision(events, np.arange(n)) == pytest.approx(np.mean(values), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(scores=st.lists(st.sampled_from([0.1, 0.2, 0.5, 0.9]), min_size=1, max_size=8), data=st.data())
def test_tied_chance_is_the_mean_over_all_classes(scores, data):
    score, n = np.array(scores), len(scores)
    events = data.draw(st.integers(1, n))
    classes = [np.isin(np.arange(n), chosen).astype(int) for chosen in itertools.combinations(range(n), events)]
    values = [average_precision_score(y, score) for y in classes]
    assert chance_average_precision(events, score) == pytest.approx(np.mean(values), abs=1e-12)


def test_tied_chance_is_the_mean_of_the_permutation_null():
    score = np.random.default_rng(0).integers(0, 4, 50) / 4
    null = shuffled_average_precision(score, 12, shuffles=40_000, seed=1)
    assert chance_average_precision(12, score) == pytest.approx(null.mean(), abs=4 * null.std() / 200)
    assert abs(chance_average_precision(12, np.arange(50)) - null.mean()) > 20 * null.std() / 200
    assert chance_average_precision(12, np.zeros(50)) == pytest.approx(12 / 50, abs=1e-12)


def test_chance_average_precision_is_not_the_prevalence():
    assert chance_average_precision(7, np.arange(34)) > 7 / 34 + 0.04
    assert chance_average_precision(286, np.arange(1277)) == pytest.approx(286 / 1277, abs=0.005)
    for events, n in ((0, 5), (6, 5)):
        with pytest.raises(ValueError, match="positives"):
            chance_average_precision(events, np.arange(n))


@pytest.mark.parametrize(("m", "k"), [(1, 4), (2, 3), (3, 4), (7, 27)])
def test_the_rank_sum_distribution_agrees_with_scipy(m, k):
    probability = rank_sum_distribution(m, k)
    assert probability.sum() == pytest.approx(1, abs=1e-12)
    for won in (m * k // 2 + 1, m * k):
        pos = np.arange(m) * 1000.0
        expected = stats.mannwhitneyu(pos, np.arange(k) + 0.5, alternative="greater", method="exact")
        observed = int(expected.statistic)
        assert probability[observed:].sum() == pytest.approx(expected.pvalue, abs=1e-10)
        assert probability[won] >= 0


def test_the_best_of_100_random_models_agrees_with_simulation():
    folds = [(1, 7), (1, 7), (2, 7), (2, 7), (1, 6)]
    exact = best_of_random(folds, 100)
    assert exact == pytest.approx(0.83, abs=0.005)
    rng = np.random.default_rng(0)
    best = []
    for _ in range(400):
        flips = []
        for events, n in folds:
            ranks = np.argsort(rng.random((100, n)), axis=1)
            won = ranks[:, :events].sum(axis=1) - events * (events - 1) / 2
            flips.append(won / (events * (n - events)))
        best.append(np.mean(flips, axis=0).max())
    assert np.median(best) == pytest.approx(exact, abs=0.02)


def test_shuffled_average_precision_agrees_with_scikit_learn():
    score = np.array([0.1, 0.1, 0.4, 0.4, 0.4, 0.9, 0.2, 0.6])
    null = shuffled_average_precision(score, 3, shuffles=1500, seed=0)
    rng = np.random.default_rng(1)
    y = np.array([1, 1, 1, 0, 0, 0, 0, 0])
    brute = [average_precision_score(rng.permutation(y), score) for _ in range(1500)]
    assert null.mean() == pytest.approx(np.mean(brute), abs=0.02)
    assert set(np.round(null, 9)) == set(np.round(brute, 9))


def test_a_permutation_p_is_never_zero():
    assert permutation_p(3.0, np.array([1.0, 2.0, 2.5])) == 0.25
    assert permutation_p(2.0, np.array([1.0, 2.0, 2.5])) == 0.75
    with pytest.raises(ValueError, match="undefined"):
        permutation_p(1.0, np.array([np.nan]))
