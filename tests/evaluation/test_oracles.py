"""Every metric with an outside definition, against scikit-learn, scipy and statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as sk
import statsmodels.api as sm
from scipy import stats

from echokit.evaluation.metrics.bland_altman import BlandAltman
from echokit.evaluation.metrics.calibration import Calibration
from echokit.evaluation.metrics.study_compat import StudyCompat, trapezoid_area
from tests.evaluation.tables import TIGHT, evaluator, random_predictions

AT_THRESHOLD = {
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
@pytest.mark.parametrize("name", AT_THRESHOLD)
def test_metrics_at_a_threshold_agree_with_scikit_learn(name, seed):
    given = random_predictions(seed=seed, threshold=0.4)
    predicted = (given.y_score >= 0.4).astype(int)
    assert evaluator(name)(given).metrics[0].value == pytest.approx(
        AT_THRESHOLD[name](given.y_true, predicted), **TIGHT
    )


@pytest.mark.parametrize("seed", range(4))
def test_metrics_of_scores_and_estimates_agree_with_scikit_learn(seed):
    given = random_predictions(seed=seed)
    y, p = given.y_true, given.y_score
    target, prediction = given.table["target"], given.table["prediction"]
    expected = {
        "brier": sk.brier_score_loss(y, p),
        "log_loss": sk.log_loss(y, p),
        "mae": sk.mean_absolute_error(target, prediction),
        "rmse": sk.root_mean_squared_error(target, prediction),
        "r2": sk.r2_score(target, prediction),
    }
    for name, value in expected.items():
        assert evaluator(name)(given).metrics[0].value == pytest.approx(value, **TIGHT)


@pytest.mark.parametrize("name", ["mae", "rmse", "r2"])
def test_weighted_estimates_agree_with_scikit_learn(name):
    given = random_predictions()
    weights = np.random.default_rng(3).integers(0, 4, (3, len(given)))
    target, prediction = given.table["target"].to_numpy(), given.table["prediction"].to_numpy()
    metric = {"mae": sk.mean_absolute_error, "rmse": sk.root_mean_squared_error, "r2": sk.r2_score}[name]
    expected = [metric(target, prediction, sample_weight=row) for row in weights]
    np.testing.assert_allclose(evaluator(name).formula(target, prediction, weights), expected, atol=1e-10)


def test_the_study_conventions_agree_with_scikit_learn():
    given = random_predictions()
    y, score = given.y_true, given.y_score
    macro, positive, trapezoid = StudyCompat()(given).metrics
    both = (sk.average_precision_score(y, score) + sk.average_precision_score(1 - y, -score)) / 2
    precision, recall, _ = sk.precision_recall_curve(y, score)
    assert macro.value == pytest.approx(both, **TIGHT)
    assert positive.value == pytest.approx(sk.average_precision_score(y, score), **TIGHT)
    assert trapezoid.value == pytest.approx(sk.auc(recall, precision), **TIGHT)
    weights = np.random.default_rng(1).integers(0, 3, (4, len(y)))
    for row, value in zip(weights, trapezoid_area(y, score, weights), strict=True):
        kept = row > 0
        precision, recall, _ = sk.precision_recall_curve(y[kept], score[kept], sample_weight=row[kept])
        assert value == pytest.approx(sk.auc(recall, precision), **TIGHT)


def test_calibration_agrees_with_statsmodels():
    given = random_predictions(n=500, share=0.4, shift=0.4)
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


def test_few_positives_have_no_calibration_slope_and_curve():
    evaluation = Calibration()(random_predictions())
    assert [metric.value is None for metric in evaluation.metrics] == [False, True, True]
    assert evaluation.curves == {}


def test_bland_altman_agrees_with_scipy():
    given = random_predictions()
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


def test_net_benefit_is_vickers_formula():
    given = random_predictions(threshold=0.3)
    predicted, y = given.y_score >= 0.3, given.y_true
    expected = (predicted & (y == 1)).mean() - (predicted & (y == 0)).mean() * 0.3 / 0.7
    assert evaluator("net_benefit")(given).metrics[0].value == pytest.approx(expected, **TIGHT)
