"""Intervals of proportions and of the AUROC, against statsmodels, scipy and their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sklearn.metrics as sk
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from echokit.evaluation.statistics.delong import auroc_covariance, delong_interval, placements, score_type
from echokit.evaluation.statistics.wilson import wilson
from tests.evaluation.tables import TIGHT, evaluator, random_predictions


@pytest.mark.parametrize(("successes", "trials"), [(0, 7), (2, 7), (7, 7), (27, 34), (1000, 1277)])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_wilson_agrees_with_statsmodels(successes, trials, level):
    interval = wilson(successes, trials, level)
    low, high = proportion_confint(successes, trials, alpha=1 - level, method="wilson")
    assert (interval.low, interval.high) == (pytest.approx(max(low, 0), **TIGHT), pytest.approx(min(high, 1), **TIGHT))


def test_balanced_accuracy_interval_agrees_with_statsmodels():
    given = random_predictions(threshold=0.4)
    predicted, y = given.y_score >= 0.4, given.y_true
    counts = (int(predicted[y == 1].sum()), int((y == 1).sum()), int(predicted[y == 0].sum()), int((y == 0).sum()))
    low, high = confint_proportions_2indep(*counts, method="newcomb", compare="diff")
    (interval,) = evaluator("balanced_accuracy").intervals(given, level=0.95, seed=0, resamples=1)
    # Sensitivity + specificity - 1 is a difference of two proportions.
    assert (interval.low, interval.high) == (
        pytest.approx((low + 1) / 2, **TIGHT),
        pytest.approx((high + 1) / 2, **TIGHT),
    )


def brute_covariance(y, scores):
    """DeLong's covariance from its definition, over all pairs."""
    kernels = []
    for score in scores:
        pos, neg = score[y == 1][:, None], score[y == 0][None, :]
        kernels.append((pos > neg) + 0.5 * (pos == neg))
    v10 = np.stack([k.mean(axis=1) for k in kernels])
    v01 = np.stack([k.mean(axis=0) for k in kernels])
    return np.cov(v10) / v10.shape[1] + np.cov(v01) / v01.shape[1]


@pytest.mark.parametrize("seed", range(3))
def test_delong_agrees_with_its_definition_and_scikit_learn(seed):
    given = random_predictions(seed=seed)
    rng = np.random.default_rng(seed)
    scores = np.stack([given.y_score, np.round(given.y_score + rng.normal(size=60), 1)])
    auroc, covariance = auroc_covariance(given.y_true, scores)
    np.testing.assert_allclose(auroc, [sk.roc_auc_score(given.y_true, s) for s in scores], atol=1e-12)
    np.testing.assert_allclose(covariance, brute_covariance(given.y_true, scores), atol=1e-12)
    interval = delong_interval(given.y_true, given.y_score)
    se = math.sqrt(covariance[0, 0]) / (auroc[0] * (1 - auroc[0]))
    logit = math.log(auroc[0] / (1 - auroc[0]))
    for end, sign in ((interval.low, -1), (interval.high, 1)):
        assert math.log(end / (1 - end)) == pytest.approx(logit + sign * stats.norm.ppf(0.975) * se, abs=1e-9)


def test_the_mean_of_the_placements_is_the_auroc_with_ties():
    y, score = np.array([1, 1, 0, 0, 0]), np.array([2.0, 1.0, 1.0, 0.0, 2.0])
    above, below = placements(y, score)
    assert above.mean() == pytest.approx(sk.roc_auc_score(y, score))
    assert below.mean() == pytest.approx(above.mean())
    np.testing.assert_allclose(above, [(1 + 1 + 0.5) / 3, (0.5 + 1 + 0) / 3])


@pytest.mark.parametrize("auroc", [0.0, 0.3, 0.5, 0.85, 1.0])
def test_score_type_interval_ends_solve_its_equation(auroc):
    m, k, z = 7, 27, stats.norm.ppf(0.975)
    low, high = score_type(auroc, m, k)
    assert 0 <= low <= auroc <= high <= 1
    for end in {low, high} - {0.0, 1.0}:
        star = (m + k) / 2 - 1
        variance = end * (1 - end) * (1 + star * (1 - end) / (2 - end) + star * end / (1 + end)) / (m * k)
        assert abs(auroc - end) == pytest.approx(z * math.sqrt(variance), abs=1e-8)
    if auroc in (0.0, 1.0):
        assert high - low > 0.1


def test_a_perfect_auroc_still_has_a_width():
    interval = delong_interval(np.array([0, 0, 0, 1, 1]), np.array([0.1, 0.2, 0.3, 0.8, 0.9]))
    assert interval.high == 1.0
    assert 0.1 < interval.low < 0.9
    assert "score-type" in interval.method
