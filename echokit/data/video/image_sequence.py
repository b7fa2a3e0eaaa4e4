"""Numbered JPG or PNG files as the frames of one video."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from echokit.data.video.clip import Clip
from echokit.data.video.frame_buffer import MAX_PIXELS, FrameBuffer, frame_too_large
from echokit.data.video.grayscale import Colour, Grey, rgb_to_grey, stored_to_grey
from echokit.errors import VideoError
from echokit.system.files import natural_key

if TYPE_CHECKING:
    from PIL.Image import Image

_MONOCHROME = ("L", "1")
Pixels = Grey | Colour


def read_frames(files: Sequence[Path], *, frames: int | None, max_bytes: int, where: str) -> Clip:
    """Read numbered pictures; colour is weighted by ITU-R BT.601.

    Args:
        files: JPG or PNG files in natural order.
        frames: Read the first ``frames`` only; None reads all.
        max_bytes: Most bytes of grey frames.
        where: Name of the folder, for messages.

    Returns:
        The clip; its frame rate is not known. Pictures that cannot be decoded and gaps in the numbers are noted.

    Raises:
        VideoError: The files are not numbered, a number occurs twice, the sizes differ or are too large, or none can
            be decoded.
    """
    numbers = _numbers(files, where)
    missing = _missing(numbers)
    wanted = files[:frames]
    grey = FrameBuffer(len(wanted), max_bytes, where)
    failed = 0
    for path in wanted:
        image = _decode(path, _grey)
        if image is None:
            failed += 1
            continue
        grey.add(image)
    if not grey:
        raise VideoError(
            f"none of the {len(wanted)} frames can be decoded",
            hint="copy them again",
            where=where,
            code="video.no_frames",
        )
    notes = []
    if failed:
        notes.append(f"left out because corrupt or empty: {failed} frames")
    if missing:
        notes.append(f"numbers that are missing: {missing}")
    return Clip(
        grey.frames(),
        source="folder of frames",
        notes=(*notes, "a folder of frames gives no frame rate"),
        damaged=bool(notes),
    )


def frame_colours(path: Path) -> Colour | None:
    """Return one picture as (1, H, W, 3) uint8 RGB; None if monochrome.

    Also None if it cannot be decoded.
    """
    return _decode(path, _colour)


def _numbers(files: Sequence[Path], where: str) -> list[tuple[int, ...]]:
    """Return the numbers in each name; two files must not claim the same place."""
    numbers = [tuple(int(text) for text in re.findall(r"[0-9]+", path.stem)) for path in files]
    if len(files) > 1 and not all(numbers):
        raise VideoError(
            "the frames are not numbered",
            hint="name them frame_1.png, frame_2.png, ...",
            where=where,
            code="frames.not_numbered",
        )
    places = {natural_key(path.stem)[0] for path in files}
    if len(places) < len(files):
        raise VideoError(
            "two frames have the same number",
            hint="keep one of the two sets of frames",
            where=where,
            code="frames.same_number",
        )
    return numbers


def _missing(numbers: Sequence[tuple[int, ...]]) -> int:
    """Count the gaps in the numbers of the files, if one number counts them."""
    if len(numbers) < 3 or len({len(n) for n in numbers}) > 1:
        return 0
    table = np.array([[float(part) for part in n] for n in numbers])
    counting = np.flatnonzero(np.ptp(table, axis=0) > 0)
    if len(counting) != 1:
        return 0
    steps = np.diff(np.sort(table[:, counting[0]]))
    usual = float(np.median(steps))
    if usual < 1 or (steps % usual).any():
        return 0
    return round(float((steps / usual - 1).sum()))


def _decode(path: Path, take: Callable[[Image], Pixels | None]) -> Pixels | None:
    """Return what is taken from one picture, or None if it cannot be decoded."""
    import PIL.Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with PIL.Image.open(path, formats=["JPEG", "PNG"]) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise frame_too_large(image.width, image.height, path.name)
                return take(image)
    except (OSError, SyntaxError, ValueError, EOFError, MemoryError, PIL.Image.DecompressionBombError):
        return None


def _grey(image: Image) -> Grey:
    """The (H, W) luma."""
    image.draft("L", None)  # of a JPEG without a way through RGB
    if image.mode in _MONOCHROME:
        return np.asarray(image.convert("L"), np.uint8)
    if image.mode.startswith("I"):
        return stored_to_grey(np.asarray(image).astype(np.uint16), 16, signed=False, inverted=False)
    return rgb_to_grey(np.asarray(image.convert("RGB"), np.uint8))


def _colour(image: Image) -> Colour | None:
    """(1, H, W, 3) RGB, or None if there is no colour."""
    if image.mode in _MONOCHROME or image.mode.startswith("I"):
        return None
    return np.asarray(image.convert("RGB"), np.uint8)[None]
