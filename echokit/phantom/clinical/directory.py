"""The clinical phantom on disk: clips as exported, a table of outcomes, and the truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from echokit.errors import DataError
from echokit.phantom.clinical.export import file_name, write_clip
from echokit.phantom.clinical.patients import PATIENTS, Patient, sample_patients
from echokit.phantom.clinical.screen import draw_screen
from echokit.phantom.clinical.truth import truth_of, write_truth
from echokit.phantom.clinical.vendors import HEIGHT
from echokit.phantom.directory import check_arguments, new_directory, write_all, write_csv
from echokit.phantom.render import Measurements, measure

GENERATOR_VERSION = 1
TABLE, TRUTH, MASKS = "cohort.csv", "PhantomTruth.csv", "masks"
COVARIATES = ("age", "sex", "ef", "heart_rate", "vendor", "fps", "frames", "depth_cm", "year")
STATEMENT = (
    "PHANTOM DATA: synthetic clips of computed hearts, written as scanners write them. "
    "No patient was examined, every name and number is invented; results on them say nothing about patients."
)


def write_clinical(
    directory: Path,
    *,
    patients: int = PATIENTS,
    deaths: int | None = None,
    seed: int = 0,
    frames: tuple[int, int] | None = None,
    advance: Callable[[int], None] | None = None,
    workers: int | None = None,
) -> None:
    """Write a clinical phantom: the same bytes for the same arguments, whatever the number of workers.

    ``directory`` gets ``Studies/``, the clips in DICOM and AVI under paths that name the patients; ``cohort.csv``, one
    row a clip with its outcome, for the dataset ``table``; ``masks/``, the truth about each clip; ``PhantomTruth.csv``,
    all known about each; and ``PHANTOM_DATA.json``. It appears whole or not at all.

    Args:
        directory: Where to write; must not exist, or be empty.
        patients: Number of patients, at least 2; some have several clips.
        deaths: How many of them die; None for 7 of 34 in proportion, at least 1.
        seed: Seed, at least 0.
        frames: Fewest and most frames of a clip; None for about one beat and a third, 40 to 60.
        advance: Called with 1 after each finished patient.
        workers: Processes; None for one a core.

    Raises:
        DataError: An argument is out of range, or ``directory`` exists and is not empty.
    """
    check_arguments(cases=patients, seed=seed, ef="realistic", size=HEIGHT, frames=frames, workers=workers)
    if patients < 2:
        raise DataError(f"{patients} patients are no cohort", hint="at least 2", where="cases")
    if deaths is not None and not 0 < deaths < patients:
        raise DataError(f"{deaths} of {patients} patients can not die", hint="at least 1, not all", where="deaths")
    drawn = sample_patients(seed, patients=patients, deaths=deaths, frames=frames)
    marker = {
        "statement": STATEMENT,
        "generator": "echokit.phantom.clinical",
        "generator_version": GENERATOR_VERSION,
        "layout": "clinical",
        "seed": seed,
        "cases": patients,
        "deaths": sum(patient.died for patient in drawn),
        "frames": list(frames) if frames else None,
    }
    with new_directory(directory, marker) as unfinished:
        (unfinished / MASKS).mkdir()
        measured = []
        for measurements in write_all(partial(_write_patient, unfinished), drawn, workers, worth=2):
            measured.append(measurements)
            if advance is not None:
                advance(1)
        _write_tables(unfinished, drawn, measured)


def masks_name(patient: Patient, clip: int) -> str:
    """Return where the truth about a clip lies below the data set's directory."""
    return f"{MASKS}/patient-{patient.number:02d}-clip-{clip + 1}.npz"


def _write_patient(directory: Path, patient: Patient) -> list[Measurements]:
    for clip, case in enumerate(patient.clips):
        screen = draw_screen(patient, clip)
        path = directory / file_name(patient, clip)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_clip(path, patient, clip, screen)
        write_truth(directory / masks_name(patient, clip), truth_of(case, screen))
    return [measure(case) for case in patient.clips]


def _write_tables(directory: Path, drawn: list[Patient], measured: list[list[Measurements]]) -> None:
    clips = [
        (patient, clip, one)
        for patient, measurements in zip(drawn, measured, strict=True)
        for clip, one in enumerate(measurements)
    ]
    for name, make in ((TABLE, _row), (TRUTH, _truth)):
        rows = [make(patient, clip, one) for patient, clip, one in clips]
        write_csv(directory / name, tuple(rows[0]), [tuple(row.values()) for row in rows])


def _row(patient: Patient, clip: int, one: Measurements) -> dict[str, Any]:
    """What a hospital would know of a clip: outcome, covariates, acquisition."""
    case = patient.clips[clip]
    return {
        "source": file_name(patient, clip),
        "target": int(patient.died),
        "patient_id": patient.mrn,
        "time": patient.days,
        "event": int(patient.died),
        "age": patient.age,
        "sex": patient.sex,
        "ef": f"{one.ef_a4c:.1f}",
        "heart_rate": round(case.heart_rate),
        "vendor": patient.vendor,
        "fps": case.fps,
        "frames": case.frames,
        "depth_cm": f"{case.depth / 10:.1f}",
        "year": patient.study_date[:4],
    }


def _truth(patient: Patient, clip: int, one: Measurements) -> dict[str, Any]:
    """Everything that is known about a clip."""
    case = asdict(patient.clips[clip])
    flat: dict[str, Any] = {}
    for name, value in case.items():
        parts = (
            {f"{name}_{number}": part for number, part in enumerate(value)}
            if isinstance(value, tuple)
            else {name: value}
        )
        flat |= {key: f"{part:.8f}" if isinstance(part, float) else part for key, part in parts.items()}
    for name in ("seed", "index", "size", "ef"):
        del flat[name]
    return {
        "source": file_name(patient, clip),
        "masks": masks_name(patient, clip),
        "function": f"{patient.function:.8f}",
        "EF_3d": f"{one.ef_3d:.8f}",
        "EF_a4c": f"{one.ef_a4c:.8f}",
        "EDV": f"{one.edv:.8f}",
        "ESV": f"{one.esv:.8f}",
        "ED_frame": one.end_diastole.frame,
        "ES_frame": one.end_systole.frame,
        "foreshortening": f"{one.foreshortening:.8f}",
        **flat,
    }
