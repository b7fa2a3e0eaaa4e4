"""Every metric and interval with an outside definition, against scikit-learn, scipy and statsmodels."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as sk
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from echokit.evaluate.bland_altman import BlandAltman
from echokit.evaluate.calibration import Calibration
from echokit.evaluate.chance import (
    best_of_random,
    permutation_p,
    rank_sum_distribution,
    shuffled_average_precision,
)
from echokit.evaluate.comparison import mcnemar_p
from echokit.evaluate.delong import auroc_covariance, delong_interval, placements, score_type
from echokit.evaluate.predictions import Predictions
from echokit.evaluate.proportion import wilson
from echokit.evaluate.study_compat import StudyCompat
from echokit.plugins import installed

TIGHT = {"abs": 1e-10, "rel": 1e-10}


def evaluator(name, **parameters):
    return installed().registry.get("evaluator", name).load()(**parameters)


def predictions(n=60, seed=0, share=0.3, threshold=0.5, shift=0.0):
    rng = np.random.default_rng(seed)
    y = np.zeros(n, int)
    y[: max(1, int(share * n))] = 1
    logit = 1.2 * rng.normal(size=n) + 1.5 * y - 1 + shift
    names = [f"p{i}" for i in range(n)]
    table = pd.DataFrame({"case_id": names, "patient_id": names, "split": "test", "repeat": 0, "fold": 0})
    target = 60 - 20 * y + 5 * rng.normal(size=n)
    table = table.assign(y_true=y, y_score=np.round(1 / (1 + np.exp(-logit)), 2).clip(0.01, 0.99), target=target)
    return Predictions(table.assign(prediction=target + 4 * rng.normal(size=n) + 1), "reduced", threshold)


CALLS = {
    "accuracy": sk.accuracy_score,
    "balanced_accuracy": sk.balanced_accuracy_score,
    "sensitivity": sk.recall_score,
    "specificity": lambda y, c: sk.recall_score(y, c, pos_label=0),
    "ppv": sk.precision_score,
    "npv": lambda y, c: sk.precision_score(y, c, pos_label=0),
    "f1": sk.f1_score,
    "mcc": sk.matthews_corrcoef,
}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", CALLS)
def test_metrics_of_calls_agree_with_scikit_learn(name, seed):
    given = predictions(seed=seed, threshold=0.4)
    called = (given.y_score >= 0.4).astype(int)
    assert evaluator(name)(given).metrics[0].value == pytest.approx(CALLS[name](given.y_true, called), **TIGHT)


@pytest.mark.parametrize("seed", range(4))
def test_metrics_of_probabilities_and_estimates_agree_with_scikit_learn(seed):
    given = predictions(seed=seed)
    y, p = given.y_true, given.y_score
    target, prediction = given.table["target"], given.table["prediction"]
    wanted = {
        "brier": sk.brier_score_loss(y, p),
        "log_loss": sk.log_loss(y, p),
        "mae": sk.mean_absolute_error(target, prediction),
        "rmse": sk.root_mean_squared_error(target, prediction),
        "r2": sk.r2_score(target, prediction),
    }
    for name, value in wanted.items():
        assert evaluator(name)(given).metrics[0].value == pytest.approx(value, **TIGHT)


@pytest.mark.parametrize("name", ["mae", "rmse", "r2"])
def test_weighted_estimates_agree_with_scikit_learn(name):
    given = predictions()
    weights = np.random.default_rng(3).integers(0, 4, (3, len(given)))
    target, prediction = given.table["target"].to_numpy(), given.table["prediction"].to_numpy()
    metric = {"mae": sk.mean_absolute_error, "rmse": sk.root_mean_squared_error, "r2": sk.r2_score}[name]
    wanted = [metric(target, prediction, sample_weight=row) for row in weights]
    np.testing.assert_allclose(evaluator(name).formula(target, prediction, weights), wanted, atol=1e-10)


def test_the_studys_conventions_agree_with_scikit_learn():
    given = predictions()
    y, score = given.y_true, given.y_score
    macro, positive, trapezoid = StudyCompat()(given).metrics
    both = (sk.average_precision_score(y, score) + sk.average_precision_score(1 - y, -score)) / 2
    precision, recall, _ = sk.precision_recall_curve(y, score)
    assert macro.value == pytest.approx(both, **TIGHT)
    assert positive.value == pytest.approx(sk.average_precision_score(y, score), **TIGHT)
    assert trapezoid.value == pytest.approx(sk.auc(recall, precision), **TIGHT)
    weights = np.random.default_rng(1).integers(0, 3, (4, len(y)))
    from echokit.evaluate.study_compat import trapezoid_area

    for row, value in zip(weights, trapezoid_area(y, score, weights), strict=True):
        kept = row > 0
        precision, recall, _ = sk.precision_recall_curve(y[kept], score[kept], sample_weight=row[kept])
        assert value == pytest.approx(sk.auc(recall, precision), **TIGHT)


@pytest.mark.parametrize(("successes", "trials"), [(0, 7), (2, 7), (7, 7), (27, 34), (1000, 1277)])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_wilson_agrees_with_statsmodels(successes, trials, level):
    interval = wilson(successes, trials, level)
    low, high = proportion_confint(successes, trials, alpha=1 - level, method="wilson")
    assert (interval.low, interval.high) == (pytest.approx(max(low, 0), **TIGHT), pytest.approx(min(high, 1), **TIGHT))


def test_the_interval_of_balanced_accuracy_agrees_with_statsmodels():
    given = predictions(threshold=0.4)
    called, y = given.y_score >= 0.4, given.y_true
    counts = (int(called[y == 1].sum()), int((y == 1).sum()), int(called[y == 0].sum()), int((y == 0).sum()))
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
    given = predictions(seed=seed)
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
def test_the_ends_of_the_score_type_interval_solve_its_equation(auroc):
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


def test_calibration_agrees_with_statsmodels():
    given = predictions(n=500, share=0.4, shift=0.4)
    y, p = given.y_true, given.y_score
    logit = np.log(p / (1 - p))
    slope = sm.GLM(y, sm.add_constant(logit), family=sm.families.Binomial()).fit(tol=1e-14)
    intercept = sm.GLM(y, np.ones(len(y)), offset=logit, family=sm.families.Binomial()).fit(tol=1e-14)
    ratio, ours_slope, ours_intercept = Calibration()(given).metrics
    assert ratio.value == pytest.approx(y.sum() / p.sum(), **TIGHT)
    assert ours_slope.value == pytest.approx(slope.params[1], **TIGHT)
    assert ours_intercept.value == pytest.approx(intercept.params[0], **TIGHT)
    intervals = Calibration().intervals(given, level=0.95, seed=0, resamples=10)
    for interval, fit, i in ((intervals[1], slope, 1), (intervals[2], intercept, 0)):
        np.testing.assert_allclose([interval.low, interval.high], fit.conf_int()[i], atol=1e-7)


def test_calibration_of_few_events_has_no_slope_and_no_curve():
    evaluation = Calibration()(predictions())
    assert [metric.value is None for metric in evaluation.metrics] == [False, True, True]
    assert evaluation.curves == {}


def test_bland_altman_agrees_with_scipy():
    given = predictions()
    difference = (given.table["prediction"] - given.table["target"]).to_numpy()
    bias, lower, upper = BlandAltman()(given).metrics
    assert bias.value == pytest.approx(difference.mean(), **TIGHT)
    reach = stats.norm.ppf(0.975) * difference.std(ddof=1)
    assert (lower.value, upper.value) == (
        pytest.approx(difference.mean() - reach, **TIGHT),
        pytest.approx(difference.mean() + reach, **TIGHT),
    )
    interval = BlandAltman().intervals(given, level=0.95, seed=0, resamples=10)[0]
    expected = stats.ttest_1samp(difference, 0).confidence_interval(0.95)
    assert (interval.low, interval.high) == (
        pytest.approx(expected.low, **TIGHT),
        pytest.approx(expected.high, **TIGHT),
    )


@pytest.mark.parametrize(("b", "c"), [(0, 0), (0, 5), (3, 9), (12, 12)])
def test_mcnemar_agrees_with_statsmodels(b, c):
    assert mcnemar_p(b, c) == pytest.approx(mcnemar([[10, b], [c, 10]], exact=True).pvalue, **TIGHT)


def test_net_benefit_is_vickers_formula():
    given = predictions(threshold=0.3)
    called, y = given.y_score >= 0.3, given.y_true
    expected = (called & (y == 1)).mean() - (called & (y == 0)).mean() * 0.3 / 0.7
    assert evaluator("net_benefit")(given).metrics[0].value == pytest.approx(expected, **TIGHT)


@pytest.mark.parametrize(("m", "k"), [(1, 4), (2, 3), (3, 4), (7, 27)])
def test_the_rank_sum_distribution_agrees_with_scipy(m, k):
    probability = rank_sum_distribution(m, k)
    assert probability.sum() == pytest.approx(1, abs=1e-12)
    for won in (m * k // 2 + 1, m * k):
        pos = np.arange(m) * 1000.0
        wanted = stats.mannwhitneyu(pos, np.arange(k) + 0.5, alternative="greater", method="exact")
        observed = int(wanted.statistic)
        assert probability[observed:].sum() == pytest.approx(wanted.pvalue, abs=1e-10)
        assert probability[won] >= 0


def test_the_best_of_one_hundred_coin_flips_is_known_and_simulated():
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


def test_shuffled_average_precision_has_the_mean_of_chance_and_counts_ties_like_scikit_learn():
    score = np.array([0.1, 0.1, 0.4, 0.4, 0.4, 0.9, 0.2, 0.6])
    null = shuffled_average_precision(score, 3, shuffles=1500, seed=0)
    rng = np.random.default_rng(1)
    y = np.array([1, 1, 1, 0, 0, 0, 0, 0])
    brute = [sk.average_precision_score(rng.permutation(y), score) for _ in range(1500)]
    assert null.mean() == pytest.approx(np.mean(brute), abs=0.02)
    assert set(np.round(null, 9)) == set(np.round(brute, 9))


def test_a_permutation_p_is_never_zero():
    assert permutation_p(3.0, np.array([1.0, 2.0, 2.5])) == 0.25
    assert permutation_p(2.0, np.array([1.0, 2.0, 2.5])) == 0.75
    with pytest.raises(ValueError, match="undefined"):
        permutation_p(1.0, np.array([np.nan]))
