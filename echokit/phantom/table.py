"""The phantom as any hospital might have it: a table, and videos of every kind below it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from echokit.phantom.cases import EjectionFractions, PhantomCase, random_stream, sample_case
from echokit.phantom.dicom import write_grey_dicom
from echokit.phantom.directory import check_arguments, new_directory, write_all, write_csv
from echokit.phantom.encode import write_mjpeg
from echokit.phantom.render import measure, phantom_frames

GENERATOR_VERSION = 1
STATEMENT = (
    "PHANTOM DATA: synthetic videos of computed hearts under invented names, as a hospital's table lists them. "
    "No patient was examined; results on them say nothing about patients."
)
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


def write_table(
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
    """Write a phantom for the dataset ``table``: the same bytes for the same arguments.

    ``directory`` gets ``cases.csv`` (UTF-8 with a byte order mark, as spreadsheets write it) and, in folders that name
    the patients, AVI, MP4 and DICOM files, DICOM series whose file names are in another order than their frames, and
    folders of frames (``frame_9.png``, ``frame_10.png``). Its columns: ``target`` is 1 for an ejection fraction below
    50; ``days`` and ``died`` give an outcome, with some patients lost to follow-up early; every third patient has two
    videos, in one split.

    Args:
        directory: Where to write; must not exist, or be empty.
        cases: Number of videos.
        seed: Seed, at least 0.
        ef: Distribution of the ejection fraction.
        size: Height and width in pixels, even, at least 32.
        frames: Smallest and largest number of frames; None for 52 to 80.
        advance: Called with 1 after each finished video.
        workers: Processes; None for one a core.

    Raises:
        DataError: An argument is out of range, or ``directory`` exists and is not empty.
    """
    check_arguments(cases=cases, seed=seed, ef=ef, size=size, frames=frames, workers=workers)
    marker = {
        "statement": STATEMENT,
        "generator": "echokit.phantom.table",
        "generator_version": GENERATOR_VERSION,
        "layout": "table",
        "seed": seed,
        "cases": cases,
        "ef": ef,
        "size": size,
    }
    with new_directory(directory, marker) as unfinished:
        videos = _videos(seed, cases, lambda index: sample_case(seed, index, ef=ef, size=size, frames=frames))
        rows = []
        for video, found in zip(videos, write_all(partial(_write_video, unfinished), videos, workers), strict=True):
            rows.append((video.source, int(found < REDUCED), video.patient, *_facts(seed, video, found)))
            if advance is not None:
                advance(1)
        write_csv(unfinished / TABLE, COLUMNS, rows)
        text = (unfinished / TABLE).read_text(encoding="utf-8")
        (unfinished / TABLE).write_text(text, encoding="utf-8-sig", newline="\r\n")


def _videos(seed: int, cases: int, sample: Callable[[int], PhantomCase]) -> list[_Video]:
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
    from echokit.video.writing import write_video

    path = directory / video.source
    path.parent.mkdir(parents=True, exist_ok=True)
    frames, fps = phantom_frames(video.case), video.case.fps
    if video.kind == "AVI":
        write_mjpeg(path, frames, fps)
    elif video.kind == "MP4":
        write_video(path, frames, fps)
    elif video.kind == "DICOM":
        write_grey_dicom(path, frames, fps=fps, patient=video.patient, series=video.source)
    elif video.kind == "series":
        path.mkdir()
        for number, frame in enumerate(frames, start=1):
            file = path / f"IM{len(frames) - number:04}"
            write_grey_dicom(file, frame[None], fps=fps, patient=video.patient, series=video.source, instance=number)
    else:
        import cv2

        path.mkdir()
        for number, frame in enumerate(frames, start=1):
            (path / f"frame_{number}.png").write_bytes(np.asarray(cv2.imencode(".png", frame)[1]).tobytes())
    return measure(video.case).ef_a4c


def _facts(seed: int, video: _Video, ef: float) -> tuple[str, int, str, str, int, int]:
    """Split, age, sex, EF and outcome of a patient: death is likelier the weaker the heart, and chance has its part."""
    number = int(video.patient.removeprefix("MRN-")) - 7000
    rng = random_stream(seed, number, 10)
    died = bool(rng.random() < 0.15 + 0.3 * (ef < REDUCED))
    lost = bool(rng.random() < 0.1)
    days = int(rng.integers(20, 365)) if died or lost else int(rng.integers(365, 1200))
    return SPLITS[number % 5], int(rng.integers(30, 92)), "MF"[int(rng.integers(2))], f"{ef:.1f}", days, int(died)
