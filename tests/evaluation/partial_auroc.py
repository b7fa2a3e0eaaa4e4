"""Partial AUROC, as the author of a plugin writes it."""

from typing import Annotated

import numpy as np
from pydantic import Field

from echokit import PatientMetric


class PartialAuroc(PatientMetric):
    """Partial AUROC up to a false positive rate, rescaled as by McClish (1989): 0.5 is chance.

    Args:
        max_fpr: Largest false positive rate.
    """

    name = "pauroc"
    stratified = True

    def __init__(self, *, max_fpr: Annotated[float, Field(gt=0, lt=1)] = 0.2) -> None:
        self.max_fpr = max_fpr
        self.definition = f"partial AUROC of {{positive}} up to a false positive rate of {max_fpr:g} (McClish)"

    def baseline(self, y, score):
        return 0.5

    def statistic(self, y, score, weights):
        order = np.argsort(-score)
        ends = np.r_[np.flatnonzero(np.diff(score[order])), len(y) - 1]  # equal scores are taken together
        tp, fp = ((weights[:, order] * (y[order] == label)).cumsum(1)[:, ends] for label in (1, 0))
        return np.array([self.area(*pair) for pair in zip(fp, tp, strict=True)])

    def area(self, fp, tp):
        if not fp[-1] or not tp[-1]:
            return np.nan
        fpr, tpr, limit = np.r_[0, fp / fp[-1]], np.r_[0, tp / tp[-1]], self.max_fpr
        at = np.searchsorted(fpr, limit)
        x, y = np.r_[fpr[:at], limit], np.r_[tpr[:at], np.interp(limit, fpr[at - 1 : at + 1], tpr[at - 1 : at + 1])]
        return 0.5 + (np.trapezoid(y, x) - limit**2 / 2) / (2 * limit - limit**2)
