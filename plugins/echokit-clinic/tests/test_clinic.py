"""in_my_clinic: conformance, worked numbers, too few patients, and the section of a real run's report."""

import re

import numpy as np
import pandas as pd
import pytest
from echokit_clinic.evaluator import InMyClinic
from echokit_clinic.section import section

import echokit
from echokit import Predictions


@pytest.mark.echokit_plugin("clinic")
def test_conformance(echokit_check):
    echokit_check()


def predictions(tp: int, fn: int, tn: int, fp: int) -> Predictions:
    n = tp + fn + tn + fp
    table = pd.DataFrame(
        {
            "case_id": [f"c{i}" for i in range(n)],
            "patient_id": [f"p{i}" for i in range(n)],
            "split": "test",
            "repeat": 0,
            "fold": 0,
            "y_true": [1] * (tp + fn) + [0] * (tn + fp),
            "y_score": [0.9] * tp + [0.1] * (fn + tn) + [0.9] * fp,
        }
    )
    return Predictions(table, "reduced")


def test_a_worked_example() -> None:
    # Sensitivity 0.9 of 100, specificity 0.91 of 100, prevalence 1 %: the textbook example of "about 9 %".
    ppv, npv = InMyClinic(prevalence=0.01)(predictions(90, 10, 91, 9)).metrics
    assert ppv.value == pytest.approx(0.01 * 0.9 / (0.01 * 0.9 + 0.99 * 0.09))
    assert npv.value == pytest.approx(0.99 * 0.91 / (0.99 * 0.91 + 0.01 * 0.1))
    assert (ppv.baseline, npv.baseline) == (0.01, 0.99)
    assert ppv.low < ppv.value < ppv.high
    # Mercaldo et al.: the variance of logit(PPV) is (1 - se) / (se n1) + sp / ((1 - sp) n0).
    logit = np.log(ppv.high / (1 - ppv.high)) - np.log(ppv.value / (1 - ppv.value))
    assert logit == pytest.approx(1.959964 * np.sqrt(0.1 / 90 + 0.91 / 9), rel=1e-5)


def test_the_prevalence_of_the_cohort_gives_the_observed_values() -> None:
    ppv, npv = InMyClinic(prevalence=40 / 120)(predictions(30, 10, 60, 20)).metrics
    assert ppv.value == pytest.approx(30 / 50)
    assert npv.value == pytest.approx(60 / 70)


def test_the_interval_covers() -> None:
    generator = np.random.default_rng(0)
    hits, trials = 0, 400
    truth = 0.05 * 0.8 / (0.05 * 0.8 + 0.95 * 0.15)
    for _ in range(trials):
        tp, fp = generator.binomial(60, 0.8), generator.binomial(140, 0.15)
        ppv = InMyClinic(prevalence=0.05)(predictions(tp, 60 - tp, 140 - fp, fp)).metrics[0]
        hits += ppv.low <= truth <= ppv.high
    assert 0.92 < hits / trials < 0.985


@pytest.mark.parametrize("counts", [(9, 0, 50, 10), (50, 10, 4, 5), (0, 9, 0, 0), (0, 0, 30, 1)])
def test_too_few_patients_of_a_class_give_counts_only(counts: tuple[int, int, int, int]) -> None:
    for metric in InMyClinic(prevalence=0.1)(predictions(*counts)).metrics:
        assert metric.value is None
        assert f"{counts[0]} of {counts[0] + counts[1]} positive" in metric.interval


def test_no_positive_prediction_is_undefined() -> None:
    ppv, _ = InMyClinic(prevalence=0.1)(predictions(0, 20, 30, 0)).metrics
    assert (ppv.value, ppv.interval.split(";")[0]) == (None, "undefined")


def test_perfect_predictions_have_no_interval() -> None:
    ppv, npv = InMyClinic(prevalence=0.1)(predictions(20, 0, 30, 0)).metrics
    assert (ppv.value, npv.value, ppv.low, npv.high) == (1, 1, None, None)


class RunWithMetrics:
    """A run with the only attribute that the section reads."""

    def __init__(self, results: Predictions, prevalence: float) -> None:
        from dataclasses import replace

        metrics = InMyClinic(prevalence=prevalence)(results).metrics
        self.metrics = [replace(m, metric=f"clinic:{m.metric}", split="test", fold=0) for m in metrics]


def test_the_section_gives_numbers_of_patients() -> None:
    text = section(RunWithMetrics(predictions(90, 10, 91, 9), 0.01)).text
    numbers = re.findall(r"[\d,]+\d|\d", text)
    assert numbers == ["1,000", "10", "98", "9", "89", "902", "1"]  # all, ill, positive, right, wrong, others, missed
    assert "5 of 5" in section(RunWithMetrics(predictions(5, 0, 9, 0), 0.01)).text


def test_a_run_has_the_metrics_and_the_section(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("ECHOKIT_CACHE", str(tmp_path / "cache"))
    small = {
        "data": {"use": "phantom", "cases": 24, "ef": "wide", "fallback": None},
        "model": {"use": "single_stream", "backbone": {"use": "resnet18", "width": 2}},
        "preprocess": [{"use": "trim", "frames": 6}, {"use": "resize", "size": 16}],
        "clip.frames": 6,
        "train": {"epochs": 1, "batch_size": 8, "keep": "last"},
        "evaluate": ["auroc", {"use": "in_my_clinic", "prevalence": 0.05}],
    }
    run = echokit.run("ef_56", set=small, out=tmp_path / "runs")
    assert run.metric("clinic:ppv_in_my_clinic").baseline == 0.05
    summary = (run.path / "summary.md").read_text()
    assert "## In your clinic" in summary
    assert "clinic:in_my_clinic" in (run.path / "lock.yaml").read_text()
