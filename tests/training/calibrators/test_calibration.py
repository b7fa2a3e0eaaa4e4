"""Calibration improves held-out probabilities, keeps the ranking, and reports why it is not possible."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from echokit.training.calibrators.calibration import (
    Calibration,
    Calibrator,
    Uncalibrated,
    ValidationScores,
    all_or_none,
    calibration_from,
    fit_calibration,
)
from echokit.training.calibrators.line import log_odds
from echokit.training.calibrators.normal import PATIENTS, Normal
from echokit.training.calibrators.platt import EACH_CLASS, Platt
from tests.expect import refused


def log_loss(y_true: np.ndarray, probability: np.ndarray) -> float:
    p = np.clip(probability, 1e-12, 1 - 1e-12)
    return float(-np.mean(np.where(y_true == 1, np.log(p), np.log1p(-p))))


def hearts(n: int, rng: np.random.Generator, error: float = 5.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Score (50 - estimate), class and EF of hearts whose estimate is shrunk, shifted and noisy."""
    ef = np.clip(rng.normal(55.75, 12.4, n), 7, 97)
    estimate = 60 + 0.6 * (ef - 55) + rng.normal(0, 0.6 * error, n)
    return 50 - estimate, (ef < 50).astype(np.int64), ef


def fit(model: str, score: np.ndarray, y_true: np.ndarray, value: np.ndarray) -> Calibration | Uncalibrated:
    """Fit ``normal``, ``platt score`` or ``platt logit``."""
    calibrator = Normal() if model == "normal" else Platt()
    return fit_calibration(calibrator, ValidationScores(score, y_true, value, model.endswith("logit"), 50.0))


def decide(score: np.ndarray) -> np.ndarray:
    """Turn the uncalibrated decision into a probability."""
    return np.where(score >= 0, 0.95, 0.05)


@pytest.mark.parametrize("model", ["normal", "platt score"])
@pytest.mark.parametrize("n", [100, 1288])
def test_calibration_improves_the_log_loss_of_an_estimate(model: str, n: int) -> None:
    rng = np.random.default_rng(4)
    improvements = []
    for _ in range(20):
        calibration = fit(model, *hearts(n, rng))
        assert isinstance(calibration, Calibration)
        score, y_true, _ = hearts(2000, rng)
        improvements.append(log_loss(y_true, decide(score)) - log_loss(y_true, calibration(score)))
    assert min(improvements) > 0.02


def test_calibration_improves_the_log_loss_of_a_biased_classifier() -> None:
    rng = np.random.default_rng(5)
    for bias, sharpness in ((1.246, 1.0), (0.0, 3.0), (0.0, 0.3)):

        def draw(n: int, bias: float = bias, sharpness: float = sharpness) -> tuple[np.ndarray, np.ndarray]:
            logit = rng.normal(-1.5, 1.5, n)
            return expit(bias + sharpness * logit), (rng.random(n) < expit(logit)).astype(np.int64)

        score, y_true = draw(600)
        calibration = fit("platt logit", score, y_true, np.full(len(score), np.nan))
        assert isinstance(calibration, Calibration)
        score, y_true = draw(20_000)
        assert log_loss(y_true, calibration(score)) < log_loss(y_true, score) - 0.01
        assert calibration(score).mean() == pytest.approx(y_true.mean(), abs=0.04)


def test_platt_is_the_logistic_regression_of_softened_classes() -> None:
    from sklearn.linear_model import LogisticRegression

    score, y_true, ef = hearts(300, np.random.default_rng(1))
    calibration = fit("platt score", score, y_true, ef)
    assert isinstance(calibration, Calibration)
    events = int(y_true.sum())
    soft = np.where(y_true == 1, (events + 1) / (events + 2), 1 / (300 - events + 2))
    model = LogisticRegression(C=1e12, tol=1e-10, max_iter=10_000)
    model.fit(np.tile(score, 2)[:, None], np.repeat([1, 0], 300), sample_weight=np.append(soft, 1 - soft))
    assert calibration.fitted["slope"] == pytest.approx(model.coef_[0, 0], rel=1e-4)
    assert calibration.fitted["intercept"] == pytest.approx(model.intercept_[0], rel=1e-3)


def test_normal_model_estimates_line_and_error() -> None:
    score, y_true, ef = hearts(100_000, np.random.default_rng(2), error=8.0)
    calibration = fit("normal", score, y_true, ef)
    assert isinstance(calibration, Calibration)
    true_margin = 50 - ef
    line = np.polyfit(score, true_margin, 1)
    error = np.std(true_margin - np.polyval(line, score))
    assert calibration.fitted["slope"] == pytest.approx(line[0] / error, rel=1e-3)
    assert calibration.fitted["intercept"] == pytest.approx(line[1] / error, rel=1e-3)


