"""The phantom on disk in the layout of CAMUS: NIfTI half cycles of two views, masks, and a line of text a fact."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from echokit.errors import DataError
from echokit.phantom.cases import EjectionFractions, PhantomCase, random_stream, sample_case
from echokit.phantom.directory import check_arguments, new_directory, write_all
from echokit.phantom.render import measure, phantom_frames, phantom_masks
from echokit.phantom.scanner import sector_of

GENERATOR_VERSION = 1
STATEMENT = (
    "PHANTOM DATA: synthetic half cycles of computed hearts, written in the layout of CAMUS. Both views show apical "
    "four-chamber hearts, and the masks know no left atrium: only the layout is alike. No patient was examined; "
    "results on them say nothing about patients."
)
VIEWS = ("2CH", "4CH")
QUALITIES = ("Good", "Medium", "Poor")
SHARES = (0.8, 0.1, 0.1)
SUBGROUPS = ("training", "validation", "testing")
FLATNESS = 2  # a pixel is this many times as wide as it is high


def write_camus(
    directory: Path,
    *,
    cases: int,
    seed: int = 0,
    ef: EjectionFractions = "realistic",
    size: int = 112,
    frames: tuple[int, int] | None = None,
    advance: Callable[[int], None] | None = None,
    workers: int | None = None,
) -> None:
    """Write a phantom in the layout of CAMUS: the same bytes for the same arguments.

    ``directory`` gets ``patientNNNN`` with ``_2CH`` and ``_4CH`` half sequences, end-diastolic and end-systolic frames
    and their masks (``_gt``; 1 cavity, 2 myocardium) in NIfTI with pixels that are twice as wide as high, and
    ``Info_2CH.cfg`` and ``Info_4CH.cfg``; ``subgroup_training.txt`` and its two sisters; and ``PHANTOM_DATA.json``. Now
    and then a sequence runs from end-systole to end-diastole, as it does there.

    Args:
        directory: Where to write; must not exist, or be empty.
        cases: Number of patients.
        seed: Seed, at least 0.
        ef: Distribution of the ejection fraction.
        size: Width in pixels, even, at least 32; the height is twice that.
        frames: Smallest and largest number of frames of the whole beat that is cut; None for 52 to 80.
        advance: Called with 1 after each finished patient.
        workers: Processes; None for one a core.

    Raises:
        DataError: An argument is out of range, ``directory`` exists and is not empty, or nibabel is not there.
    """
    check_arguments(cases=cases, seed=seed, ef=ef, size=size, frames=frames, workers=workers)
    try:
        import nibabel  # noqa: F401
    except ImportError:
        raise DataError("NIfTI files need nibabel", hint="pip install 'echokit[camus]'") from None
    marker = {
        "statement": STATEMENT,
        "generator": "echokit.phantom.camus",
        "generator_version": GENERATOR_VERSION,
        "layout": "camus",
        "seed": seed,
        "cases": cases,
        "ef": ef,
        "size": size,
    }
    with new_directory(directory, marker) as unfinished:
        drawn = [sample_case(seed, index, ef=ef, size=2 * size, frames=frames) for index in range(cases)]
        for _ in write_all(partial(_write_patient, unfinished), drawn, workers):
            if advance is not None:
                advance(1)
        order = random_stream(seed, cases, 8).permutation(cases)
        cuts = np.round(np.cumsum(SHARES)[:-1] * cases).astype(int)
        for name, part in zip(SUBGROUPS, np.split(order, cuts), strict=True):
            lines = "".join(f"{_name(int(index))}\n" for index in sorted(part))
            (unfinished / f"subgroup_{name}.txt").write_text(lines, encoding="utf-8")


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
    # Squeezed to half its width: pixels twice as wide as high. A mask keeps its labels.
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
    (folder / f"Info_{view}.cfg").write_text(text, encoding="utf-8")


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
    """Write (T, H, W) or (H, W) uint8 as a compressed NIfTI file: x, y and then time, as CAMUS has it.

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
        path.open("wb") as file,
        gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=4, mtime=0) as packed,
    ):
        packed.write(volume.to_bytes())
