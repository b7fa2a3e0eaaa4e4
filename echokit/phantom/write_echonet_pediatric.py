"""Phantom in the layout of EchoNet-Pediatric: folds, several videos a patient, contours."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from echokit.phantom.case import PhantomCase, random_stream
from echokit.phantom.directory import Hearts, LayoutWriter, Workers, write_csv
from echokit.phantom.render import Measurements, Tracing, measure, phantom_frames
from echokit.phantom.write_mjpeg import write_mjpeg

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


class PediatricWriter(LayoutWriter):
    """Write a phantom in the layout of EchoNet-Pediatric.

    One to three patients' videos in ``A4C``, up to two in ``PSAX``.

    Each has ``FileList.csv`` (file names with ``.avi``, of the form patient-accession-instance; folds 0 to 9),
    ``VolumeTracings.csv`` (contours; a phase that could not be traced is ``No Systolic`` or ``No Diastolic``) and
    ``Videos``.
    """

    layout = "echonet_pediatric"
    generator = "echokit.phantom.write_echonet_pediatric"
    statement = (
        "PHANTOM DATA: synthetic videos of computed hearts, written in the layout of EchoNet-Pediatric. Both views "
        "show apical four-chamber hearts of adult size: only the layout is alike. No patient was examined; results on "
        "them say nothing about patients."
    )

    def write_files(self, folder: Path, hearts: Hearts, workers: Workers) -> None:
        """Write videos and tables of both views."""
        for view in VIEWS:
            (folder / view / "Videos").mkdir(parents=True)
        patients = [_videos_of(patient, hearts.sample(patient)) for patient in range(hearts.cases)]
        measured = workers.map(partial(_write_videos, folder), patients, worth=3)
        pairs = [pair for patient in zip(patients, measured, strict=True) for pair in zip(*patient, strict=True)]
        folds = random_stream(hearts.seed, hearts.cases, 4).permutation(hearts.cases) % FOLDS
        for view in VIEWS:
            chosen = [(v, m) for v, m in pairs if v.view == view]
            write_csv(
                folder / view / "FileList.csv",
                FILE_LIST_COLUMNS,
                (
                    (f"{v.name}.avi", f"{m.ef_a4c:.2f}", *_body(v, hearts.seed), int(folds[v.patient]))
                    for v, m in chosen
                ),
            )
            write_csv(
                folder / view / "VolumeTracings.csv",
                TRACING_COLUMNS,
                (row for v, m in chosen for row in _tracing_rows(v, m, hearts.seed)),
            )


write_pediatric = PediatricWriter().write


def _videos_of(patient: int, first: PhantomCase) -> list[_Video]:
    """Return the videos of one heart in both views, each with own speckle."""
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


def _code(seed: int, patient: int, kind: str) -> str:
    return "CR" + hashlib.blake2b(f"{seed}:{patient}:{kind}".encode(), digest_size=4).hexdigest()[:7]


def _write_videos(directory: Path, videos: list[_Video]) -> list[Measurements]:
    for video in videos:
        path = directory / video.view / "Videos" / f"{video.name}.avi"
        write_mjpeg(path, phantom_frames(video.case), video.case.fps)
    return [measure(video.case) for video in videos]


def _body(video: _Video, seed: int) -> tuple[str, str, str, str]:
    """Draw sex, age, weight in kg and height in cm; sex may be missing."""
    rng = random_stream(seed, video.patient, 6)
    age = int(rng.integers(0, 19))
    weight, height = 3.5 + 3.1 * age + rng.normal(0, 1 + age / 4), 52 + 6.6 * age + rng.normal(0, 3)
    return ("" if rng.random() < 0.03 else "MF"[int(rng.integers(2))], str(age), f"{weight:.2f}", f"{height:.1f}")


def _tracing_rows(video: _Video, measured: Measurements, seed: int) -> list[tuple[str, str, str, str]]:
    chance = float(random_stream(seed, video.patient, 7, VIEWS.index(video.view)).random())
    rows: list[tuple[str, str, str, str]] = []
    for phase, tracing, missing in (
        ("No Diastolic", measured.end_diastole, chance < UNTRACED / 2),
        ("No Systolic", measured.end_systole, chance > 1 - UNTRACED / 2),
    ):
        if missing:
            rows.append((f"{video.name}.avi", "", "", phase))
        else:
            rows += [(f"{video.name}.avi", f"{x:.4f}", f"{y:.4f}", str(tracing.frame)) for x, y in _contour(tracing)]
    return rows


def _contour(tracing: Tracing) -> list[tuple[float, float]]:
    """Return the contour from the apex to the base and back."""
    left, right = tracing.lines[:, :2], tracing.lines[:, 2:]
    points = [left[0], *left[1:], right[0], *right[:0:-1]]
    return [(float(x), float(y)) for x, y in points]
