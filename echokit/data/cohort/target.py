"""The target: the class of each case, with its cut-off and inclusive side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from echokit.data.cohort.survival_outcome import HOW_TO_WRITE
from echokit.data.cohort.targets import Targets
from echokit.data.cohort.words import are_words, class_of, positive_word
from echokit.errors import DataError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

    from echokit.data.cohort.cohort import Cohort


class TargetSettings(BaseModel):
    """The column to predict, and the positive class."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    source: Annotated[str, Field(alias="from", description="Column of the cohort.")]
    positive: Annotated[str, Field(description="Name of the positive class, in tables and plots.")]
    word: Annotated[
        str | None,
        Field(
            min_length=1,
            description="Word of the positive class in a column of two words; null: the name of the class, or yes.",
        ),
    ] = None
    below: Annotated[float | None, Field(description="Positive if the column is < this.")] = None
    at_or_below: Annotated[float | None, Field(description="Positive if the column is <= this.")] = None
    above: Annotated[float | None, Field(description="Positive if the column is > this.")] = None
    at_or_above: Annotated[float | None, Field(description="Positive if the column is >= this.")] = None

    @model_validator(mode="after")
    def _one_cut(self) -> TargetSettings:
        if len(self.cuts) > 1:
            raise ValueError(f"give one cut-off, not {len(self.cuts)}")
        if self.cuts and self.word is not None:
            raise ValueError("a column has either words or a cut-off, not both")
        return self

    @property
    def cuts(self) -> dict[str, float]:
        """The cut-off by its side; empty if the column has 0 and 1."""
        sides = ("below", "at_or_below", "above", "at_or_above")
        return {side: value for side in sides if (value := getattr(self, side)) is not None}

    @property
    def definition(self) -> str:
        """Definition of the positive class: ``reduced: ef < 50``."""
        signs = {"below": "<", "at_or_below": "<=", "above": ">", "at_or_above": ">="}
        for side, cut in self.cuts.items():
            return f"{self.positive}: {self.source} {signs[side]} {cut:g}"
        return f"{self.positive}: {self.source} = {self.word or 1}"


def target_in(cohort: Cohort, target: TargetSettings) -> TargetSettings:
    """Return the target with the word of the positive class, if the column has words.

    A lock then always means the same class.

    Raises:
        DataError: The column has more than two words, none of them is meant, or a word is given for numbers.
    """
    if target.cuts or target.source not in cohort.cases.columns:
        return target
    cells = cohort.cases[target.source].tolist()
    if not are_words(cells):
        if target.word is not None:
            raise DataError(
                f"the column {target.source!r} has numbers, and target.word names a word",
                hint="remove target.word; 1 is the positive class",
                where="target.word",
                code="target.no_words",
            )
        return target
    word = positive_word(cells, target.positive, target.word, target.source)
    return target.model_copy(update={"word": word})


def targets_of(cohort: Cohort, target: TargetSettings) -> Targets:
    """Convert a column of a cohort to classes.

    Raises:
        DataError: The column is missing or not numeric, cases have no value (they are named), a patient has two
            outcomes, or all values are fractions and the cut-off is in percent.
    """
    import pandas as pd

    if target.source not in cohort.cases.columns:
        known = [str(column) for column in cohort.cases.columns]
        raise DataError(
            f"the cohort {cohort.name!r} has no column {target.source!r}",
            hint=did_you_mean(target.source, known) or f"it has {', '.join(known)}",
            where="target.from",
            code="target.missing_column",
        )
    column = cohort.cases[target.source]
    if target.word is not None and are_words(column.tolist()):
        value = np.array([class_of(cell, target.word) for cell in column], np.float64)
    else:
        value = pd.to_numeric(column, errors="coerce").to_numpy(np.float64)
    unknown = cohort.cases["case_id"][~np.isfinite(value)].astype(str).tolist()
    if unknown:
        named = [f"{case} ({why})" if (why := cohort.unknown.get(case)) else case for case in unknown[:5]]
        raise DataError(
            f"{target.source} is not known for {len(unknown)} cases: {', '.join(named)}",
            hint=f"correct the table: {HOW_TO_WRITE}; only cases whose value is unknown belong under data.exclude",
            where=cohort.places.get(unknown[0]),
            code="target.unknown_value",
        )
    cut = target.cuts
    highest = float(value.max(initial=-np.inf))
    if cut and 0 <= highest <= 1 < max(cut.values()):
        raise DataError(
            f"the column {target.source!r} has no value above {highest:g}, and the cut-off is {max(cut.values()):g}: "
            "fractions instead of percent?",
            hint=f"multiply the column {target.source!r} of the table by 100",
            where="target",
            code="target.fractions",
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


def count_mixed_patients(cohort: Cohort, targets: Targets) -> int:
    """Count the patients with cases of both classes, for example at different times."""
    return int((_classes(cohort, targets.y_true == 1) > 1).sum())


def _classes(cohort: Cohort, positive: npt.NDArray[np.bool_]) -> pd.Series[int]:
    """Count the classes of each patient."""
    cases = cohort.cases[["patient_id"]].assign(positive=positive)
    return cases.groupby("patient_id", dropna=False, sort=False)["positive"].nunique()


def _refuse_two_outcomes(cohort: Cohort, positive: npt.NDArray[np.bool_]) -> None:
    classes = _classes(cohort, positive)
    mixed = cohort.cases["patient_id"].isin(classes.index[classes > 1])
    if mixed.any():
        first = cohort.cases.loc[cohort.cases["patient_id"] == cohort.cases.loc[mixed, "patient_id"].iloc[0], "case_id"]
        raise DataError(
            f"{int((classes > 1).sum())} patients have two outcomes, for example the patient of the cases "
            f"{', '.join(map(str, first[:5]))}",
            hint="give all cases of a patient the same outcome, or list the wrong ones under data.exclude",
            where="target.from",
            code="target.two_outcomes",
        )


def _binary(value: npt.NDArray[np.float64], column: str) -> npt.NDArray[np.bool_]:
    if not np.isin(value, (0, 1)).all():
        raise DataError(
            f"the column {column!r} has other values than 0 and 1",
            hint="give target.below, at_or_below, above or at_or_above",
            where="target",
            code="target.not_binary",
        )
    return np.equal(value, 1)
