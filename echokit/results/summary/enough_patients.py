"""Whether a test set has enough patients: for a study, for a pilot, or for neither."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from echokit.evaluation.cross_validation import WIDENING
from echokit.evaluation.evaluation import Metric
from echokit.evaluation.statistics.sample_size import PILOT, STUDY, Grade, sample_size
from echokit.results.headline import joined, whole_rows
from echokit.results.wording import count

RULE = (
    f"Enough for a study: the 95 % interval of the AUROC is at most {STUDY.width:.2f} wide (Riley et al., Stat Med "
    f"2021) and each class has at least {STUDY.of_each_class} patients (Collins et al., Stat Med 2016). Enough for a "
    f"pilot: an interval of at most {PILOT.width:.2f} and {PILOT.of_each_class} patients; no published rule defines a "
    "pilot, so this is a convention of echokit. The numbers follow from the AUROC and the share of positive patients "
    f"found here. In a cross-validation, which has several models, the interval is {WIDENING:g} times as wide. "
    "Calibration and subgroups need more patients."
)


@dataclass(frozen=True, slots=True)
class Enough:
    """What the patients of a test set are enough for.

    Attributes:
        n, positives: Patients, and those of the positive class.
        grade: ``study``, ``pilot`` or ``none``.
        verdict: The grade as text.
        required: How many would be enough, in sentences; empty if these are, or if there is one class only.
    """

    n: int
    positives: int
    grade: Grade
    verdict: str
    required: str

    @property
    def text(self) -> str:
        """Verdict, patients, and how many would be enough."""
        text = f"{self.verdict}: {count(self.n, 'patient')} ({self.positives:,} positive). {self.required}".rstrip()
        return f"{text[0].upper()}{text[1:]}"


def enough_patients(metrics: Sequence[Metric], split: str) -> Enough | None:
    """Grade a test set by its size.

    Args:
        metrics: From ``evaluate_folds``.
        split: The split to grade.

    Returns:
        None without a metric of the split.
    """
    of_split = [metric for metric in metrics if metric.split == split and metric.subgroup is None]
    if not of_split:
        return None
    # If a patient is in several test folds, only a row over all folds counts patients once.
    # Only built-in rows do so for sure: a plugin's have the name of the plugin.
    over_folds = [row for row in of_split if row.fold is None and ":" not in row.metric]
    rows = [row for row in over_folds if not row.metric.endswith(("_fold_mean", "_fold_sd"))][:1]
    folds = [row for row in of_split if row.fold is not None and row.metric == of_split[0].metric] or of_split[:1]
    rows = rows or [row for row in folds if row.repeat == folds[0].repeat]
    n, positives = sum(row.n for row in rows), sum(row.events for row in rows)
    several = len(folds) > 1
    auroc = joined(whole_rows(metrics, split), "auroc")
    size = sample_size(n, positives, None if auroc is None else auroc.value, widening=WIDENING if several else 1.0)
    if size is None:
        return Enough(n, positives, "none", "one class only, so nothing can be measured", "")
    if size.grade == "study":
        return Enough(n, positives, "study", "enough for a study", "")
    study, pilot = (
        f"about {_rounded(required)} ({_rounded(few)} in the smaller class)"
        for required, few in (size.study, size.pilot)
    )
    if size.grade == "pilot":
        return Enough(n, positives, "pilot", "enough for a pilot, too few for a study", f"A study needs {study}.")
    required = f"A pilot needs {pilot}; a study needs {study}."
    return Enough(n, positives, "none", "too few even for a pilot", required)


def _rounded(patients: int) -> str:
    """Round up to two digits: no more are known."""
    unit = max(1, 10 ** (math.floor(math.log10(patients)) - 1))
    return f"{math.ceil(patients / unit) * unit:,}"
