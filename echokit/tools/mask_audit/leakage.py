"""Does a mask tell the outcome? Its area and its silhouette are all that a model would need to see.

A mask that keeps more of strong hearts than of weak ones hands the label over in its outline. The silhouette is
judged by a small classifier on patients that it was not trained on; what chance gives is found by shuffling outcomes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]

_FOLDS = 5
_COMPONENTS = 5
_SHUFFLES = 100


@dataclass(frozen=True)
class Leak:
    """How well something predicts the outcome.

    Attributes:
        auroc: Area under the ROC curve, or None if it is undefined.
        low, high: The middle 95 % of the AUROC when outcomes are shuffled: what chance gives.
        n, events: Patients, and those with the positive outcome.
    """

    auroc: float | None
    low: float | None
    high: float | None
    n: int
    events: int

    @property
    def beyond_chance(self) -> bool:
        """Whether it predicts better than chance, in either direction."""
        if self.auroc is None or self.low is None or self.high is None:
            return False
        return not self.low <= self.auroc <= self.high


def area_leak(y: Integers, area: Numbers) -> Leak:
    """How well the area of the mask alone predicts the outcome.

    Args:
        y: (n,) int64 outcome of each patient.
        area: (n,) float64 mean area of its masks.
    """
    n, events = len(y), int(y.sum())
    if not 0 < events < n:
        return Leak(None, None, None, n, events)
    if np.ptp(area) < 1e-9:
        return Leak(0.5, 0.5, 0.5, n, events)  # every area is the same
    rng = np.random.default_rng(0)
    chance = [_auroc(rng.permutation(y), area) for _ in range(2000)]
    low, high = np.percentile(chance, [2.5, 97.5])
    return Leak(_auroc(y, area), float(low), float(high), n, events)


def silhouette_leak(y: Integers, silhouettes: npt.NDArray[np.float32]) -> Leak:
    """Measure how well the outline alone predicts the outcome.

    The classifier is tested on other patients.

    Five-fold cross-validation of a logistic regression on five principal components; pairs of patients are compared
    within a fold only, because scores of different folds have different zeros.

    Args:
        y: (n,) int64 outcome of each patient.
        silhouettes: (n, pixels) float32 mean silhouette of each patient.
    """
    n, events = len(y), int(y.sum())
    folds = min(_FOLDS, events, n - events)
    if folds < 2:
        return Leak(None, None, None, n, events)
    if np.ptp(silhouettes, axis=0).max() < 1e-6:
        return Leak(0.5, 0.5, 0.5, n, events)  # every silhouette is the same
    # Turned into as many numbers a patient as there are patients; distances, and so all components, stay the same.
    turned, lengths, _ = np.linalg.svd(silhouettes - silhouettes.mean(0), full_matrices=False)
    places = np.asarray(turned * lengths, np.float32)
    rng = np.random.default_rng(0)
    found = _within_folds(y, places, folds)
    chance = [_within_folds(rng.permutation(y), places, folds) for _ in range(_SHUFFLES)]
    low, high = np.percentile(chance, [2.5, 97.5])
    return Leak(found, float(low), float(high), n, events)


def _within_folds(y: Integers, silhouettes: npt.NDArray[np.float32], folds: int) -> float:
    from sklearn.model_selection import StratifiedKFold

    won = pairs = 0.0
    for train, test in StratifiedKFold(folds, shuffle=True, random_state=0).split(silhouettes, y):
        middle = silhouettes[train].mean(0)
        _, _, axes = np.linalg.svd(silhouettes[train] - middle, full_matrices=False)
        components = (silhouettes - middle) @ axes[: min(_COMPONENTS, len(train) - 1)].T
        spread = components[train].std(0)
        score = _logistic(components / np.where(spread > 1e-6, spread, 1), y, train)[test]
        compared = int(y[test].sum()) * int((1 - y[test]).sum())
        won += _auroc(y[test], score) * compared
        pairs += compared
    return won / pairs


def _logistic(components: npt.NDArray[Any], y: Integers, train: Integers) -> Numbers:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1.0, class_weight="balanced").fit(components[train], y[train])
    return np.asarray(model.decision_function(components), np.float64)


def _auroc(y: Integers, score: Numbers) -> float:
    positive, negative = score[y == 1], np.sort(score[y == 0])
    below = np.searchsorted(negative, positive, "left") + np.searchsorted(negative, positive, "right")
    return float(below.sum() / (2 * len(positive) * len(negative)))
