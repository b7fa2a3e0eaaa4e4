"""Classification thresholds: fixed beforehand, or chosen on the validation set."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from echokit.evaluation.statistics.ranking import operating_points

if TYPE_CHECKING:
    from echokit.evaluation.predictions import Predictions

RULE = r"^(youden|(sensitivity|specificity)_at_(0\.\d+|1(\.0+)?))$"
ENOUGH_TO_CHOOSE = 20


def choose_threshold(y: npt.NDArray[np.integer], score: npt.NDArray[np.float64], rule: str) -> float:
    """Choose a threshold among the observed scores.

    Args:
        y: (n,) int of 0 and 1, both present: the validation set, or the out-of-fold cases of inner folds.
        score: (n,) float64.
        rule: ``youden`` takes the largest sensitivity + specificity - 1 (Youden, Cancer 1950); on ties the highest
            threshold. ``sensitivity_at_0.90`` takes the highest threshold with at least that sensitivity,
            ``specificity_at_0.90`` the lowest with at least that specificity.

    Raises:
        ValueError: The rule is unknown, a class is missing, or no threshold reaches the specificity.
    """
    match = re.match(RULE, rule)
    if not match:
        raise ValueError(f"there is no rule {rule!r}; the rules are youden, sensitivity_at_0.90, specificity_at_0.90")
    positives, negatives = int((y == 1).sum()), int((y == 0).sum())
    if not positives or not negatives:
        raise ValueError("choosing a threshold needs patients of both classes")
    thresholds, tp, fp = operating_points(y, score)  # highest first
    sensitivity, specificity = tp / positives, 1 - fp / negatives
    if rule == "youden":
        return float(thresholds[np.argmax(sensitivity + specificity)])
    target = float(match[3]) - 1e-12  # 0.9 of 10 is 9, whatever the last bit is
    if match[2] == "sensitivity":
        return float(thresholds[np.argmax(sensitivity >= target)])
    reached = np.flatnonzero(specificity >= target)
    if not len(reached):
        raise ValueError(f"no threshold has a specificity of {match[3]}")
    return float(thresholds[reached[-1]])


def with_threshold(part: Predictions, validation: Predictions | None, rule: float | str | None) -> Predictions:
    """Set the threshold by a rule on the validation set of the same fold.

    With fewer than 20 patients of either class in the validation set a chosen threshold would be noise: the one
    that was fixed beforehand stays, and the definition of every metric states this.

    Args:
        part: The patients to classify, one row a patient.
        validation: Those of the same fold's validation set, or None.
        rule: A number, the name of a rule, or None for the threshold that the predictions came with.
    """
    if rule is None:
        return part
    if not isinstance(rule, str):
        return replace(part, threshold=float(rule), threshold_origin="fixed in the recipe")
    if validation is None or not len(validation):
        return replace(part, threshold_origin=f"fixed beforehand: {rule} needs a validation set, and there is none")
    y = validation.y_true
    few = int(min(y.sum(), len(y) - y.sum()))
    if few < ENOUGH_TO_CHOOSE:
        why = f"the smaller class of the validation set has {few} patients, fewer than {ENOUGH_TO_CHOOSE}"
        return replace(part, threshold_origin=f"fixed beforehand, not chosen by {rule}: {why}")
    try:
        threshold = choose_threshold(y, validation.y_score, rule)
    except ValueError as error:
        return replace(part, threshold_origin=f"fixed beforehand, not chosen by {rule}: {error}")
    origin = f"chosen by {rule} on the validation set ({len(y)} patients, {int(y.sum())} positives)"
    return replace(part, threshold=threshold, threshold_origin=origin)
