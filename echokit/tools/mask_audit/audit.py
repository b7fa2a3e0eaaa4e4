"""The audit: every mask on every clip, in numbers that can be compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from echokit.data.video.clip import Clip
from echokit.errors import DataError, VideoError
from echokit.system.progress import display
from echokit.tools.mask_audit.leakage import Leak, area_leak, silhouette_leak
from echokit.tools.mask_audit.measures import Masking, Measures, measure
from echokit.tools.mask_audit.subjects import Subject, Subjects

SHARES = ("ventricle", "myocardium", "moving", "sector", "outside", "screen", "stability", "area")
TERTILES = ("low", "middle", "high")

Look = Callable[[Subject, Clip, str, npt.NDArray[np.bool_]], None]


@dataclass(frozen=True)
class Share:
    """A share over the clips for which it is known: mean, worst, and how many."""

    mean: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class MaskSummary:
    """What one mask did to all clips.

    Attributes:
        method: Which mask.
        clips, passed: Clips measured, and those that it let through as they were.
        shares: By measure; a measure without ground truth is absent.
        tertiles: By third of the ejection fraction, the shares ``ventricle``, ``myocardium`` and ``area``.
        area_leak, silhouette_leak: How well the mask alone predicts the outcome.
        share_leak: How well the kept share of the fan predicts it: the area, free of the size of the fan.
    """

    method: str
    clips: int
    passed: int
    shares: Mapping[str, Share]
    tertiles: Mapping[str, Mapping[str, Share]]
    area_leak: Leak
    share_leak: Leak
    silhouette_leak: Leak


@dataclass(frozen=True)
class Audit:
    """Everything an audit found.

    Attributes:
        measures: A row a clip and mask.
        summaries: One a mask, the audited one first.
        failures: Clips that could not be read, with the reason.
        cuts: The two ejection fractions that part the thirds, or None if fewer than three are known.
        positive: What the outcome is.
        phantom: Whether the clips are synthetic.
        sector_known: Whether the true sector of every clip is known, and not what ``sector_mask`` finds.
    """

    measures: tuple[Measures, ...]
    summaries: tuple[MaskSummary, ...]
    failures: tuple[tuple[str, str], ...]
    cuts: tuple[float, float] | None
    positive: str
    phantom: bool
    sector_known: bool


def audit_masks(subjects: Subjects, masks: Mapping[str, Masking], look: Look | None = None) -> Audit:
    """Apply every mask to every clip and compare.

    Args:
        subjects: The clips.
        masks: By name, the audited one first.
        look: Shown every clip with its region, for pictures.

    Raises:
        DataError: No clip can be read.
        EchokitError: A mask does more than masking.
    """
    from echokit.data.video.read import read_video

    rows: list[Measures] = []
    read: list[Subject] = []
    failures = []
    with display().task("Auditing masks", len(subjects.clips)) as advance:
        for subject in subjects.clips:
            try:
                clip = read_video(subject.path)
                for name, mask in masks.items():
                    measures, region = measure(subject, clip, name, mask)
                    rows.append(measures)
                    if look is not None:
                        look(subject, clip, name, region)
                read.append(subject)
            except VideoError as error:
                failures.append((subject.case_id, error.message))
            advance(1)
    if not read:
        raise DataError(
            f"none of {len(subjects.clips)} clips can be read",
            hint=failures[0][1] if failures else None,
            code="audit.no_clip",
        )
    cuts = _cuts(read)
    summaries = tuple(_summary(name, [row for row in rows if row.method == name], read, cuts) for name in masks)
    known = all(subject.masks is not None for subject in read)
    return Audit(tuple(rows), summaries, tuple(failures), cuts, subjects.positive, subjects.phantom, known)


def _cuts(subjects: Sequence[Subject]) -> tuple[float, float] | None:
    efs = [subject.ef for subject in subjects if subject.ef is not None]
    if len(efs) < len(TERTILES):
        return None
    low, high = np.percentile(efs, [100 / 3, 200 / 3])
    return float(low), float(high)


def _summary(
    method: str, rows: Sequence[Measures], subjects: Sequence[Subject], cuts: tuple[float, float] | None
) -> MaskSummary:
    tertiles: dict[str, dict[str, Share]] = {}
    if cuts is not None:
        third = [None if s.ef is None else int(np.searchsorted(cuts, s.ef)) for s in subjects]
        for number, name in enumerate(TERTILES):
            inside = [row for row, place in zip(rows, third, strict=True) if place == number]
            tertiles[name] = _shares(inside, ("ventricle", "myocardium", "area"))
    outcomes: dict[str, list[int]] = {}
    by_patient: dict[str, list[Measures]] = {}
    for subject, row in zip(subjects, rows, strict=True):
        if subject.outcome is not None:
            outcomes.setdefault(subject.patient_id, []).append(subject.outcome)
            by_patient.setdefault(subject.patient_id, []).append(row)
    y = np.array([max(values) for values in outcomes.values()], np.int64)
    areas = np.array([np.mean([row.area for row in own]) for own in by_patient.values()], np.float64)
    # A clip without a known fan makes the share of its patient unknown, and an unknown share is left out.
    parts = [[row.sector for row in own] for own in by_patient.values()]
    known = np.array([None not in own for own in parts], bool)
    kept = np.array([np.mean([share or 0.0 for share in own]) for own in parts], np.float64)
    outlines = [np.mean([row.silhouette for row in own], axis=0) for own in by_patient.values()]
    return MaskSummary(
        method=method,
        clips=len(rows),
        passed=sum(row.passed for row in rows),
        shares=_shares(rows, SHARES),
        tertiles=tertiles,
        area_leak=area_leak(y, areas),
        share_leak=area_leak(y[known], kept[known]),
        silhouette_leak=silhouette_leak(y, np.array(outlines, np.float32)),
    )


def _shares(rows: Sequence[Measures], names: Sequence[str]) -> dict[str, Share]:
    shares = {}
    for name in names:
        known: list[Any] = [value for row in rows if (value := getattr(row, name)) is not None]
        if known:
            shares[name] = Share(float(np.mean(known)), float(min(known)), float(max(known)), len(known))
    return shares
