"""What the masking step of a run kept: of the picture, and of the heart where its true place is known."""

from __future__ import annotations

import json
import statistics
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from echokit.phantom.cases import PhantomCase, sample_case
from echokit.phantom.render import phantom_masks
from echokit.stamp import MARKER

if TYPE_CHECKING:
    from echokit.pipeline.prepared_cohort import LabelledCohort

MOST = 100  # clips looked at


def region_facts(cohort: LabelledCohort) -> dict[str, float]:
    """Look at the masks of the first hundred clips of a run.

    Args:
        cohort: The cohort of the run; its clips are in the store.

    Returns:
        ``kept``: mean share of what is not black in the middle frame, and ``heart_kept``: mean share of the left
        ventricle with its wall over the clip, on the phantom in the layout of EchoNet-Dynamic only. Empty without a
        masking step.
    """
    from echokit.pipeline.cohort_stage import prepare_clips

    if not any(use.component.mask for use in cohort.recipe.preprocess):
        return {}
    prepared = prepare_clips(cohort)
    rows = range(min(MOST, len(prepared.cases)))
    masks = [(row, mask) for row in rows if (mask := prepared.clips.mask(row)) is not None]
    lit = [mask.thumbnail > 0 for _, mask in masks]
    shares = [float(mask.region[bright].mean()) for (_, mask), bright in zip(masks, lit, strict=True) if bright.any()]
    found = {"kept": statistics.fmean(shares)} if shares else {}
    sources = [Path(prepared.cases["source"].iloc[row]) for row, _ in masks]
    hearts = [_heart(source) for source in sources]
    hearts_kept = [
        float(mask.region[heart].mean())
        for (_, mask), heart in zip(masks, hearts, strict=True)
        if heart is not None and heart.shape == mask.region.shape
    ]
    if hearts_kept:
        found["heart_kept"] = statistics.fmean(hearts_kept)
    return found


def _heart(source: Path) -> npt.NDArray[np.bool_] | None:
    """(H, W): where a phantom's left ventricle is at any time of its clip; None where that is not known."""
    case = _cases(source.parents[1]).get(source.stem)
    if case is None:
        return None
    masks = phantom_masks(case)
    return np.asarray((masks.cavity | masks.myocardium).any(axis=0), bool)


@lru_cache(maxsize=1)
def _cases(root: Path) -> dict[str, PhantomCase]:
    marker = root / MARKER
    if not marker.is_file():
        return {}
    made = json.loads(marker.read_text(encoding="utf-8"))
    if made["layout"] != "echonet_dynamic":
        return {}
    frames = tuple(made["frames"]) if made["frames"] else None
    drawn = (
        sample_case(made["seed"], index, ef=made["ef"], size=made["size"], frames=frames)
        for index in range(made["cases"])
    )
    return {case.name: case for case in drawn}
