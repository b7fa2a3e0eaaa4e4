"""Phantom in the layout of CAMUS: NIfTI half cycles of two views, masks, and text files of facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from echokit.errors import DataError
from echokit.phantom.case import PhantomCase, random_stream
from echokit.phantom.directory import Hearts, LayoutWriter, Workers
from echokit.phantom.render import measure, phantom_frames, phantom_masks
from echokit.phantom.scanner import sector_of
from echokit.system.distribution import install_extra
from echokit.system.files import named_file, write_text

VIEWS = ("2CH", "4CH")
QUALITIES = ("Good", "Medium", "Poor")
SHARES = (0.8, 0.1, 0.1)
SUBGROUPS = ("training", "validation", "testing")
FLATNESS = 2  # width over height of a pixel


class CamusWriter(LayoutWriter):
    """Write ``patientNNNN`` folders and ``subgroup_*.txt`` as in CAMUS.

    A folder has ``_2CH`` and ``_4CH`` half sequences, end-diastolic and end-systolic frames and their masks (``_gt``; 1
    cavity, 2 myocardium) in NIfTI, and ``Info_2CH.cfg`` and ``Info_4CH.cfg``. Pixels are twice as wide as high: a
    picture is ``size`` pixels wide and twice as many high, cut from a beat of ``frames`` frames. Some sequences run
    from end-systole to end-diastole, as in CAMUS.
    """

    layout = "camus"
    generator = "echokit.phantom.write_camus"
    statement = (
        "PHANTOM DATA: synthetic half cycles of computed hearts, written in the layout of CAMUS. Both views show "
        "apical four-chamber hearts, and the masks know no left atrium: only the layout is alike. No patient was "
        "examined; results on them say nothing about patients."
    )

    def write_files(self, folder: Path, hearts: Hearts, workers: Workers) -> None:
        """Write the patients and the lists of subgroups."""
        try:
            import nibabel  # noqa: F401
        except ImportError:
            raise DataError("NIfTI files need nibabel", hint=install_extra("camus"), code="library.missing") from None
        tall = replace(hearts, size=FLATNESS * hearts.size)
        workers.map(partial(_write_patient, folder), [tall.sample(index) for index in range(hearts.cases)])
        order = random_stream(hearts.seed, hearts.cases, 8).permutation(hearts.cases)
        cuts = np.round(np.cumsum(SHARES)[:-1] * hearts.cases).astype(int)
        for name, part in zip(SUBGROUPS, np.split(order, cuts), strict=True):
            lines = "".join(f"{_name(int(index))}\n" for index in sorted(part))
            write_text(folder / f"subgroup_{name}.txt", lines)


write_camus = CamusWriter().write


def _name(index: int) -> str:
    return f"patient{index + 1:04}"


def _write_patient(directory: Path, first: PhantomCase) -> None:
    rng = random_stream(first.seed, first.index, 9)
    folder = directory / _name(first.index)
    folder.mkdir()
    facts = {"Sex": "MF"[int(rng.integers(2))], "Age": int(rng.integers(18, 90))}
    quality = QUALITIES[int(rng.choice(3, p=[0.35, 0.46, 0.19]))]
    for number, view in enumerate(VIEWS):
        case = replace(first, index=first.index + (number << 32), tilt=first.tilt + float(rng.normal(0, 0.03)))
        _write_view(folder, view, case, {**facts, "ImageQuality": quality}, backwards=bool(rng.random() < 0.15))


def _write_view(folder: Path, view: str, case: PhantomCase, facts: Mapping[str, Any], *, backwards: bool) -> None:
    masks = phantom_masks(case)
    diastole, systole = _half_cycle(masks.cavity.sum((1, 2)), case)
    first, last = sorted((diastole, systole))
    step = 1 if (diastole < systole) != backwards else -1
    labels = np.where(masks.myocardium, 2, masks.cavity.astype(np.uint8)).astype(np.uint8)
    chosen = slice(first, last + 1)
    # Pixels are twice as wide as high. Frames are averaged, labels are not.
    pictures = _squeezed(phantom_frames(case)[chosen])[::step]
    truth = labels[chosen, :, ::FLATNESS][::step]
    end_diastole = 0 if not backwards else len(pictures) - 1
    end_systole = len(pictures) - 1 - end_diastole
    height = 1 / sector_of(case).scale
    spacing = (FLATNESS * height, height)
    stem = folder / f"{folder.name}_{view}"
    write_nifti(Path(f"{stem}_half_sequence.nii.gz"), pictures, spacing)
    write_nifti(Path(f"{stem}_half_sequence_gt.nii.gz"), truth, spacing)
    for phase, frame in (("ED", end_diastole), ("ES", end_systole)):
        write_nifti(Path(f"{stem}_{phase}.nii.gz"), pictures[frame], spacing)
        write_nifti(Path(f"{stem}_{phase}_gt.nii.gz"), truth[frame], spacing)
    lines = {
        "ED": end_diastole + 1,
        "ES": end_systole + 1,
        "NbFrame": len(pictures),
        **facts,
        "EF": round(measure(case).ef_a4c),
        "FrameRate": f"{case.fps:.1f}",
    }
    text = "".join(f"{key}: {value}\n" for key, value in lines.items())
    write_text(folder / f"Info_{view}.cfg", text)


def _half_cycle(area: npt.NDArray[np.int64], case: PhantomCase) -> tuple[int, int]:
    """Return an end-diastolic and an end-systolic frame of one beat."""
    systole = int(np.argmin(area))
    beat = round(case.fps * 60 / case.heart_rate)
    before = area[max(0, systole - beat // 2) : systole + 1]
    after = area[systole : systole + 3 * beat // 4]
    if len(after) == 0 or before.max() >= after.max():
        return systole + 1 - len(before) + int(np.argmax(before)), systole
    return systole + int(np.argmax(after)), systole


def _squeezed(frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    pairs = frames.reshape(*frames.shape[:2], -1, FLATNESS).astype(np.uint16)
    return np.asarray((pairs.sum(-1) + FLATNESS // 2) // FLATNESS, np.uint8)


def write_nifti(path: Path, pictures: npt.NDArray[np.uint8], spacing: tuple[float, float]) -> None:
    """Write (T, H, W) or (H, W) uint8 as compressed NIfTI, as in CAMUS.

    Args:
        path: Ends in ``.nii.gz``.
        pictures: Frames.
        spacing: Width and height of a pixel in mm.
    """
    import gzip

    import nibabel

    volume = nibabel.Nifti1Image(np.ascontiguousarray(pictures.T), np.diag([*spacing, 1.0, 1.0]))
    zooms = spacing if pictures.ndim == 2 else (*spacing, 1.0)
    volume.header.set_zooms(zooms)
    volume.header.set_xyzt_units("mm")
    with (
        named_file(path),
        path.open("wb") as file,
        gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=4, mtime=0) as packed,
    ):
        packed.write(volume.to_bytes())
