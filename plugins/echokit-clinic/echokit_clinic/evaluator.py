"""InMyClinic: predictive values at a prevalence other than that of the cohort."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from echokit import Evaluation, Metric, Predictions

MIN_PER_CLASS = 10
"""Minimum number of patients of each class for a value; with fewer, only counts are given."""


class InMyClinic:
    """Positive and negative predictive value at the prevalence of another population.

    Bayes' rule converts sensitivity and specificity at the threshold of the run to the given prevalence:
    PPV = se p / (se p + (1 - sp)(1 - p)), NPV likewise. This assumes that patients of each class resemble those of the
    cohort; with milder disease, sensitivity is lower. No value is given with fewer than 10 positive or 10 negative
    patients. Intervals: delta method on the logit, prevalence assumed known (Mercaldo, Lau and Zhou, Statistics in
    Medicine 2007).

    Args:
        prevalence: Share of positive patients in the population on which the test would be used.
        level: Confidence level of the intervals.
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
        """Compute the positive and negative predictive value of one split, one row per patient."""
        y, positive = predictions.y_true == 1, predictions.y_score >= predictions.threshold
        n_positive, n_negative = int(y.sum()), int((~y).sum())
        tp, tn = int((positive & y).sum()), int((~positive & ~y).sum())
        p = self.prevalence
        # logit(PPV) = logit(p) + log(se / (1 - sp)); logit(NPV) = -logit(p) + log(sp / (1 - se)).
        ppv = self._value(tp, n_positive, n_negative - tn, n_negative, p)
        npv = self._value(tn, n_negative, n_positive - tp, n_positive, 1 - p)
        rule = f"classified as {predictions.positive!r} from a score of {predictions.threshold:.4g}"
        at = f"at a prevalence of {p:.3g}, {rule}"
        counts = f"{tp} of {n_positive} positive and {tn} of {n_negative} negative patients classified correctly"
        return Evaluation(
            (
                self._metric(
                    "ppv_in_my_clinic",
                    f"share of patients classified as positive who are positive, {at}",
                    ppv,
                    p,
                    y,
                    counts,
                ),
                self._metric(
                    "npv_in_my_clinic",
                    f"share of patients classified as negative who are negative, {at}",
                    npv,
                    1 - p,
                    y,
                    counts,
                ),
            )
        )

    def _value(
        self, correct: int, n: int, incorrect: int, n_others: int, share: float
    ) -> tuple[float, float | None, float | None] | None:
        """Compute a predictive value and its interval; None with too few patients or no such prediction.

        Args:
            correct, n: Correct predictions among the ``n`` patients of the class.
            incorrect, n_others: Incorrect predictions of this class among the ``n_others`` patients of the other one.
            share: Prevalence of the class.
        """
        if min(n, n_others) < MIN_PER_CLASS or correct + incorrect == 0:
            return None
        correct_rate, error_rate = correct / n, incorrect / n_others
        value = share * correct_rate / (share * correct_rate + (1 - share) * error_rate)
        if not 0 < value < 1:  # the logit has no interval at 0 and 1
            return value, None, None
        from scipy.special import expit, logit
        from scipy.stats import norm

        half_width = norm.ppf(0.5 + self.level / 2) * np.sqrt(
            (1 - correct_rate) / correct + (1 - error_rate) / incorrect
        )
        return value, float(expit(logit(value) - half_width)), float(expit(logit(value) + half_width))

    def _metric(
        self,
        name: str,
        definition: str,
        estimate: tuple[float, float | None, float | None] | None,
        baseline: float,
        y: np.ndarray,
        counts: str,
    ) -> Metric:
        value, low, high = estimate or (None, None, None)
        if estimate is None:
            too_few = min(int(y.sum()), int((~y).sum())) < MIN_PER_CLASS
            method = (
                f"not given: fewer than {MIN_PER_CLASS} patients of a class; {counts}"
                if too_few
                else f"undefined; {counts}"
            )
        elif low is None:
            method = f"none: all or none of these predictions are correct; {counts}"
        else:
            method = "delta method on the logit, prevalence assumed known"
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
