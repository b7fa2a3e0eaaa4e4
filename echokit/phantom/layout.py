"""The phantom on disk, in the exact layout of EchoNet-Dynamic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from echokit.phantom.cases import EjectionFractions, PhantomCase, random_stream, sample_case
from echokit.phantom.directory import check_arguments, new_directory, write_all, write_csv
from echokit.phantom.encode import write_mjpeg
from echokit.phantom.render import Measurements, measure, phantom_frames

GENERATOR_VERSION = 1
STATEMENT = (
    "PHANTOM DATA: synthetic videos of computed hearts, written in the layout of EchoNet-Dynamic. "
    "No patient was examined; results on them say nothing about patients."
)
FILE_LIST_COLUMNS = (
    "FileName",
    "EF",
    "ESV",
    "EDV",
    "FrameHeight",
    "FrameWidth",
    "FPS",
    "NumberOfFrames",
    "Split",
)
TRACING_COLUMNS = ("FileName", "X1", "Y1", "X2", "Y2", "Frame")
SPLITS = ("TRAIN", "VAL", "TEST")
SMALL_SHARES = (0.6, 0.2, 0.2)
ECHONET_SHARES = (7465 / 10030, 1288 / 10030, 1277 / 10030)
ECHONET_FROM = 1000  # cases from which the splits have EchoNet's proportions
REDUCED = 50.0


def write_phantom(
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
    """Write a phantom data set: the same bytes for the same arguments, whatever the number of workers.

    ``directory`` gets ``FileList.csv``, ``VolumeTracings.csv`` and ``Videos/*.avi`` as in EchoNet-Dynamic, and two
    files more: ``PHANTOM_DATA.json``, which says what this is, and ``PhantomTruth.csv``, all known about each case.
    It appears whole or not at all. Videos are shorter than EchoNet's (52 to 80 frames; there the median is 171)
    and slower (25 to 50 frames/s; there mostly 50), so that most show a whole beat in 38 frames.

    Args:
        directory: Where to write; must not exist, or be empty.
        cases: Number of videos, at least 1. Case i is the same for every number of cases, apart from its split.
        seed: Seed, at least 0.
        ef: Distribution of the ejection fraction: ``realistic`` or ``wide``, see ``sample_ef``.
        size: Height and width in pixels, even, at least 32.
        frames: Smallest and largest number of frames; None for 52 to 80.
        advance: Called with 1 after each finished video.
        workers: Processes; None for one a core. More than one starts processes with ``spawn``, so a script that
            calls this needs the usual ``if __name__ == "__main__"``.

    Raises:
        DataError: An argument is out of range, or ``directory`` exists and is not empty.
    """
    check_arguments(cases=cases, seed=seed, ef=ef, size=size, frames=frames, workers=workers)
    marker = {
        "statement": STATEMENT,
        "generator": "echokit.phantom",
        "generator_version": GENERATOR_VERSION,
        "layout": "echonet_dynamic",
        "seed": seed,
        "cases": cases,
        "ef": ef,
        "size": size,
        "frames": list(frames) if frames else None,
    }
    with new_directory(directory, marker) as unfinished:
        (unfinished / "Videos").mkdir()
        drawn = [sample_case(seed, index, ef=ef, size=size, frames=frames) for index in range(cases)]
        measured = []
        for measurements in write_all(partial(_write_video, unfinished / "Videos"), drawn, workers):
            measured.append(measurements)
            if advance is not None:
                advance(1)
        _write_tables(unfinished, drawn, measured, seed)


def assign_splits(efs: list[float], seed: int) -> list[str]:
    """Divide cases among TRAIN, VAL and TEST, with the same share of reduced ejection fractions in each.

    Args:
        efs: Ejection fraction of each case in %.
        seed: Seed of the draw.

    Returns:
        One of ``SPLITS`` a case. A class of three cases or more is in every split.
    """
    shares = np.array(ECHONET_SHARES if len(efs) >= ECHONET_FROM else SMALL_SHARES)
    rng = random_stream(seed, 0, 3)
    splits = [SPLITS[0]] * len(efs)
    for reduced in (True, False):
        members = rng.permutation([index for index, ef in enumerate(efs) if (ef < REDUCED) == reduced])
        counts = np.floor(shares * len(members)).astype(int)
        if len(members) >= len(SPLITS):
            counts = np.maximum(counts, 1)
        counts[0] = len(members) - counts[1:].sum()
        for split, part in zip(SPLITS, np.split(members, np.cumsum(counts)[:-1]), strict=True):
            for index in part:
                splits[int(index)] = split
    return splits


def _write_video(videos: Path, case: PhantomCase) -> Measurements:
    write_mjpeg(videos / f"{case.name}.avi", phantom_frames(case), case.fps)
    return measure(case)


def _write_tables(directory: Path, drawn: list[PhantomCase], measured: list[Measurements], seed: int) -> None:
    pairs = list(zip(drawn, measured, strict=True))
    splits = assign_splits([one.ef_a4c for one in measured], seed)
    write_csv(
        directory / "FileList.csv",
        FILE_LIST_COLUMNS,
        (
            (
                case.name,
                *_decimals(one.ef_a4c, one.esv, one.edv),
                case.size,
                case.size,
                case.fps,
                case.frames,
                split,
            )
            for (case, one), split in zip(pairs, splits, strict=True)
        ),
    )
    write_csv(
        directory / "VolumeTracings.csv",
        TRACING_COLUMNS,
        (
            (f"{case.name}.avi", *_decimals(*line), tracing.frame)
            for case, one in pairs
            # Either phase may come first, as in EchoNet: a reader has to find out by the area.
            for tracing in (one.end_diastole, one.end_systole)[:: 1 if int(case.name, 16) % 2 else -1]
            for line in tracing.lines.tolist()
        ),
    )
    truths = [_truth(case, one) for case, one in pairs]
    write_csv(directory / "PhantomTruth.csv", tuple(truths[0]), (tuple(truth.values()) for truth in truths))


def _truth(case: PhantomCase, one: Measurements) -> dict[str, Any]:
    """Everything that is known about a case: what it shows, what is true, and every number drawn for it."""
    drawn = {name: value for name, value in asdict(case).items() if name not in ("seed", "index", "size", "ef")}
    flat: dict[str, Any] = {}
    for name, value in drawn.items():
        parts = (
            {f"{name}_{number}": part for number, part in enumerate(value)}
            if isinstance(value, tuple)
            else {name: value}
        )
        flat |= {key: f"{part:.8f}" if isinstance(part, float) else part for key, part in parts.items()}
    ef_a4c, ef_3d, foreshortening = _decimals(one.ef_a4c, one.ef_3d, one.foreshortening)
    return {
        "FileName": case.name,
        "EF_3d": ef_3d,
        "EF_a4c": ef_a4c,
        "ED_frame": one.end_diastole.frame,
        "ES_frame": one.end_systole.frame,
        "foreshortening": foreshortening,
        **flat,
    }


def _decimals(*values: float) -> tuple[str, ...]:
    return tuple(f"{value:.8f}" for value in values)
