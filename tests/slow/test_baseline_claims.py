"""Simulated models: which claims against the larger class and the prevalence are made, and which are doubted.

A model that beats the baseline significantly, by the exact paired test, must not be doubted; a model that is no better
must rarely be praised.
"""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.contingency_tables import mcnemar

from echokit.cli import exit_code
from echokit.evaluation.evaluate_folds import evaluate_folds
from echokit.evaluation.metrics.accuracy import Accuracy
from echokit.evaluation.metrics.auprc import Auprc
from echokit.evaluation.metrics.brier import Brier
from echokit.evaluation.predictions import Predictions
from echokit.results.summary.cautions import cautions
from echokit.results.verdict import is_beaten, is_shown_better

pytestmark = pytest.mark.slow

SIZES, SHARES, STRENGTHS = (40, 100, 300), (0.1, 0.2, 0.35, 0.5), (0.4, 0.8, 1.2, 1.8)
EACH = 25


def draw(rng: np.random.Generator, n: int, share: float, strength: float) -> pd.DataFrame:
    """Calibrated probabilities of a cohort: the linear score of two normal classes."""
    y = (rng.random(n) < share).astype(int)
    x = rng.normal(size=n) + strength * (y - 0.5)
    probability = 1 / (1 + np.exp(-(np.log(share / (1 - share)) + strength * x)))
    names = [f"p{number}" for number in range(n)]
    table = pd.DataFrame({"case_id": names, "patient_id": names, "split": "test", "repeat": 0, "fold": 0})
    return table.assign(y_true=y, y_score=probability)


def evaluate(table: pd.DataFrame, **evaluators: object) -> list:
    return list(evaluate_folds(Predictions(table), list(evaluators.items()), seed=0, resamples=10).metrics)


def test_no_model_that_beats_its_baseline_significantly_is_doubted() -> None:
    rng = np.random.default_rng(15)
    significant = doubted = by_interval = tried = 0
    for n, share, strength, _ in itertools.product(SIZES, SHARES, STRENGTHS, range(EACH)):
        table = draw(rng, n, share, strength)
        if not 0 < table["y_true"].sum() < n:
            continue
        tried += 1
        metrics = evaluate(table, accuracy=Accuracy())
        right = (table["y_score"] >= 0.5) == table["y_true"]
        constant = table["y_true"] == (table["y_true"].mean() > 0.5)
        b, c = int((right & ~constant).sum()), int((constant & ~right).sum())
        if b > c and mcnemar([[0, b], [c, 0]], exact=True).pvalue < 0.05:
            significant += 1
            doubted += any("Accuracy" in line for line in cautions(metrics, "test"))
            by_interval += metrics[0].low <= metrics[0].baseline
    print(
        f"\nlarger class: {tried} models, {significant} beat it significantly, of which {doubted} are doubted "
        f"({by_interval} would be if the interval decided)"
    )
    assert significant > 100
    assert by_interval > 0
    assert doubted == 0


@pytest.mark.parametrize(("n", "share"), [(40, 0.3), (100, 0.1), (100, 0.3), (300, 0.2)])
def test_models_without_information_are_rarely_called_better(n: int, share: float) -> None:
    rng = np.random.default_rng(16)
    claims = dict.fromkeys(("accuracy", "brier", "auprc"), 0)
    times = 400
    for _ in range(times):
        table = draw(rng, n, share, 0.0)
        table["y_score"] = np.clip(share + 0.15 * rng.normal(size=n), 0.01, 0.99).round(1)
        if not 0 < table["y_true"].sum() < n:
            continue
        for metric in evaluate(table, accuracy=Accuracy(), brier=Brier(), auprc=Auprc()):
            claims[metric.metric] += is_shown_better(metric) is True
    print(f"\nno information, {n} patients, {share:.0%} positive: false claims of {times}: {claims}")
    # At most 2.5 % one-sided; 400 draws of it exceed 4.9 % once in a thousand.
    assert max(claims.values()) <= 0.049 * times


def test_a_model_as_good_as_the_larger_class_is_rarely_called_better() -> None:
    """Right as often as the larger class in truth, but for other patients."""
    rng = np.random.default_rng(17)
    claims = times = 0
    for n, share, swap in itertools.product(SIZES, (0.2, 0.35), (0.05, 0.1, 0.15)):
        for _ in range(60):
            y = (rng.random(n) < share).astype(int)
            # As many negatives are called positive as positives are found, in truth.
            hit = np.where(y == 1, swap / share, swap / (1 - share))
            table = draw(rng, n, share, 0.0).assign(y_true=y, y_score=(rng.random(n) < hit).astype(float))
            if not 0 < y.sum() < n:
                continue
            times += 1
            (metric,) = evaluate(table, accuracy=Accuracy())
            claims += is_shown_better(metric) is True and not is_beaten(metric)
    print(f"\nas good as the larger class: {claims} false claims of {times}, {claims / times:.2%}")
    assert claims <= 0.025 * times + 3 * (0.025 * 0.975 * times) ** 0.5


def test_the_brier_score_of_a_skill_of_zero_is_rarely_called_better() -> None:
    """Informative but too extreme probabilities whose true skill is 0 or less."""
    rng = np.random.default_rng(18)
    claims = times = 0
    for n, share in itertools.product((60, 150, 400), (0.15, 0.3, 0.5)):
        scale = _scale_without_skill(share)
        for _ in range(60):
            table = draw(rng, n, share, 1.0)
            logit = np.log(table["y_score"] / (1 - table["y_score"]))
            table["y_score"] = 1 / (1 + np.exp(-scale * logit))
            if not 0 < table["y_true"].sum() < n:
                continue
            times += 1
            (metric,) = evaluate(table, brier=Brier())
            claims += is_shown_better(metric) is True
    print(f"\nno Brier skill: {claims} false claims of {times}, {claims / times:.2%}")
    assert claims <= 0.05 * times


def _scale_without_skill(share: float) -> float:
    """The factor on the logit that makes the skill zero, by a large cohort."""
    table = draw(np.random.default_rng(0), 200_000, share, 1.0)
    y, logit = table["y_true"].to_numpy(), np.log(table["y_score"] / (1 - table["y_score"])).to_numpy()
    low, high = 1.0, 8.0
    for _ in range(30):
        middle = (low + high) / 2
        brier = np.mean((1 / (1 + np.exp(-middle * logit)) - y) ** 2)
        low, high = (middle, high) if brier < share * (1 - share) else (low, middle)
    return low


def test_the_command_says_the_same(tmp_path, capsys) -> None:
    table = draw(np.random.default_rng(3), 300, 0.35, 1.8)
    table[["case_id", "y_true", "y_score"]].to_csv(tmp_path / "p.csv", index=False)
    assert exit_code(["evaluate", str(tmp_path / "p.csv")]) == 0
    out = capsys.readouterr().out
    assert "McNemar, exact" in out
    assert "Accuracy" not in "".join(line for line in out.splitlines() if line.startswith("caution"))
