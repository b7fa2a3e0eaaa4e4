"""The section of the report: the same numbers as whole patients, which are read right more often than percentages."""

from __future__ import annotations

from echokit import Run, Section

PATIENTS = 1000


def section(run: Run, split: str = "test") -> Section | None:
    """Say what 1,000 patients would be told; None where the recipe does not use ``in_my_clinic``.

    Gigerenzer et al., Helping doctors and patients make sense of health statistics, 2007.

    Args:
        run: With its metrics.
        split: Whose predictions are meant.
    """
    lines = []
    for ppv, npv in zip(_named(run, "ppv_in_my_clinic", split), _named(run, "npv_in_my_clinic", split), strict=True):
        where = f" (fold {ppv.fold})" if ppv.fold else ""
        if ppv.value is None or npv.value is None or ppv.value + npv.value == 1:
            told = ppv.interval if ppv.value is None else npv.interval
            lines.append(f"- Nothing can be said{where}: {told}.")
            continue
        # p = PPV c + (1 - NPV)(1 - c), for the share c of patients who are called.
        prevalence = ppv.baseline or 0.0
        called = round(PATIENTS * (prevalence - 1 + npv.value) / (ppv.value + npv.value - 1))
        right = round(ppv.value * called)
        missed = round((1 - npv.value) * (PATIENTS - called))
        lines.append(
            f"- Of {PATIENTS:,} patients, {round(PATIENTS * prevalence)} of them positive, {called} would be "
            f"called{where}: {right} rightly and {called - right} wrongly. Of the {PATIENTS - called} others, {missed} "
            "would be missed."
        )
    if not lines:
        return None
    return Section(
        "In your clinic", "\n".join([*lines, "", "If your patients of each class are like those of this cohort."])
    )


def _named(run: Run, name: str, split: str):
    return [m for m in run.metrics if m.metric == name and m.split == split and m.subgroup is None]
