"""What one mask does to one clip."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from echokit.data.preprocess.mask_region import check_mask, mask_region
from echokit.data.preprocess.sector_mask import SectorMask
from echokit.data.video.clip import Clip
from echokit.errors import EchokitError
from echokit.tools.mask_audit.subjects import Subject, Truth

Area = npt.NDArray[np.bool_]
Masking = Callable[[Clip], Clip]
SILHOUETTE = 16
"""Height and width of the silhouette from which the outcome is guessed."""


@dataclass(frozen=True)
class Measures:
    """What one mask did to one clip; shares from 0 to 1, None if not known the truth.

    Only pixels that are not black throughout count, because nothing shows whether a mask keeps black.

    Attributes:
        case_id, method: Which clip, which mask.
        passed: The mask left the clip unchanged, with a note.
        ventricle, myocardium, moving: Share that is kept of the ventricle's cavity, its wall, and tissue that moves.
        sector: Share that is kept of the fan (the true one, or the one found by its flicker).
        outside: Pixels that are kept, not black and outside the fan, as a share of the fan.
        screen: Largest share that is kept of text, scale, ECG trace and number.
        stability: Mean overlap (intersection over union) of the masks of the first, middle and last half of the clip.
        area: Share of the picture that is kept.
        silhouette: (16 * 16,) float32 what is kept, shrunk.
    """

    case_id: str
    method: str
    passed: bool
    ventricle: float | None
    myocardium: float | None
    moving: float | None
    sector: float | None
    outside: float | None
    screen: float | None
    stability: float | None
    area: float
    silhouette: npt.NDArray[np.float32]


def measure(subject: Subject, clip: Clip, method: str, mask: Masking) -> tuple[Measures, Area]:
    """Apply a mask to a clip and compare with what is known.

    Returns:
        The measures, and the (H, W) bool region that is kept.

    Raises:
        EchokitError: The mask does more than masking.
    """
    import cv2

    plain = replace(clip, notes=())
    after = mask(plain)
    try:
        check_mask(clip.frames, after.frames)
    except EchokitError as error:
        raise EchokitError(
            f"{method} is not a valid mask: {error.message}", hint=error.hint, code="mask.not_a_mask"
        ) from None
    lit = np.asarray(clip.frames.any(axis=0), bool)
    region = mask_region(clip.frames, after.frames)
    truth = subject.truth((clip.frames.shape[1], clip.frames.shape[2]))
    fan = truth.sector if truth.sector is not None else SectorMask().region(clip)
    seen = region & lit
    shrunk = cv2.resize(seen.astype(np.float32), (SILHOUETTE, SILHOUETTE), interpolation=cv2.INTER_AREA)
    outside = None if fan is None else float((seen & ~fan).sum() / fan.sum())
    measures = Measures(
        case_id=subject.case_id,
        method=method,
        passed=bool(after.notes) and bool(region.all()),
        ventricle=_kept(truth.ventricle, region, lit),
        myocardium=_kept(truth.myocardium, region, lit),
        moving=_kept(truth.moving, region, lit),
        sector=_kept(fan, region, lit),
        outside=outside,
        screen=_most(truth, region, lit),
        stability=_stability(plain, mask, lit),
        area=float(seen.mean()),
        silhouette=np.asarray(shrunk, np.float32).reshape(-1),
    )
    return measures, region


def _kept(part: Area | None, region: Area, lit: Area) -> float | None:
    if part is None or not (part & lit).any():
        return None
    return float((part & lit & region).sum() / (part & lit).sum())


def _most(truth: Truth, region: Area, lit: Area) -> float | None:
    shares = [share for part in truth.screen.values() if (share := _kept(part, region, lit)) is not None]
    return max(shares, default=None)


def _stability(clip: Clip, mask: Masking, lit: Area) -> float | None:
    """Overlap of what is kept of three halves of the clip."""
    half = len(clip) // 2
    if half < 2:
        return None
    regions = []
    for start in (0, (len(clip) - half) // 2, len(clip) - half):
        part = replace(clip, frames=clip.frames[start : start + half], times=None)
        regions.append(mask_region(part.frames, mask(part).frames) & lit)
    return float(np.mean([_overlap(a, b) for a, b in _pairs(regions)]))


def _pairs(regions: list[Area]) -> Iterator[tuple[Area, Area]]:
    for number, first in enumerate(regions):
        for second in regions[number + 1 :]:
            yield first, second


def _overlap(first: Area, second: Area) -> float:
    union = int((first | second).sum())
    return float((first & second).sum() / union) if union else 1.0
