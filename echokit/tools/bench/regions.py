"""How much of the image, and of the phantom's heart, the mask of a run keeps."""

from __future__ import annotations

import json
import statistics
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from echokit.phantom.case import PhantomCase, sample_case
from echokit.phantom.render import phantom_masks
from echokit.system.phantom_mark import MARKER

if TYPE_CHECKING:
    from echokit.pipeline.prepared_cohort import LabelledCohort

MAX_CLIPS = 100


def region_facts(cohort: LabelledCohort) -> dict[str, float]:
    """Compute the shares of image and heart that masks of 100 clips keep.

    Args:
        cohort: The cohort of the run, whose clips are prepared.


    Returns:
        ``kept``: mean share of the pixels of the middle frame that are not black. ``heart_kept``: mean share of the
        left ventricle and its wall over the clip, only for the phantom in the EchoNet-Dynamic layout. Empty without
        a mask.
    """
    from echokit.pipeline.cohort_stage import prepare_clips

    if not any(use.component.mask for use in cohort.recipe.preprocess):
        return {}
    prepared = prepare_clips(cohort)
    rows = range(min(MAX_CLIPS, len(prepared.cases)))
    masks = [(row, mask) for row in rows if (mask := prepared.clips.mask(row)) is not None]
    bright_areas = [mask.thumbnail > 0 for _, mask in masks]
    shares = [
        float(mask.region[bright].mean()) for (_, mask), bright in zip(masks, bright_areas, strict=True) if bright.any()
    ]
    facts = {"kept": statistics.fmean(shares)} if shares else {}
    sources = [Path(prepared.cases["source"].iloc[row]) for row, _ in masks]
    hearts = [_heart(source) for source in sources]
    hearts_kept = [
        float(mask.region[heart].mean())
        for (_, mask), heart in zip(masks, hearts, strict=True)
        if heart is not None and heart.shape == mask.region.shape
    ]
    if hearts_kept:
        facts["heart_kept"] = statistics.fmean(hearts_kept)
    return facts


def _heart(source: Path) -> npt.NDArray[np.bool_] | None:
    """Return the (H, W) area of a phantom's left ventricle, or None."""
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
    settings = json.loads(marker.read_text(encoding="utf-8"))
    if settings["layout"] != "echonet_dynamic":
        return {}
    frames = tuple(settings["frames"]) if settings["frames"] else None
    drawn = (
        sample_case(settings["seed"], index, ef=settings["ef"], size=settings["size"], frames=frames)
        for index in range(settings["cases"])
    )
    return {case.name: case for case in drawn}
