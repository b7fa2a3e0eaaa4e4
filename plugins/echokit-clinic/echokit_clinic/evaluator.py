"""InMyClinic: predictive values of a fixed threshold at a prevalence that is not that of the cohort."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from echokit import Evaluation, Metric, Predictions

ENOUGH = 10
"""Positive and negative patients below which no value is given: counts instead."""


class InMyClinic:
    """What a positive and a negative answer mean where the disease is rarer, or more common, than in the cohort.

    Sensitivity and specificity are taken at the threshold of the run and carried over to the given prevalence by
    Bayes' rule: PPV = se p / (se p + (1 - sp)(1 - p)), NPV likewise. That holds where patients of each class are like
    those of the cohort; a clinic that sees milder disease has a lower sensitivity. With fewer than 10 positive or 10
    negative patients no value is given. Intervals: delta method on the logit, the prevalence taken as known (Mercaldo,
    Lau and Zhou, Statistics in Medicine 2007).

    Args:
        prevalence: Share of positive patients among those that the test would be used on.
        level: Nominal level of the intervals.
    """

    def __init__(
        self,
        *,
        prevalence: Annotated[float, Field(gt=0, lt=1)],
        level: Annotated[float, Field(gt=0, lt=1)] = 0.95,
    ) -> None:
        self.prevalence = prevalence
        self.level = level

    def __call__(self, predictions: Predictions) -> Evaluation:
        """Give the positive and the negative predictive value of one split, one row a patient."""
        y, called = predictions.y_true == 1, predictions.y_score >= predictions.threshold
        positives, negatives = int(y.sum()), int((~y).sum())
        found, cleared = int((called & y).sum()), int((~called & ~y).sum())
        p = self.prevalence
        # logit(PPV) = logit(p) + log(se / (1 - sp)); logit(NPV) = -logit(p) + log(sp / (1 - se)).
        ppv = self._value(found, positives, negatives - cleared, negatives, p)
        npv = self._value(cleared, negatives, positives - found, positives, 1 - p)
        called_from = f"called {predictions.positive!r} from a score of {predictions.threshold:.4g} on"
        at = f"at a prevalence of {p:.3g}, {called_from}"
        counts = f"{found} of {positives} positive patients called, {cleared} of {negatives} negative patients cleared"
        return Evaluation(
            (
                self._metric(
                    "ppv_in_my_clinic", f"share of the called patients who are positive, {at}", ppv, p, y, counts
                ),
                self._metric("npv_in_my_clinic", f"share of the others who are negative, {at}", npv, 1 - p, y, counts),
            )
        )

    def _value(
        self, hits: int, of: int, misses: int, of_others: int, share: float
    ) -> tuple[float, float | None, float | None] | None:
        """The value and the ends of its interval, or None where there are too few patients or nobody is called."""
        if min(of, of_others) < ENOUGH or hits + misses == 0:
            return None
        hit, miss = hits / of, misses / of_others
        value = share * hit / (share * hit + (1 - share) * miss)
        if not 0 < value < 1:  # the logit has no interval at 0 and 1
            return value, None, None
        from scipy.special import expit, logit
        from scipy.stats import norm

        spread = norm.ppf(0.5 + self.level / 2) * np.sqrt((1 - hit) / hits + (1 - miss) / misses)
        return value, float(expit(logit(value) - spread)), float(expit(logit(value) + spread))

    def _metric(
        self,
        name: str,
        definition: str,
        found: tuple[float, float | None, float | None] | None,
        baseline: float,
        y: np.ndarray,
        counts: str,
    ) -> Metric:
        value, low, high = found or (None, None, None)
        if found is None:
            few = min(int(y.sum()), int((~y).sum())) < ENOUGH
            method = f"not given: fewer than {ENOUGH} patients of a class; {counts}" if few else f"undefined; {counts}"
        elif low is None:
            method = f"none: no patient was called wrongly or none rightly; {counts}"
        else:
            method = "delta method on the logit, prevalence taken as known"
        return Metric(
            metric=name,
            definition=definition,
            value=value,
            n=len(y),
            events=int(y.sum()),
            baseline=baseline,
            low=low,
            high=high,
            level=None if low is None else self.level,
            interval=method,
        )
