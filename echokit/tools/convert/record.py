"""Conversion: the result for one file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

COPY = "a copy of a file that came before"


@dataclass(frozen=True)
class Conversion:
    """Result for one file.

    Attributes:
        case_id, patient_id: Pseudonyms; files that name no patient count as patients of their own.
        status: ``converted``, ``left out`` if it does not belong into the dataset, ``unreadable`` where it may.
        remark: Why, or what was noted on the way.
        damaged: Whether the file lacks frames that it should hold.
        frames, fps: Of the video that was written.
    """

    case_id: str
    patient_id: str
    status: Literal["converted", "left out", "unreadable"]
    remark: str = ""
    damaged: bool = False
    frames: int = 0
    fps: float | None = None
