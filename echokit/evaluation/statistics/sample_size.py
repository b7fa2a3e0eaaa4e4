"""How many patients a test set needs, for a study and for a pilot.

For a study, two published rules: the 95 % interval of the AUROC is at most 0.10 wide (Riley et al., Minimum sample size
for external validation of a clinical prediction model with a binary outcome, Statistics in Medicine 2021), and each
class has at least 100 patients (Collins et al., Statistics in Medicine 2016), so that sensitivity and specificity are
known to about 0.10. A pilot may have intervals twice as wide: 0.20, and a quarter of the patients, 25 of each class.
No published rule defines a pilot: that limit is a convention of echokit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from echokit.evaluation.statistics.wilson import z_of

Grade = Literal["study", "pilot", "none"]


@dataclass(frozen=True, slots=True)
class Rule:
    """What a test set must reach.

    Attributes:
        width: Largest width of the 95 % interval of the AUROC.
        of_each_class: Smallest number of patients of each class.
    """

    width: float
    of_each_class: int


STUDY = Rule(0.10, 100)
PILOT = Rule(0.20, 25)


@dataclass(frozen=True, slots=True)
class SampleSize:
    """Whether a test set is large enough, and which size would be.

    Attributes:
        grade: What the patients are enough for: ``study``, ``pilot`` or ``none``.
        pilot, study: Patients and patients of the smaller class that each needs, at the same share of positives.
    """

    grade: Grade
    pilot: tuple[int, int]
    study: tuple[int, int]


def sample_size(n: int, positives: int, auroc: float | None, *, widening: float = 1.0) -> SampleSize | None:
    """Grade a test set by its number of patients.

    Args:
        n: Patients.
        positives: Patients of the positive class.
        auroc: The AUROC, or None if there is none: only the patients of each class count then.
        widening: Factor on the standard error: above 1 for a cross-validation.

    Returns:
        None if a class has no patients: no share of positives to plan with.
    """
    few = min(positives, n - positives)
    if few < 1:
        return None
    pilot, study = (_required(n, few, auroc, widening, rule) for rule in (PILOT, STUDY))
    grade: Grade = "study" if n >= study[0] else "pilot" if n >= pilot[0] else "none"
    return SampleSize(grade, pilot, study)


def patients_for_auroc(auroc: float, share: float, error: float) -> int:
    """Compute how many patients give an AUROC a standard error.

    Solves Newcombe's formula for the number of patients (Statistics in Medicine 2006, method 4), as in Riley et al.

    Args:
        auroc: From 0 to 1.
        share: Share of the positive class, between 0 and 1.
        error: The standard error, above 0.
    """
    variance = auroc * (1 - auroc) / (share * (1 - share))
    spread = (1 - auroc) / (2 - auroc) + auroc / (1 + auroc)
    half = variance * spread / 2
    root = math.sqrt(half**2 + 4 * error**2 * variance * (1 - spread))
    return math.ceil((half + root) / (2 * error**2))


def _required(n: int, few: int, auroc: float | None, widening: float, rule: Rule) -> tuple[int, int]:
    """Find the smallest test set for a rule, at the same share of positives."""
    required = math.ceil(rule.of_each_class * n / few)
    if auroc is not None:
        error = rule.width / (2 * z_of(0.95) * widening)
        required = max(required, patients_for_auroc(auroc, few / n, error))
    return required, max(rule.of_each_class, round(required * few / n))