@given(st.integers(0, 2**32), st.sampled_from(["normal", "platt score", "platt logit"]), st.booleans())
@settings(max_examples=60, deadline=None)
def test_calibration_keeps_the_ranking_or_gives_a_reason(seed: int, model: str, separated: bool) -> None:
    rng = np.random.default_rng(seed)
    score, y_true, ef = hearts(int(rng.integers(1, 60)), rng, error=float(rng.uniform(0.1, 60)))
    if separated:  # the classes do not overlap: the slope must stay finite
        y_true = (score > np.median(score)).astype(np.int64)
    calibration, again = (fit(model, expit(score / 5) if "logit" in model else score, y_true, ef) for _ in range(2))
    assert calibration == again
    if isinstance(calibration, Uncalibrated):
        assert calibration.reason
        return
    assert calibration.n == len(score)
    assert calibration.events == y_true.sum()
    x = np.sort(np.append(score, [-1e6, 1e6]))
    p = calibration(expit(x / 5) if "logit" in model else x)
    assert ((p >= 0) & (p <= 1)).all()
    assert (np.diff(p) >= 0).all()


@pytest.mark.parametrize(
    ("model", "score", "y_true", "reason"),
    [
        ("normal", np.arange(PATIENTS - 1.0), np.arange(PATIENTS - 1) % 2, "19 patients"),
        ("normal", np.full(40, 0.1), np.arange(40) % 2, "same estimate"),
        ("normal", np.linspace(30, -30, 40), np.repeat([0, 1], 20), "not higher"),
        ("normal", np.linspace(-30, 30, 40), np.repeat([0, 1], 20), "exact"),
        ("platt score", np.arange(40.0), np.repeat([0, 1], [40 - EACH_CLASS + 1, EACH_CLASS - 1]), "9 positive"),
        ("platt score", np.arange(40.0), np.ones(40, np.int64), "40 positive and 0 negative"),
        ("platt score", np.full(31, 0.1), np.arange(31) % 2, "same score"),
        ("platt score", np.linspace(30, -30, 40), np.repeat([0, 1], 20), "not higher"),
        ("platt logit", np.linspace(1, 0, 40), np.repeat([0, 1], 20), "not higher"),
    ],
)
def test_impossible_calibration_gives_its_reason(model: str, score: Any, y_true: Any, reason: str) -> None:
    calibration = fit(model, score, y_true, 50 - np.linspace(-30, 30, len(score)))
    assert isinstance(calibration, Uncalibrated)
    assert reason in calibration.reason


LINE = {"of": "score", "intercept": 0.0, "slope": 1.0}


def test_calibration_is_read_from_its_json_and_checked() -> None:
    fitted = {"of": "logit", "intercept": -0.1 / 3, "slope": 1.7e-3}
    for calibration in (Calibration("platt", fitted, 31, 12, Platt()), Uncalibrated("too few")):
        assert calibration_from(json.loads(json.dumps(calibration.to_dict())), Platt()) == calibration
    good = Calibration("normal", LINE, 30, 10, Normal()).to_dict()
    assert list(good) == ["method", "of", "intercept", "slope", "n", "events"]
    for bad in ({"slope": -1.0}, {"slope": float("inf")}, {"intercept": float("nan")}, {"method": "x"}, {"of": "y"}):
        with refused("calibration.invalid"):
            calibration_from({**good, **bad}, Normal())
    with refused("calibration.invalid", names=("'platt'",)):
        calibration_from(good, Platt())
    with refused("calibration.invalid"):
        calibration_from({"slope": 1.0}, Normal())


def test_all_folds_are_calibrated_or_none() -> None:
    fitted, failed = Calibration("normal", LINE, 30, 10, Normal()), Uncalibrated("too few")
    assert all_or_none([fitted, fitted]) == (fitted, fitted)
    assert all_or_none([fitted, failed]) is None
    assert all_or_none([None]) is None
    assert all_or_none([]) is None


class Bad:
    """A calibrator that gives what it is made with."""

    definition = "nothing"

    def __init__(self, fitted: Any, apply: Callable[[np.ndarray], Any]) -> None:
        self.fitted = fitted
        self.transform = apply

    def fit(self, patients: ValidationScores) -> Any:
        return self.fitted

    def apply(self, fitted: Mapping[str, Any], score: np.ndarray) -> Any:
        return self.transform(score)


@pytest.mark.parametrize(
    ("calibrator", "code"),
    [
        (Bad({"a": float("nan")}, expit), "calibrator.bad_fit"),
        (Bad({"a": np.ones(3)}, expit), "calibrator.bad_fit"),
        (Bad([1.0], expit), "calibrator.bad_fit"),
        (Bad({"n": 3}, expit), "calibrator.bad_fit"),
        (Bad({}, lambda x: x * np.nan), "calibrator.bad_probability"),
        (Bad({}, lambda x: 2 * expit(x)), "calibrator.bad_probability"),
        (Bad({}, lambda x: expit(-x)), "calibrator.bad_probability"),
        (Bad({}, lambda x: expit(x)[1:]), "calibrator.bad_probability"),
        (Bad({}, lambda x: expit(x).astype(np.float32)), "calibrator.bad_probability"),
        (Bad({}, lambda x: 0.5), "calibrator.bad_probability"),
    ],
)
def test_a_calibrator_that_breaks_its_contract_is_named(calibrator: Calibrator, code: str) -> None:
    with refused(code, names=("'Bad'",)):
        fit_calibration(calibrator, ValidationScores(*hearts(40, np.random.default_rng(0)), bounded=False))


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=20))
def test_log_odds_are_finite_and_keep_the_order_of_float32(values: list[float]) -> None:
    score = np.sort(np.array(values))
    odds = log_odds(score)
    assert np.isfinite(odds).all()
    assert (np.diff(odds) >= 0).all()
