"""The target: which class each case belongs to, with its cut-off and inclusive side written down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from echokit.cohort.outcome import HOW_TO_WRITE
from echokit.errors import DataError, did_you_mean
from echokit.objectives.objective import Targets

if TYPE_CHECKING:
    import pandas as pd

    from echokit.cohort.cohort import Cohort


class TargetSettings(BaseModel):
    """Which column is predicted, and what counts as the positive class."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    source: Annotated[str, Field(alias="from", description="Column of the cohort.")]
    positive: Annotated[str, Field(description="Name of the positive class, as tables and plots call it.")]
    below: Annotated[float | None, Field(description="Positive where the column is < this.")] = None
    at_or_below: Annotated[float | None, Field(description="Positive where the column is <= this.")] = None
    above: Annotated[float | None, Field(description="Positive where the column is > this.")] = None
    at_or_above: Annotated[float | None, Field(description="Positive where the column is >= this.")] = None

    @model_validator(mode="after")
    def _one_cut(self) -> TargetSettings:
        if len(self.cuts) > 1:
            raise ValueError(f"give one cut-off, not {len(self.cuts)}")
        return self

    @property
    def cuts(self) -> dict[str, float]:
        """The cut-off by its side; empty where the column holds 0 and 1."""
        sides = ("below", "at_or_below", "above", "at_or_above")
        return {side: value for side in sides if (value := getattr(self, side)) is not None}

    @property
    def definition(self) -> str:
        """The positive class in words: ``reduced: ef < 50``."""
        signs = {"below": "<", "at_or_below": "<=", "above": ">", "at_or_above": ">="}
        for side, cut in self.cuts.items():
            return f"{self.positive}: {self.source} {signs[side]} {cut:g}"
        return f"{self.positive}: {self.source} = 1"


def targets_of(cohort: Cohort, target: TargetSettings) -> Targets:
    """Cut a cohort's column into classes.

    Raises:
        DataError: The column is not there or not a number, cases have no value (they are named), a patient has two
            outcomes, or all values are fractions and the cut-off is one in percent.
    """
    import pandas as pd

    if target.source not in cohort.cases.columns:
        known = [str(column) for column in cohort.cases.columns]
        raise DataError(
            f"the cohort {cohort.name!r} has no column {target.source!r}",
            hint=did_you_mean(target.source, known) or f"it has {', '.join(known)}",
            where="target.from",
        )
    value = pd.to_numeric(cohort.cases[target.source], errors="coerce").to_numpy(np.float64)
    unknown = cohort.cases["case_id"][~np.isfinite(value)].astype(str).tolist()
    if unknown:
        named = [f"{case} ({why})" if (why := cohort.unknown.get(case)) else case for case in unknown[:5]]
        raise DataError(
            f"{target.source} is not known for {len(unknown)} cases: {', '.join(named)}",
            hint=f"mend the table: {HOW_TO_WRITE}; only cases whose value nobody knows belong under data.exclude",
        )
    cut = target.cuts
    highest = float(value.max(initial=-np.inf))
    if cut and 0 <= highest <= 1 < max(cut.values()):
        raise DataError(
            f"the column {target.source!r} holds nothing above {highest:g}, and the cut-off is {max(cut.values()):g}: "
            "fractions where percent is meant?",
            hint=f"multiply the column {target.source!r} of the table by 100",
            where="target",
        )
    if "below" in cut:
        positive = value < cut["below"]
    elif "at_or_below" in cut:
        positive = value <= cut["at_or_below"]
    elif "above" in cut:
        positive = value > cut["above"]
    elif "at_or_above" in cut:
        positive = value >= cut["at_or_above"]
    else:
        positive = _binary(value, target.source)
    if not cut:
        _refuse_two_outcomes(cohort, positive)
    below = cut.get("below", cut.get("at_or_below"))
    return Targets(positive.astype(np.int64), value, below, quantity=bool(cut))


def on_both_sides(cohort: Cohort, targets: Targets) -> int:
    """How many patients have cases of both classes, as examinations at different times can be."""
    return int((_classes(cohort, targets.y_true == 1) > 1).sum())


def _classes(cohort: Cohort, positive: npt.NDArray[np.bool_]) -> pd.Series[int]:
    """Number of classes by patient."""
    cases = cohort.cases[["patient_id"]].assign(positive=positive)
    return cases.groupby("patient_id", dropna=False, sort=False)["positive"].nunique()


def _refuse_two_outcomes(cohort: Cohort, positive: npt.NDArray[np.bool_]) -> None:
    classes = _classes(cohort, positive)
    torn = cohort.cases["patient_id"].isin(classes.index[classes > 1])
    if torn.any():
        first = cohort.cases.loc[cohort.cases["patient_id"] == cohort.cases.loc[torn, "patient_id"].iloc[0], "case_id"]
        raise DataError(
            f"{int((classes > 1).sum())} patients have two outcomes, for example the one of the cases "
            f"{', '.join(map(str, first[:5]))}",
            hint="give all cases of a patient the same outcome, or list those that are wrong under data.exclude",
            where="target.from",
        )


def _binary(value: npt.NDArray[np.float64], column: str) -> npt.NDArray[np.bool_]:
    if not np.isin(value, (0, 1)).all():
        raise DataError(
            f"the column {column!r} holds other values than 0 and 1",
            hint="give target.below, at_or_below, above or at_or_above",
        )
    return np.equal(value, 1)
