"""Ground truth of clips of the clinical phantom, for judging masks."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from echokit.errors import DataError
from echokit.phantom.anatomy import TISSUE_GRID, draw_anatomy
from echokit.phantom.beat import beats_of
from echokit.phantom.case import PhantomCase, random_stream
from echokit.phantom.clinical.screen import Screen
from echokit.phantom.motion import pose_of, to_diastole
from echokit.phantom.render import phantom_masks
from echokit.phantom.scanner import Sector, as_float32, look_up, receiver_of
from echokit.system.files import named_file

Region = npt.NDArray[np.bool_]
_BLOOD = -42.0  # dB; darker is blood
_STILL = ("sector", "tissue", "text", "scale", "ecg", "number", "panel")


@dataclass(frozen=True, slots=True)
class ClipTruth:
    """Ground truth of one clip, in the pixels of its frames.

    Attributes:
        sector: (H, W) bool, inside the ultrasound sector.
        ventricle, myocardium: (T, H, W) bool, the left ventricle's cavity and its wall in each frame.
        tissue: (H, W) bool, tissue rather than blood at end-systole.
        motion: (H, W) float16, mm by which the content at end-systole has moved since end-diastole by contraction
            alone, not by breathing, hand or the swing of the whole heart; 0 outside the sector.
        text, scale, ecg, number: (H, W) bool, lit by it in any frame.
        panel: (H, W) bool, the coloured boxes behind text.
    """

    sector: Region
    ventricle: Region
    myocardium: Region
    tissue: Region
    motion: npt.NDArray[np.float16]
    text: Region
    scale: Region
    ecg: Region
    number: Region
    panel: Region


def truth_of(case: PhantomCase, screen: Screen) -> ClipTruth:
    """Compute the ground truth of a clip from its geometry."""
    sector = screen.sector
    masks = phantom_masks(case, sector)
    inside = sector.inside.astype(bool)
    tissue, motion = _tissue(case, sector)
    return ClipTruth(
        sector=inside,
        ventricle=masks.cavity,
        myocardium=masks.myocardium,
        tissue=tissue & inside,
        motion=np.where(inside, motion, 0).astype(np.float16),
        **screen.regions,
    )


def _tissue(case: PhantomCase, sector: Sector) -> tuple[Region, npt.NDArray[np.float64]]:
    """Return the end-systolic tissue, and how far each pixel moved in mm."""
    beats = beats_of(case)
    systole = int(beats.contraction.argmax())
    columns, rows = np.meshgrid(np.arange(sector.width), np.arange(sector.height))
    place = np.stack([columns - sector.tip_x, rows - sector.tip_y], -1) / sector.scale
    affine = pose_of(case, beats).to_heart(systole)
    x, y = np.moveaxis(place @ affine[:, :2].T + affine[:, 2], -1, 0)
    x0, y0 = to_diastole(case, x, y, float(np.clip(beats.contraction[systole], 0, 1)))
    nodes = np.stack([(x0 - TISSUE_GRID.x) / TISSUE_GRID.step, (y0 - TISSUE_GRID.y) / TISSUE_GRID.step], -1)
    rng = random_stream(case.seed, case.index, 2)
    receiver_of(case, sector, rng)  # draws before the anatomy does, as in ``phantom_frames``
    level = look_up(draw_anatomy(case, rng), as_float32(nodes))
    return level > _BLOOD, np.hypot(x0 - x, y0 - y)


def write_truth(path: Path, truth: ClipTruth) -> None:
    """Write a ground truth as ``.npz``, and a picture of it as ``.png``."""
    import cv2

    stacks = {name: getattr(truth, name) for name in (*_STILL, "motion", "ventricle", "myocardium")}
    packed = io.BytesIO()  # numpy says of a full disk only how much it wrote
    np.savez_compressed(packed, **stacks)
    with named_file(path):
        path.write_bytes(packed.getbuffer())
    colours = {
        "sector": (60, 60, 60), "panel": (40, 30, 20), "myocardium": (60, 110, 200), "ventricle": (60, 60, 230),
        "text": (230, 230, 230), "scale": (230, 200, 90), "ecg": (90, 230, 110), "number": (230, 90, 230),
    }  # fmt: skip
    picture = np.zeros((*truth.sector.shape, 3), np.uint8)
    for name, colour in colours.items():
        region = getattr(truth, name)
        picture[region[0] if region.ndim == 3 else region] = colour
    _, coded = cv2.imencode(".png", picture)
    with named_file(path.with_suffix(".png")):
        path.with_suffix(".png").write_bytes(coded.tobytes())


def read_truth(path: str | Path) -> ClipTruth:
    """Read a file written by ``write_truth``.

    Raises:
        DataError: The file does not exist, or is no such file.
    """
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            return ClipTruth(**{name: file[name] for name in ClipTruth.__dataclass_fields__})
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            "this is not the ground truth of a phantom clip", where=path.name, code="phantom.truth_unreadable"
        ) from error
