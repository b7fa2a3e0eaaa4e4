"""Phantom in the exact layout of EchoNet-Dynamic."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from echokit.phantom.case import PhantomCase, random_stream
from echokit.phantom.directory import Hearts, LayoutWriter, Workers, case_columns, decimals, write_csv, write_records
from echokit.phantom.render import Measurements, measure, phantom_frames
from echokit.phantom.write_mjpeg import write_mjpeg

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


class EchonetDynamicWriter(LayoutWriter):
    """Write a phantom in the layout of EchoNet-Dynamic.

    ``PhantomTruth.csv`` adds everything known about each case. Case i is the same for every number of cases, apart from
    its split. Videos are shorter than EchoNet's (52 to 80 frames; there the median is 171) and slower (25 to 50
    frames/s; there mostly 50), so that most show a whole beat in 38 frames.
    """

    layout = "echonet_dynamic"
    generator = "echokit.phantom"
    statement = (
        "PHANTOM DATA: synthetic videos of computed hearts, written in the layout of EchoNet-Dynamic. "
        "No patient was examined; results on them say nothing about patients."
    )

    def facts(self, hearts: Hearts) -> dict[str, Any]:
        """Return the range of frame counts."""
        return {"frames": list(hearts.frames) if hearts.frames else None}

    def write_files(self, folder: Path, hearts: Hearts, workers: Workers) -> None:
        """Write videos and tables."""
        (folder / "Videos").mkdir()
        cases = [hearts.sample(index) for index in range(hearts.cases)]
        pairs = list(zip(cases, workers.map(partial(_write_video, folder / "Videos"), cases), strict=True))
        splits = assign_splits([measured.ef_a4c for _, measured in pairs], hearts.seed)
        file_list = (
            (
                case.name,
                *decimals(measured.ef_a4c, measured.esv, measured.edv),
                *(case.size, case.size, case.fps, case.frames, split),
            )
            for (case, measured), split in zip(pairs, splits, strict=True)
        )
        tracings = (
            (f"{case.name}.avi", *decimals(*line), tracing.frame)
            for case, measured in pairs
            # Either phase may come first, as in EchoNet: a reader has to find out by the area.
            for tracing in (measured.end_diastole, measured.end_systole)[:: 1 if int(case.name, 16) % 2 else -1]
            for line in tracing.lines.tolist()
        )
        write_csv(folder / "FileList.csv", FILE_LIST_COLUMNS, file_list)
        write_csv(folder / "VolumeTracings.csv", TRACING_COLUMNS, tracings)
        write_records(folder / "PhantomTruth.csv", [_truth(case, measured) for case, measured in pairs])


write_phantom = EchonetDynamicWriter().write


def assign_splits(efs: list[float], seed: int) -> list[str]:
    """Split cases into TRAIN, VAL and TEST, stratified by reduced ejection fraction.

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


def _truth(case: PhantomCase, measured: Measurements) -> dict[str, Any]:
    """Return everything known about a case: truth and all drawn numbers."""
    ef_a4c, ef_3d, foreshortening = decimals(measured.ef_a4c, measured.ef_3d, measured.foreshortening)
    return {
        "FileName": case.name,
        "EF_3d": ef_3d,
        "EF_a4c": ef_a4c,
        "ED_frame": measured.end_diastole.frame,
        "ES_frame": measured.end_systole.frame,
        "foreshortening": foreshortening,
        **case_columns(case),
    }
