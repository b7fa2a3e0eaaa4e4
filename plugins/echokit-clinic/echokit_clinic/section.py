"""The section of the report: natural frequencies, which are easier to understand than percentages."""

from __future__ import annotations

from echokit import Run, Section

PATIENTS = 1000


def section(run: Run, split: str = "test") -> Section | None:
    """Describe the results for 1,000 patients; None if the recipe does not use ``in_my_clinic``.

    Gigerenzer et al., Helping doctors and patients make sense of health statistics, 2007.

    Args:
        run: A finished run.
        split: Name of the split.
    """
    lines = []
    for ppv, npv in zip(
        _named(run, "clinic:ppv_in_my_clinic", split), _named(run, "clinic:npv_in_my_clinic", split), strict=True
    ):
        fold = f" (fold {ppv.fold})" if ppv.fold else ""
        if ppv.value is None or npv.value is None or ppv.value + npv.value == 1:
            reason = ppv.interval if ppv.value is None else npv.interval
            lines.append(f"- No result{fold}: {reason}.")
            continue
        # p = PPV c + (1 - NPV)(1 - c), for the share c of patients who are classified as positive.
        prevalence = ppv.baseline or 0.0
        n_positive = round(PATIENTS * (prevalence - 1 + npv.value) / (ppv.value + npv.value - 1))
        n_correct = round(ppv.value * n_positive)
        n_missed = round((1 - npv.value) * (PATIENTS - n_positive))
        lines.append(
            f"- Of {PATIENTS:,} patients, {round(PATIENTS * prevalence)} of them positive, {n_positive} would be "
            f"classified as positive{fold}: {n_correct} correctly and {n_positive - n_correct} incorrectly. Of the "
            f"other {PATIENTS - n_positive}, {n_missed} would be missed."
        )
    if not lines:
        return None
    return Section(
        "In your clinic",
        "\n".join([*lines, "", "This assumes that your patients of each class resemble those of this cohort."]),
    )


def _named(run: Run, name: str, split: str):
    return [m for m in run.metrics if m.metric == name and m.split == split and m.subgroup is None]
