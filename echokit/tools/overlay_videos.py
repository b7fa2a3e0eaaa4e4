"""Overlay videos: the input of a model with its score, for a person to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from echokit.data.clips.prepare_video import Step, prepare_video
from echokit.data.video.write import USUAL_FPS, write_video
from echokit.errors import EchokitError, VideoError
from echokit.pipeline.inference.score_videos import Scores
from echokit.system.progress import display

HEAD = 20  # pixels of a line of text above the picture
LEAST_WIDTH = 400


def write_overlays(folder: Path, scores: Scores) -> None:
    """Write ``CASE.mp4`` for each scored video; the display shows what fails.

    Raises:
        EchokitError: The folder cannot be written.
    """
    predictor = scores.predictor
    with display().task("Writing overlays", len(scores.rows)) as advance:
        for row, source in zip(scores.rows, scores.files, strict=True):
            advance(1)
            if row.score is None:
                continue
            words = f"{row.case_id}: {row.score:.3f}, {predictor.class_of(row)}"
            lines = [words, *(f"! {flag}" for flag in row.flags)]
            try:
                write_overlay(folder / f"{row.case_id}.mp4", source, predictor.steps, lines, predictor.stamp)
            except VideoError as error:
                display().show_message(f"no overlay for {row.case_id}: {error.message}")


def write_overlay(path: Path, source: Path, steps: Sequence[Step], lines: Sequence[str], stamp: str | None) -> None:
    """Write a video with what a mask removed dimmed, its line, and words above it.

    What lies outside the fan is black: there stand the names and dates of patients.

    Args:
        path: Ends in ``.avi`` or ``.mp4``; overwritten.
        source: The video.
        steps: The run's preprocessing; only a mask is drawn, all frames are shown.
        lines: Words above the picture.
        stamp: Words such as PHANTOM DATA above them, or None.

    Raises:
        VideoError: The video cannot be used, or no fan is found in it.
        EchokitError: The folder cannot be written.
    """
    import cv2

    from echokit.data.preprocess.mask_region import INK, PAPER, overlay
    from echokit.data.preprocess.mask_region import STAMP as AMBER
    from echokit.data.preprocess.sector_mask import SectorMask
    from echokit.data.video.read import read_video

    clip = read_video(source)
    fan = SectorMask().region(clip)
    if fan is None:
        raise VideoError(
            "no fan is found in it, and what stands around one may name a patient",
            where=source.name,
            code="overlay.no_sector",
        )
    shown = clip.frames * fan
    _, mask = prepare_video(source, steps)
    height, width = clip.frames.shape[1:]
    region = np.ones((height, width), bool)
    if mask is not None:
        grown = cv2.resize(mask.region.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
        region = grown.astype(bool)
    factor = max(1, -(-LEAST_WIDTH // width))
    words = [(stamp, AMBER)] if stamp else []
    words += [(line, INK) for line in lines]
    head = np.full((HEAD * len(words) + 6, width * factor, 3), PAPER, np.uint8)
    for number, (line, colour) in enumerate(words):
        place = (6, HEAD * (number + 1) - 4)
        cv2.putText(head, line, place, cv2.FONT_HERSHEY_SIMPLEX, 0.42, colour, 1, cv2.LINE_AA)
    pictures = [np.vstack([head, _grown(overlay(frame, region), factor)]) for frame in shown]
    frames = np.stack([_even(picture) for picture in pictures])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EchokitError(
            f"the folder cannot be made: {error.strerror}", where=str(path.parent), code="file.not_writable"
        ) from None
    write_video(path, frames, clip.fps or USUAL_FPS)


def _grown(picture: npt.NDArray[np.uint8], factor: int) -> npt.NDArray[np.uint8]:
    return np.asarray(picture.repeat(factor, axis=0).repeat(factor, axis=1), np.uint8)


def _even(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """H.264 takes even sides only."""
    height, width = picture.shape[:2]
    return picture[: height - height % 2, : width - width % 2]
