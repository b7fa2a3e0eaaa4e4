"""Tables of predictions for the tests of this folder."""

from __future__ import annotations

import numpy as np
import pandas as pd

from echokit.evaluation.predictions import Predictions
from echokit.plugins.discovery import installed


def predictions_table(y, score, *, split="test", repeat=0, fold=0, prefix="p"):
    """One row a patient, named by the prefix and a number."""
    names = [f"{prefix}{i}" for i in range(len(y))]
    table = pd.DataFrame({"case_id": names, "patient_id": names, "split": split, "repeat": repeat, "fold": fold})
    return table.assign(y_true=np.asarray(y, int), y_score=np.asarray(score, float))


def random_predictions(n=60, seed=0, share=0.3, threshold=0.5, shift=0.0):
    """Probabilities and estimates that follow the class, with noise."""
    rng = np.random.default_rng(seed)
    y = np.zeros(n, int)
    y[: max(1, int(share * n))] = 1
    logit = 1.2 * rng.normal(size=n) + 1.5 * y - 1 + shift
    names = [f"p{i}" for i in range(n)]
    table = pd.DataFrame({"case_id": names, "patient_id": names, "split": "test", "repeat": 0, "fold": 0})
    target = 60 - 20 * y + 5 * rng.normal(size=n)
    table = table.assign(y_true=y, y_score=np.round(1 / (1 + np.exp(-logit)), 2).clip(0.01, 0.99), target=target)
    return Predictions(table.assign(prediction=target + 4 * rng.normal(size=n) + 1), "reduced", threshold)


def evaluator(name, **parameters):
    """Build an evaluator by its name in a recipe."""
    return installed().registry.get("evaluator", name).load()(**parameters)


TIGHT = {"abs": 1e-10, "rel": 1e-10}
