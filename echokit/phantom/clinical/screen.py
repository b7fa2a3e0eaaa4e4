"""Draw a clip as on a scanner's screen: the sector, and around it text, scale, trace and heart rate."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from echokit.phantom.clinical.electrocardiogram import LEAD, electrocardiogram_of
from echokit.phantom.clinical.patients import Patient
from echokit.phantom.clinical.vendors import HEIGHT, LAYOUTS, WIDTH, Colour, Layout, words_of
from echokit.phantom.render import phantom_frames
from echokit.phantom.scanner import FINE, Sector, lay_out

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

Picture = npt.NDArray[np.uint8]
Region = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Screen:
    """A clip on a scanner's screen.

    Attributes:
        frames: (T, 600, 800, 3) uint8 RGB.
        sector: Its geometry.
        regions: (600, 800) bool by name: ``text``, ``scale``, ``ecg`` and ``number``, the pixels lit by each in any
            frame, and ``panel``, the coloured boxes.
    """

    frames: Picture
    sector: Sector
    regions: dict[str, Region]


def sector_on_screen(patient: Patient, clip: int) -> Sector:
    """Lay out the sector of a clip on its vendor's screen."""
    case, layout = patient.clips[clip], LAYOUTS[patient.vendor]
    scale = (layout.bottom - layout.tip[1]) / case.depth
    return lay_out(case, FINE, HEIGHT, WIDTH, scale, *layout.tip)


def draw_screen(patient: Patient, clip: int) -> Screen:
    """Draw one clip.

    Args:
        patient: From ``sample_patients``.
        clip: Number of the clip.
    """
    case, layout = patient.clips[clip], LAYOUTS[patient.vendor]
    sector = sector_on_screen(patient, clip)
    still, regions = _still(patient, clip, sector)
    frames = np.empty((case.frames, HEIGHT, WIDTH, 3), np.uint8)
    inside = sector.inside.astype(bool)
    lookup = np.round(np.arange(256)[:, None] * np.array(layout.tint) / 255).astype(np.uint8)
    for index, grey in enumerate(phantom_frames(case, sector)):
        frames[index] = np.where(inside[..., None], lookup[grey], still)
    regions["ecg"], regions["number"] = _draw_moving(frames, patient, clip)
    for region in regions.values():
        region &= ~inside
    return Screen(frames, sector, regions)


def _still(patient: Patient, clip: int, sector: Sector) -> tuple[Picture, dict[str, Region]]:
    """Draw everything static; return the picture and the mask of each kind."""
    from PIL import Image
    from PIL.ImageDraw import Draw

    layout, case = LAYOUTS[patient.vendor], patient.clips[clip]
    picture = Image.new("RGB", (WIDTH, HEIGHT))
    draw = Draw(picture)
    draw.fontmode = "L" if layout.smooth else "1"
    regions, before = {}, np.asarray(picture).copy()

    def drawn(name: str) -> None:
        nonlocal before
        after = np.asarray(picture).copy()
        regions[name] = (after != before).any(-1)
        before = after

    for box, colour in layout.panels:
        draw.rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill=colour)
    drawn("panel")
    for x, y, words, minor in words_of(patient, clip):
        draw.text((x, y), words, fill=layout.dim if minor else layout.ink, font=_font(layout.font))
    # The vendor's mark beside the tip shows which side of the probe is left on the screen.
    x, y = layout.tip
    draw.text((x + 22, y - 14), "V" if layout.smooth else "P", fill=layout.trace_ink, font=_font(layout.font + 3))
    drawn("text")
    x0, y0, x1, y1 = layout.grey_bar
    for row in range(y0, y1):
        level = round(239 * (y1 - 1 - row) / (y1 - 1 - y0))
        draw.line((x0, row, x1 - 1, row), fill=(level, level, level))
    for centimetre in range(int(case.depth / 10) + 1):
        row, fifth = round(sector.tip_y + 10 * centimetre * sector.scale), centimetre % 5 == 0
        _mark(draw, layout, row, fifth)
        if fifth and centimetre:
            draw.text((layout.ruler + 8, row - 8), str(centimetre), fill=layout.dim, font=_font(layout.font - 2))
    drawn("scale")
    return before, regions


def _mark(draw: ImageDraw, layout: Layout, row: int, fifth: bool) -> None:
    """Mark one centimetre on the depth scale."""
    if layout.ruler_style == "dots":
        reach = 2 if fifth else 1
        draw.rectangle((layout.ruler - reach, row - reach, layout.ruler + reach - 1, row + reach - 1), fill=layout.dim)
    else:
        draw.line((layout.ruler - (7 if fifth else 3), row, layout.ruler + 2, row), fill=layout.dim)


def _draw_moving(frames: Picture, patient: Patient, clip: int) -> tuple[Region, Region]:
    """Draw trace and heart rate into all frames; return the mask of each."""
    import cv2

    case, layout = patient.clips[clip], LAYOUTS[patient.vendor]
    heart = electrocardiogram_of(case)
    x0, y0, x1, y1 = layout.trace
    height = y1 - y0
    lines = cv2.LINE_AA if layout.smooth else cv2.LINE_8
    traced, numbered = np.zeros((HEIGHT, WIDTH), bool), np.zeros((HEIGHT, WIDTH), bool)
    for index, frame in enumerate(frames):
        time = index / case.fps
        strip = np.ascontiguousarray(frame[y0:y1, x0:x1])
        for path in heart.paths(time, x1 - x0, layout.style, layout.seconds):
            rows = (0.80 - 0.68 * path[:, 1]) * height
            points = np.round(np.stack([path[:, 0], rows], -1) * 16).astype(np.int32)
            cv2.polylines(strip, [points], False, layout.trace_ink, 1, lines, 4)
        if layout.style == "marker":
            column = round((time + LEAD) / layout.seconds * (x1 - x0 - 1))
            cv2.line(strip, (column, 2), (column, height - 3), layout.ink, 1)
        traced[y0:y1, x0:x1] |= (strip != frame[y0:y1, x0:x1]).any(-1)
        frame[y0:y1, x0:x1] = strip
        words = f"{layout.rate_words[0]}{heart.rate(time)}{layout.rate_words[1]}"
        letters = _letters(words, layout.font + 2, layout.trace_ink, layout.smooth)
        x, y = layout.rate
        patch = frame[y : y + letters.shape[0], x : x + letters.shape[1]]
        letters = letters[: patch.shape[0], : patch.shape[1]]
        lit = letters.any(-1)
        patch[lit] = letters[lit]
        numbered[y : y + lit.shape[0], x : x + lit.shape[1]] |= lit
    return traced, numbered


@cache
def _font(size: int) -> FreeTypeFont:
    """Load a plain sans serif, from the files of matplotlib."""
    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), size)


@cache
def _letters(words: str, size: int, colour: Colour, smooth: bool) -> Picture:
    """Draw words on black: (h, w, 3) uint8 RGB."""
    from PIL import Image
    from PIL.ImageDraw import Draw

    picture = Image.new("RGB", (12 * len(words) + 8, size + 8))
    draw = Draw(picture)
    draw.fontmode = "L" if smooth else "1"
    draw.text((0, 0), words, fill=colour, font=_font(size))
    return np.asarray(picture, np.uint8)
