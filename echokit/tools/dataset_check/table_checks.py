"""Checks of the tables alone, without opening a video."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from echokit.data.cohort.survival_outcome import HOW_TO_WRITE
from echokit.tools.dataset_check.finding import Finding, finding
from echokit.tools.dataset_check.survey import REDUCED, Listed, Survey

TOLERANCE = 2.0  # points by which an EF may differ from that of its volumes
UNUSUAL_SHARE = 3.0  # standard errors by which a split's share of the positive class may differ from the whole
# name: (lowest, highest, whether the ends count, level)
RANGES = {
    "ef": (0.0, 100.0, False, "error"),
    "esv": (0.0, 2000.0, False, "error"),
    "edv": (0.0, 2000.0, False, "error"),
    "fps": (1.0, 1000.0, True, "warning"),
    "frames": (1.0, 1e6, True, "warning"),
    "height": (1.0, 1e5, True, "warning"),
    "width": (1.0, 1e5, True, "warning"),
    "age": (0.0, 120.0, True, "warning"),
    "weight_kg": (0.2, 400.0, True, "warning"),
    "height_cm": (20.0, 250.0, True, "warning"),
    "heart_rate": (15.0, 300.0, True, "warning"),
}


def check_tables(survey: Survey) -> Iterator[Finding]:
    """Run every check of the tables."""
    yield _unknown_targets(survey)
    efs = [ef for one in survey.listed if math.isfinite(ef := one.value("ef"))]
    fractions = bool(efs) and max(efs) <= 1
    yield finding(
        "ef_as_fraction",
        "warning" if survey.layout == "table" else "error",  # a recipe may cut the column of a table at 0.5
        "a column EF of fractions: 0.55 where 55 % is meant",
        [("EF", f"{min(efs):g} to {max(efs):g}")] if fractions else [],
        hint="multiply the column by 100",
    )
    if fractions:
        survey = _in_percent(survey)
    yield from _impossible(survey)
    yield _volumes(survey)
    yield _unknown_splits(survey)
    yield _patients(survey)
    yield from _classes(survey)
    yield from _balance(survey)


def _in_percent(survey: Survey) -> Survey:
    """Return the table with EF times 100, so that a unit is reported once."""

    def percent(one: Listed) -> Listed:
        ef = one.value("ef")
        target = 100 * ef if one.target == ef else one.target
        return replace(one, values={**one.values, "ef": 100 * ef}, target=target)

    return replace(survey, listed=tuple(percent(one) if "ef" in one.values else one for one in survey.listed))


def _unknown_targets(survey: Survey) -> Finding:
    unknown = [one for one in survey.listed if not math.isfinite(one.target)]
    return finding(
        "unknown_target",
        "error",
        "cases whose target is not known",
        [(one.case_id, one.why) for one in unknown],
        hint=f"fix the table: {HOW_TO_WRITE}; exclude only those whose value is unknown",
        exclude=[one.case_id for one in unknown] if len(unknown) < len(survey.listed) else [],  # never all
    )


def _impossible(survey: Survey) -> Iterator[Finding]:
    found: dict[str, list[tuple[str, str]]] = {"error": [], "warning": []}
    for one in survey.listed:
        wrong: dict[str, list[str]] = {"error": [], "warning": []}
        for name, value in one.values.items():
            low, high, ends, level = RANGES.get(name, (-math.inf, math.inf, True, "warning"))
            if not math.isnan(value) and not (low <= value <= high if ends else low < value < high):
                wrong[level].append(f"{name} {value:g}")
        if one.value("esv") > one.value("edv"):
            wrong["error"].append(f"esv {one.value('esv'):g} above edv {one.value('edv'):g}")
        for level, details in wrong.items():
            if details:
                found[level].append((one.case_id, ", ".join(details)))
    yield finding(
        "impossible_label",
        "error",
        "ejection fractions outside 0 to 100 and volumes that cannot be",
        found["error"],
        hint="fix the table, or exclude them",
        exclude=[case for case, _ in found["error"]],
    )
    yield finding("impossible_value", "warning", "other values that cannot be", found["warning"])


def _volumes(survey: Survey) -> Finding:
    bad = []
    for one in survey.listed:
        ef, esv, edv = (one.value(name) for name in ("ef", "esv", "edv"))
        if edv > 0 and math.isfinite(ef) and math.isfinite(esv):
            of_volumes = 100 * (edv - esv) / edv
            if abs(of_volumes - ef) > TOLERANCE:
                bad.append((one.case_id, f"EF {ef:.1f}, its volumes give {of_volumes:.1f}"))
    return finding(
        "ef_against_volumes",
        "error",
        f"ejection fractions more than {TOLERANCE:g} points from (EDV - ESV) / EDV",
        bad,
        hint="find out which is right, or exclude them",
        exclude=[case for case, _ in bad],
    )


def _unknown_splits(survey: Survey) -> Finding:
    strange = [one for one in survey.listed if survey.splits and one.split not in survey.splits]
    return finding(
        "unknown_split",
        "error",
        f"cases whose split is none of {', '.join(survey.splits)}",
        [(one.case_id, one.split[:20] if survey.layout.startswith("EchoNet") else "") for one in strange],
        hint="fix the table; exclusions cannot",
    )


def _patients(survey: Survey) -> Finding:
    splits: dict[str, Counter[str]] = {}
    for one in survey.listed:
        if one.patient_id and one.split:
            splits.setdefault(one.patient_id, Counter())[one.split] += 1
    crossing = [
        (patient, " and ".join(f"{count} in {split}" for split, count in sorted(counts.items())))
        for patient, counts in splits.items()
        if len(counts) > 1
    ]
    return finding(
        "patient_in_two_splits",
        "error",
        "patients with videos in more than one split",
        crossing,
        hint="move all videos of a patient into one split; a cohort like this is refused",
    )


def _classes(survey: Survey) -> Iterator[Finding]:
    """Find patients of both classes, which an outcome cannot have."""
    found: dict[str, set[bool]] = {}
    outcomes: set[str] = set()
    for one in survey.listed:
        positive = survey.positive(one)
        if one.patient_id and positive is not None:
            found.setdefault(one.patient_id, set()).add(positive)
            if one.target in (0.0, 1.0) and one.target != one.value("ef"):
                outcomes.add(one.patient_id)
    both = [patient for patient, classes in found.items() if len(classes) > 1]
    yield finding(
        "two_outcomes",
        "error",
        "patients with cases of both outcomes",
        [(patient, "") for patient in both if patient in outcomes],
        hint="a patient has one outcome; such a cohort is refused",
    )
    yield finding(
        "both_classes",
        "note",
        f"patients with an EF below {REDUCED:g} in one case and not in another: they count once in each class",
        [(patient, "") for patient in both if patient not in outcomes],
    )


def _balance(survey: Survey) -> Iterator[Finding]:
    """Find splits without a class, or with another share of the positives."""
    classes: dict[str, list[bool]] = {}
    for one in survey.listed:
        positive = survey.positive(one)
        if positive is not None:
            classes.setdefault(one.split, []).append(positive)
    everyone = [positive for part in classes.values() for positive in part]
    shares = []
    lacking = []
    unusual = []
    overall = sum(everyone) / len(everyone) if everyone else 0.0
    for split, part in sorted(classes.items()):
        share = sum(part) / len(part)
        name = split or "no split"
        shares.append(f"{name}: {sum(part)} of {len(part)} positive ({share:.1%})")
        error = math.sqrt(overall * (1 - overall) / len(part))
        if share in (0.0, 1.0):
            lacking.append((name, "no positive case" if share == 0 else "no negative case"))
        elif error and abs(share - overall) > UNUSUAL_SHARE * error:
            unusual.append((name, f"{share:.1%}, all together {overall:.1%}"))
    yield Finding("class_balance", "note", "share of the positive class in each split", len(shares), tuple(shares))
    folds = survey.splits[:1] == ("0",)  # parts of a split: one of them may well lack a class
    yield finding(
        "class_missing",
        "note" if folds else "error",
        "splits that lack a class",
        lacking,
        hint="divide the cohort again: nothing can be measured",
    )
    yield finding(
        "class_balance_differs",
        "warning",
        f"splits whose share of the positive class is more than {UNUSUAL_SHARE:g} standard errors from the whole",
        unusual,
    )
