"""The phantom on disk in the layout of EchoNet-Pediatric: folds, several videos a patient, contours."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from echokit.phantom.cases import EjectionFractions, PhantomCase, random_stream, sample_case
from echokit.phantom.directory import check_arguments, new_directory, write_all, write_csv
from echokit.phantom.encode import write_mjpeg
from echokit.phantom.render import Measurements, Tracing, measure, phantom_frames

GENERATOR_VERSION = 1
STATEMENT = (
    "PHANTOM DATA: synthetic videos of computed hearts, written in the layout of EchoNet-Pediatric. Both views show "
    "apical four-chamber hearts of adult size: only the layout is alike. No patient was examined; results on them say "
    "nothing about patients."
)
VIEWS = ("A4C", "PSAX")
FILE_LIST_COLUMNS = ("FileName", "EF", "Sex", "Age", "Weight", "Height", "Split")
TRACING_COLUMNS = ("FileName", "X", "Y", "Frame")
FOLDS = 10
UNTRACED = 0.06  # share of the videos of which one phase could not be traced


@dataclass(frozen=True)
class _Video:
    name: str
    view: str
    patient: int
    case: PhantomCase


def write_pediatric(
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
    """Write a phantom in the layout of EchoNet-Pediatric: the same bytes for the same arguments.

    ``directory`` gets ``A4C`` and ``PSAX``, each with ``FileList.csv`` (file names with ``.avi``, of the form
    patient-accession-instance; folds 0 to 9), ``VolumeTracings.csv`` (contours; a phase that could not be traced says
    ``No Systolic`` or ``No Diastolic``) and ``Videos``; and ``PHANTOM_DATA.json``. It appears whole or not at all.

    Args:
        directory: Where to write; must not exist, or be empty.
        cases: Number of patients; each has one to three videos of the first view and up to two of the second.
        seed: Seed, at least 0.
        ef: Distribution of the ejection fraction.
        size: Height and width in pixels, even, at least 32.
        frames: Smallest and largest number of frames; None for 52 to 80.
        advance: Called with 1 after each finished patient.
        workers: Processes; None for one a core.

    Raises:
        DataError: An argument is out of range, or ``directory`` exists and is not empty.
    """
    check_arguments(cases=cases, seed=seed, ef=ef, size=size, frames=frames, workers=workers)
    marker = {
        "statement": STATEMENT,
        "generator": "echokit.phantom.pediatric",
        "generator_version": GENERATOR_VERSION,
        "layout": "echonet_pediatric",
        "seed": seed,
        "cases": cases,
        "ef": ef,
        "size": size,
    }
    with new_directory(directory, marker) as unfinished:
        for view in VIEWS:
            (unfinished / view / "Videos").mkdir(parents=True)
        videos = [
            video
            for patient in range(cases)
            for video in _videos_of(patient, sample_case(seed, patient, ef=ef, size=size, frames=frames))
        ]
        measured = []
        told = 0
        for measurements in write_all(partial(_write_video, unfinished), videos, workers):
            measured.append(measurements)
            finished = videos[len(measured)].patient if len(measured) < len(videos) else cases
            if advance is not None and finished > told:
                advance(finished - told)
            told = finished
        folds = random_stream(seed, cases, 4).permutation(cases) % FOLDS
        for view in VIEWS:
            chosen = [(v, m) for v, m in zip(videos, measured, strict=True) if v.view == view]
            write_csv(
                unfinished / view / "FileList.csv",
                FILE_LIST_COLUMNS,
                ((f"{v.name}.avi", f"{m.ef_a4c:.2f}", *_body(v, seed), int(folds[v.patient])) for v, m in chosen),
            )
            write_csv(
                unfinished / view / "VolumeTracings.csv",
                TRACING_COLUMNS,
                (row for v, m in chosen for row in _tracing_rows(v, m, seed)),
            )


def _videos_of(patient: int, first: PhantomCase) -> list[_Video]:
    """One to three videos of the first view and up to two of the second: one heart, other speckle and phase."""
    rng = random_stream(first.seed, patient, 5)
    counts = (int(rng.choice([1, 2, 3], p=[0.55, 0.3, 0.15])), int(rng.choice([0, 1, 2], p=[0.2, 0.6, 0.2])))
    videos: list[_Video] = []
    accession = _code(first.seed, patient, "accession")
    for view, count in zip(VIEWS, counts, strict=True):
        for _ in range(count):
            number = len(videos)
            case = replace(
                first,
                index=first.index + (number << 32),  # its own pixel noise and rhythm
                first_phase=float(rng.uniform(0, 1)),
                gain=first.gain + float(rng.normal(0, 1)),
                tilt=first.tilt + float(rng.normal(0, 0.02)),
            )
            name = f"{_code(first.seed, patient, 'patient')}-{accession}-{int(rng.integers(1, 90)) + 90 * number:06}"
            videos.append(_Video(name, view, patient, case))
    return videos


def _code(seed: int, patient: int, what: str) -> str:
    return "CR" + hashlib.blake2b(f"{seed}:{patient}:{what}".encode(), digest_size=4).hexdigest()[:7]


def _write_video(directory: Path, video: _Video) -> Measurements:
    frames = phantom_frames(video.case)
    write_mjpeg(directory / video.view / "Videos" / f"{video.name}.avi", frames, video.case.fps)
    return measure(video.case)


def _body(video: _Video, seed: int) -> tuple[str, str, str, str]:
    """Sex, age in years, weight in kg and height in cm; sex is missing now and then, as it is there."""
    rng = random_stream(seed, video.patient, 6)
    age = int(rng.integers(0, 19))
    weight, height = 3.5 + 3.1 * age + rng.normal(0, 1 + age / 4), 52 + 6.6 * age + rng.normal(0, 3)
    return ("" if rng.random() < 0.03 else "MF"[int(rng.integers(2))], str(age), f"{weight:.2f}", f"{height:.1f}")


def _tracing_rows(video: _Video, one: Measurements, seed: int) -> list[tuple[str, str, str, str]]:
    chance = float(random_stream(seed, video.patient, 7, VIEWS.index(video.view)).random())
    rows: list[tuple[str, str, str, str]] = []
    for phase, tracing, missing in (
        ("No Diastolic", one.end_diastole, chance < UNTRACED / 2),
        ("No Systolic", one.end_systole, chance > 1 - UNTRACED / 2),
    ):
        if missing:
            rows.append((f"{video.name}.avi", "", "", phase))
        else:
            rows += [(f"{video.name}.avi", f"{x:.4f}", f"{y:.4f}", str(tracing.frame)) for x, y in _contour(tracing)]
    return rows


def _contour(tracing: Tracing) -> list[tuple[float, float]]:
    """From the apex along one wall to the base and back along the other."""
    left, right = tracing.lines[:, :2], tracing.lines[:, 2:]
    points = [left[0], *left[1:], right[0], *right[:0:-1]]
    return [(float(x), float(y)) for x, y in points]
