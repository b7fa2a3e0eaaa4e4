"""The bootstrap: its resamples and intervals, whatever the chunk size."""

from __future__ import annotations

import numpy as np
import pytest

from echokit.evaluation.metrics.accuracy import Accuracy
from echokit.evaluation.metrics.auprc import Auprc
from echokit.evaluation.metrics.auroc import Auroc
from echokit.evaluation.statistics.bootstrap import bootstrap_interval, resample_weights
from echokit.evaluation.statistics.ranking import coarse_ranks


def cohort(n=60, prevalence=0.25, seed=0):
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < prevalence).astype(np.int64)
    return y, np.round(y + rng.normal(size=n), 1)


def weights(y, stratified, seed=0, resamples=500, chunk=64):
    parts = resample_weights(y, resamples=resamples, stratified=stratified, seed=seed, chunk=chunk)
    return np.concatenate(list(parts))


@pytest.mark.parametrize("stratified", [False, True])
def test_every_resample_has_as_many_patients_as_the_data(stratified):
    y, _ = cohort()
    drawn = weights(y, stratified)
    assert drawn.shape == (500, len(y))
    assert (drawn.sum(axis=1) == len(y)).all()


def test_only_stratified_resamples_fix_the_number_of_positives():
    y, _ = cohort()
    assert (weights(y, stratified=True)[:, y == 1].sum(axis=1) == y.sum()).all()
    assert len(np.unique(weights(y, stratified=False)[:, y == 1].sum(axis=1))) > 3


@pytest.mark.parametrize("stratified", [False, True])
def test_every_patient_is_drawn_equally_often(stratified):
    y, _ = cohort(n=20)
    counts = weights(y, stratified, resamples=20_000, chunk=5000)
    np.testing.assert_allclose(counts.mean(axis=0), 1, atol=0.05)
    # A multinomial, not a permutation: the variance of a count is (1 - 1/m) for m patients of the same
    # stratum.
    size = np.where(y == 1, y.sum(), len(y) - y.sum()) if stratified else np.full(len(y), len(y))
    np.testing.assert_allclose(counts.var(axis=0), 1 - 1 / size, atol=0.06)


@pytest.mark.parametrize("evaluator", [Auroc(), Auprc()])
def test_chunks_do_not_change_the_interval(evaluator):
    y, score = cohort()
    ends = [
        bootstrap_interval(
            y, score, evaluator.statistic, resamples=700, stratified=evaluator.stratified, seed=3, chunk=chunk
        )
        for chunk in (1, 64, 700, 9999, None)
    ]
    assert all(end == ends[0] for end in ends)


def test_the_seed_decides_the_interval():
    y, score = cohort()
    first, again, other = (
        bootstrap_interval(y, score, Auroc().statistic, resamples=400, stratified=True, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again
    assert (first.low, first.high) != (other.low, other.high)


def test_undefined_resamples_are_counted_and_left_out():
    y, score = np.array([1, 0, 0, 0, 0, 0]), np.array([0.5, 0.1, 0.2, 0.3, 0.6, 0.7])
    interval = bootstrap_interval(y, score, Auroc().statistic, resamples=2000, stratified=False, seed=0)
    # The only positive is missing from (1 - 1/6)^6 = 0.335 of the resamples.
    assert 0.30 < interval.undefined / 2000 < 0.37
    assert str(interval.undefined) in interval.method
    assert interval.low is not None
    assert 0 <= interval.low < interval.high <= 1


def test_all_resamples_undefined_gives_no_ends():
    y, score = np.zeros(5, np.int64), np.linspace(0, 1, 5)
    interval = bootstrap_interval(y, score, Auprc().statistic, resamples=50, stratified=False, seed=0)
    assert (interval.low, interval.high, interval.undefined) == (None, None, 50)


def test_zero_width_is_noted_in_the_method():
    y, score = np.array([0, 0, 0, 1, 1, 1]), np.array([0.1, 0.2, 0.3, 0.7, 0.8, 0.9])
    interval = bootstrap_interval(y, score, Auroc().statistic, resamples=100, stratified=True, seed=0)
    assert interval.low == interval.high == 1.0
    assert "zero width" in interval.method


def test_the_interval_of_an_accuracy_is_the_binomial_one():
    right = np.repeat([1.0, 0.0], [160, 40])
    y = np.ones(200, np.int64)
    interval = bootstrap_interval(y, right, Accuracy().statistic, resamples=20_000, stratified=False, seed=0)
    se = np.sqrt(0.8 * 0.2 / 200)
    assert interval.low == pytest.approx(0.8 - 1.96 * se, abs=0.006)
    assert interval.high == pytest.approx(0.8 + 1.96 * se, abs=0.006)


def test_wider_levels_give_wider_intervals():
    y, score = cohort()
    narrow, wide = (
        bootstrap_interval(y, score, Auroc().statistic, resamples=500, level=level, stratified=True, seed=0)
        for level in (0.5, 0.95)
    )
    assert wide.low < narrow.low < narrow.high < wide.high


@pytest.mark.parametrize("wrong", [{"resamples": 0}, {"level": 0.0}, {"level": 1.0}])
def test_impossible_requests_are_refused(wrong):
    y, score = cohort()
    with pytest.raises(ValueError, match="resample"):
        bootstrap_interval(y, score, Auroc().statistic, stratified=True, seed=0, **wrong)
    with pytest.raises(ValueError, match="no patients"):
        bootstrap_interval(y[:0], score[:0], Auroc().statistic, stratified=True, seed=0)


@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize("stratified", [False, True])
@pytest.mark.parametrize("evaluator", [Auroc(), Auprc()])
def test_grouping_equal_patients_changes_at_most_the_last_bit(evaluator, stratified, rounded):
    y, score = cohort(n=150, seed=4)
    score = np.round(score) if rounded else score + np.arange(len(y)) * 1e-6
    options = {"resamples": 400, "stratified": stratified, "seed": 2}
    drawn = weights(y, stratified, seed=2, resamples=400)
    values = evaluator.statistic(y, score, drawn)
    expected = np.quantile(values[~np.isnan(values)], [0.025, 0.975])
    for ranked in (False, True):
        interval = bootstrap_interval(y, score, evaluator.statistic, ranked=ranked, **options)
        np.testing.assert_allclose([interval.low, interval.high], expected, rtol=1e-14)


def test_coarse_ranks_keep_the_order_of_every_positive():
    y = np.array([0, 1, 0, 0, 1, 0, 1])
    np.testing.assert_array_equal(coarse_ranks(y, np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.5, 0.7])), [0, 1, 2, 2, 3, 3, 5])
