"""Scores: one for each case, the same in every call; AUROC agrees with scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from echokit.data.sampling.window_sampler import Window
from echokit.data.sampling.windows import Windows
from echokit.training.batches.batches import select_cases
from echokit.training.scoring import auroc, score, scores_of
from tests.expect import refused

from .blobs import CASES, COMPUTE, Blobs, Tiny, TwoClasses

WINDOWS = Window(frames=5, start="all")(Blobs(CASES).lengths, "test", 0, 0)


class Percent(TwoClasses):
    """An objective that estimates a value; its score is not a probability."""

    probability = False

    def score(self, outputs):
        return -outputs[:, 0]

    def predict(self, outputs):
        return outputs[:, 0] * 100


def test_a_case_gets_the_mean_over_its_windows():
    model = Tiny().eval()
    scores = score(model, TwoClasses(), Blobs(CASES), WINDOWS, batch_size=4, compute=COMPUTE)
    assert scores.prediction is None
    np.testing.assert_array_equal(scores.case, np.arange(CASES))
    case = next(c for c in range(CASES) if (WINDOWS.case == c).sum() == 2)
    one = select_cases(WINDOWS, np.array([case]))
    halves = []
    for i in range(2):
        half = Windows(one.case[i : i + 1], one.frames[i : i + 1])
        halves.append(score(model, TwoClasses(), Blobs(CASES), half, batch_size=1, compute=COMPUTE).score[0])
    assert scores.score[case] == pytest.approx(np.mean(halves), rel=1e-6)
    assert halves[0] != halves[1]


def test_dropout_is_off_and_the_training_mode_is_restored():
    model = Tiny().train()
    calls = [score(model, TwoClasses(), Blobs(CASES), WINDOWS, batch_size=8, compute=COMPUTE) for _ in range(2)]
    np.testing.assert_array_equal(calls[0].score, calls[1].score)
    assert model.training


def test_an_estimate_is_averaged_too():
    outputs = torch.tensor([[0.2, 0.0], [0.4, 0.0], [0.6, 0.0]])
    windows = Windows(np.array([5, 5, 8]), np.zeros((3, 5), np.int64))
    scores = scores_of(Percent(), windows, outputs)
    assert scores.case.tolist() == [5, 8]
    np.testing.assert_allclose(scores.prediction, [30, 60], rtol=1e-6)
    np.testing.assert_allclose(scores.score, [-0.3, -0.6], rtol=1e-6)
    assert scores.window.tolist() == [0, 0, 1]
    np.testing.assert_allclose(scores.window_prediction, [20, 40, 60], rtol=1e-6)
    np.testing.assert_allclose(scores.window_score, [-0.2, -0.4, -0.6], rtol=1e-6)


def test_a_score_that_is_not_finite_is_an_error():
    windows = Windows(np.array([5, 8]), np.zeros((2, 5), np.int64))
    with refused("score.not_finite") as error:
        scores_of(TwoClasses(), windows, torch.tensor([[0.0, 1.0], [torch.nan, 0.0]]))
    assert "case 8" in error.value.hint


labelled = st.lists(st.tuples(st.integers(0, 1), st.sampled_from([0.1, 0.2, 0.5, 0.9])), min_size=1, max_size=20)


@given(labelled)
@settings(max_examples=100, deadline=None)
def test_auroc_is_that_of_scikit_learn(pairs):
    truth, values = (np.array(v) for v in zip(*pairs, strict=True))
    if len(set(truth)) < 2:
        assert auroc(truth, values) is None
    else:
        assert auroc(truth, values) == pytest.approx(roc_auc_score(truth, values), abs=1e-12)
