"""A study as it comes from a scanner: two clips that belong into a dataset, and all that does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset, dcmread

from echokit.data.video.clip import Frames
from echokit.phantom.case import sample_case
from echokit.phantom.render import phantom_frames
from tests.data.video.make import blobs, write_dicom


def fan_clip(index: int = 0, count: int = 14) -> Frames:
    """A beating heart in its fan, with words beside it: (count, 130, 180) uint8."""
    frames = np.zeros((count, 130, 180), np.uint8)
    frames[:, 10:122, 40:152] = phantom_frames(sample_case(9, index, frames=(count, count)))
    frames[:, 4:10, 4:30:3] = 220
    return frames


def coloured(frames: Frames) -> np.ndarray:
    """The same in RGB, with a box of Doppler colours over the valve."""
    rgb = np.repeat(frames[..., None], 3, axis=3)
    for number, frame in enumerate(rgb):
        frame[70:84, 92:106] = (220, 40, 30) if number % 2 else (30, 60, 230)
    return rgb


def region(kind: int, space: int = 1) -> list[Dataset]:
    """One ultrasound region that fills the picture of ``fan_clip``."""
    item = Dataset()
    item.RegionDataType, item.RegionSpatialFormat = kind, space
    item.RegionLocationMinX0 = item.RegionLocationMinY0 = 0
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = 179, 129
    return [item]


def write_study(folder: Path) -> dict[str, str]:
    """Write a study; return what is to be said about each file that is left out, by its name."""
    folder.mkdir(parents=True)
    clip, rgb = fan_clip(), np.repeat(fan_clip(1)[..., None], 3, axis=3)
    write_dicom(folder / "good", clip, BodyPartExamined="HEART", ImageType=["ORIGINAL", "PRIMARY", "", "0001"])
    (folder / "deeper" / "still").mkdir(parents=True)
    write_dicom(folder / "deeper" / "still" / "good.dcm", rgb, photometric="RGB", SeriesDescription="Echo lv 4ch")
    noise = np.random.default_rng(0).integers(0, 255, clip.shape, np.uint8)
    square = np.zeros_like(clip)
    square[:, 20:110, 30:150] = noise[:, 20:110, 30:150]
    planted: dict[str, tuple[Any, str, dict[str, Any]]] = {
        "one-frame": (clip[:1], "a still picture", {}),
        "frozen": (np.repeat(clip[:1], 14, axis=0), "nothing moves", {}),
        "short": (clip[:6], "too short: 6 frames", {}),
        "doppler-region": (clip, "colour Doppler, by its header", {"SequenceOfUltrasoundRegions": region(2)}),
        "doppler-type": (clip, "colour Doppler, by its header", {"ImageType": ["ORIGINAL", "PRIMARY", "", "0011"]}),
        "doppler-picture": (coloured(clip), "colour Doppler, by its pictures", {"photometric": "RGB"}),
        "spectrum": (clip, "spectral Doppler, by its header", {"SequenceOfUltrasoundRegions": region(3, 3)}),
        "m-mode": (clip, "M-mode, by its header", {"SequenceOfUltrasoundRegions": region(1, 2)}),
        "contrast-agent": (clip, "with contrast agent", {"ContrastBolusAgent": "SonoVue"}),
        "contrast-words": (clip, "with contrast agent", {"SeriesDescription": "LVO 4CH"}),
        "kidney": (clip, "not the heart", {"BodyPartExamined": "KIDNEY"}),
        "abdominal": (clip, "not the heart", {"ImageType": ["ORIGINAL", "PRIMARY", "ABDOMINAL", "0001"]}),
        "carotid": (clip, "not the heart", {"StudyDescription": "Carotid duplex"}),
        "tomography": (clip, "not ultrasound", {"Modality": "CT"}),
        "linear": (square, "no fan: a linear", {}),
        "words": (np.where(blobs(14, 130, 180) > 300, 255, 0).astype(np.uint8), "no fan", {}),
    }
    for name, (pixels, _, extra) in planted.items():
        write_dicom(folder / name, np.ascontiguousarray(pixels), **extra)
    report = dcmread(folder / "one-frame")
    for name in ("PixelData", "Rows", "Columns"):
        delattr(report, name)
    report.Modality = "SR"
    report.save_as(folder / "report")
    (folder / "readme.txt").write_text("notes of the day")
    (folder / "copy").write_bytes((folder / "good").read_bytes())
    return {name: reason for name, (_, reason, _) in planted.items()} | {
        "report": "holds no pictures", "readme.txt": "no video", "good": "a copy",
    }  # fmt: skip
