"""Phantom as a hospital table: a CSV file, and videos of every format below it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from echokit.phantom.case import PhantomCase, random_stream
from echokit.phantom.directory import Hearts, LayoutWriter, Workers, write_csv
from echokit.phantom.render import measure, phantom_frames
from echokit.phantom.write_dicom import write_grey_dicom
from echokit.phantom.write_mjpeg import write_mjpeg
from echokit.system.files import named_file

if TYPE_CHECKING:
    from echokit.data.video.clip import Frames

TABLE = "cases.csv"
COLUMNS = ("source", "target", "patient_id", "split", "age", "sex", "ef", "days", "died")
KINDS = ("AVI", "MP4", "DICOM", "series", "frames")
NAMES = ("Abernathy", "Bellweather", "Castellane", "Dunmore", "Everhart", "Fairbrother", "Grimwade", "Hollis")
SPLITS = ("train", "train", "train", "val", "test")
REDUCED = 50.0


@dataclass(frozen=True)
class _Video:
    source: str
    kind: str
    patient: str
    case: PhantomCase


class TableWriter(LayoutWriter):
    """Write a phantom in the layout of the dataset ``table``.

    The table is UTF-8 with a byte order mark, as spreadsheets write it. The videos are AVI, MP4 and DICOM files, DICOM
    series whose file names are in another order than their frames, and folders of frames (``frame_9.png``,
    ``frame_10.png``). ``target`` is 1 for an ejection fraction below 50; ``days`` and ``died`` give an outcome, with
    some patients lost to follow-up early; every third patient has two videos, in one split.
    """

    layout = "table"
    generator = "echokit.phantom.write_table"
    statement = (
        "PHANTOM DATA: synthetic videos of computed hearts under invented names, as a hospital's table lists them. "
        "No patient was examined; results on them say nothing about patients."
    )

    def write_files(self, folder: Path, hearts: Hearts, workers: Workers) -> None:
        """Write videos and the table."""
        videos = _videos(hearts.cases, hearts.sample)
        efs = workers.map(partial(_write_video, folder), videos)
        rows = (
            (video.source, int(ef < REDUCED), video.patient, *_facts(hearts.seed, video, ef))
            for video, ef in zip(videos, efs, strict=True)
        )
        write_csv(folder / TABLE, COLUMNS, rows, spreadsheet=True)


write_table = TableWriter().write


def _videos(cases: int, sample: Callable[[int], PhantomCase]) -> list[_Video]:
    videos: list[_Video] = []
    patient = 0
    while len(videos) < cases:
        name = f"{NAMES[patient % len(NAMES)]}{patient:03}"
        heart = sample(patient)
        for visit in range(2 if patient % 3 == 2 else 1):
            if len(videos) < cases:
                kind = KINDS[len(videos) % len(KINDS)]
                suffix = {"AVI": ".avi", "MP4": ".mp4", "DICOM": ".dcm"}.get(kind, "")
                case = replace(heart, index=heart.index + (visit << 32))
                videos.append(_Video(f"clips/{name}/visit {visit + 1}{suffix}", kind, f"MRN-{7000 + patient}", case))
        patient += 1
    return videos


def _write_video(directory: Path, video: _Video) -> float:
    path = directory / video.source
    path.parent.mkdir(parents=True, exist_ok=True)
    write_frames(
        path, video.kind, phantom_frames(video.case), fps=video.case.fps, patient=video.patient, series=video.source
    )
    return measure(video.case).ef_a4c


def write_frames(path: Path, kind: str, frames: Frames, *, fps: int, patient: str, series: str = "series") -> None:
    """Write grey frames in one of the kinds of this layout.

    Args:
        path: File, or folder for ``series`` and ``frames``.
        kind: One of ``KINDS``.
        frames: (T, H, W) uint8.
        fps: Frames per second.
        patient: Invented PatientID of DICOM.
        series: Name from which the UIDs of DICOM are derived.
    """
    from echokit.data.video.write import write_video

    if kind == "AVI":
        write_mjpeg(path, frames, fps)
    elif kind == "MP4":
        write_video(path, frames, fps)
    elif kind == "DICOM":
        write_grey_dicom(path, frames, fps=fps, patient=patient, series=series)
    elif kind == "series":
        path.mkdir()
        for number, frame in enumerate(frames, start=1):
            file = path / f"IM{len(frames) - number:04}"
            write_grey_dicom(file, frame[None], fps=fps, patient=patient, series=series, instance=number)
    else:
        import cv2

        path.mkdir()
        for number, frame in enumerate(frames, start=1):
            picture = path / f"frame_{number}.png"
            with named_file(picture):
                picture.write_bytes(np.asarray(cv2.imencode(".png", frame)[1]).tobytes())


def _facts(seed: int, video: _Video, ef: float) -> tuple[str, int, str, str, int, int]:
    """Draw split, age, sex, EF and outcome; a reduced EF raises the risk."""
    number = int(video.patient.removeprefix("MRN-")) - 7000
    rng = random_stream(seed, number, 10)
    died = bool(rng.random() < 0.15 + 0.3 * (ef < REDUCED))
    lost = bool(rng.random() < 0.1)
    days = int(rng.integers(20, 365)) if died or lost else int(rng.integers(365, 1200))
    return SPLITS[number % 5], int(rng.integers(30, 92)), "MF"[int(rng.integers(2))], f"{ef:.1f}", days, int(died)
