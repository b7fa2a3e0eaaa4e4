"""Survey: the tables of a dataset, read without refusing anything that can be reported."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from echokit.tools.dataset_check.finding import Finding

if TYPE_CHECKING:
    import pandas as pd

REDUCED = 50.0


@dataclass(frozen=True)
class Listed:
    """A video that a table lists.

    Attributes:
        case_id, patient_id: As the dataset's cohort calls them.
        split: As in the table, lower case; empty if there is none.
        source: Place of the video.
        values: Numbers that the table gives, by name: ef, esv, edv, fps, frames, height, width, age and so on; NaN
            where a cell is empty or no number.
        target: What is learned; NaN if not known.
        why: Why the target is not known.
    """

    case_id: str
    patient_id: str
    split: str
    source: Path
    values: Mapping[str, float]
    target: float
    why: str = ""

    def value(self, name: str) -> float:
        """A number of the table, or NaN."""
        return self.values.get(name, math.nan)


@dataclass(frozen=True)
class Survey:
    """A dataset as its tables tell it.

    Attributes:
        layout: Name of the layout.
        phantom: Whether it is synthetic.
        listed: Its videos, each case once.
        findings: What was found in reading the tables.
        tracings: Table of traced points by ``case_id`` and ``frame`` (text), with ``x`` and ``y`` (NaN if no number)
            and ``ends`` (how many points a row gives); None if the layout or the directory has none.
        whole_beats: Whether a video should show a whole beat.
        splits: The names that a split may have; empty for any.
    """

    layout: str
    phantom: bool
    listed: tuple[Listed, ...]
    findings: tuple[Finding, ...]
    tracings: pd.DataFrame | None = None
    whole_beats: bool = True
    splits: tuple[str, ...] = field(default=())

    def positive(self, one: Listed) -> bool | None:
        """The class of a case: EF below 50, else a target of 1, else None."""
        ef = one.value("ef")
        if math.isfinite(ef) and (math.isnan(one.target) or one.target == ef):
            return ef < REDUCED
        return bool(one.target) if one.target in (0.0, 1.0) else None
