"""Clinical phantom: clips as scanners export them, a table of outcomes, and the ground truth."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from echokit.errors import DataError
from echokit.phantom.clinical.export import file_name, write_clip
from echokit.phantom.clinical.patients import PATIENTS, Patient, sample_patients
from echokit.phantom.clinical.screen import draw_screen
from echokit.phantom.clinical.truth import truth_of, write_truth
from echokit.phantom.clinical.vendors import HEIGHT
from echokit.phantom.directory import Workers, case_columns, check_arguments, decimals, new_directory, write_records
from echokit.phantom.render import Measurements, measure

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
    """Write a clinical phantom; the bytes depend on the arguments alone.

    ``directory`` gets ``Studies/``, the clips in DICOM and AVI under paths that name the patients; ``cohort.csv``, one
    row a clip with its outcome, for the dataset ``table``; ``masks/``, the ground truth of each clip;
    ``PhantomTruth.csv``, everything known about each; and ``PHANTOM_DATA.json``. It appears whole or not at all.

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
        raise DataError(
            f"{patients} patients are no cohort", hint="at least 2", where="cases", code="phantom.out_of_range"
        )
    if deaths is not None and not 0 < deaths < patients:
        raise DataError(
            f"{deaths} of {patients} patients cannot die",
            hint="at least 1, not all",
            where="deaths",
            code="phantom.out_of_range",
        )
    drawn = sample_patients(seed, patients=patients, deaths=deaths, frames=frames)
    facts = {
        "layout": "clinical",
        "seed": seed,
        "cases": patients,
        "deaths": sum(patient.died for patient in drawn),
        "frames": list(frames) if frames else None,
    }
    with new_directory(directory, STATEMENT, "echokit.phantom.clinical", facts) as folder:
        (folder / MASKS).mkdir()
        measured = Workers(workers, advance).map(partial(_write_patient, folder), drawn, worth=2)
        clips = [
            (patient, clip, measurements)
            for patient, of_patient in zip(drawn, measured, strict=True)
            for clip, measurements in enumerate(of_patient)
        ]
        write_records(folder / TABLE, [_row(*clip) for clip in clips])
        write_records(folder / TRUTH, [_truth(*clip) for clip in clips])


def masks_name(patient: Patient, clip: int) -> str:
    """Return the path of the ground truth of a clip below the dataset's directory."""
    return f"{MASKS}/patient-{patient.number:02d}-clip-{clip + 1}.npz"


def _write_patient(directory: Path, patient: Patient) -> list[Measurements]:
    for clip, case in enumerate(patient.clips):
        screen = draw_screen(patient, clip)
        path = directory / file_name(patient, clip)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_clip(path, patient, clip, screen)
        write_truth(directory / masks_name(patient, clip), truth_of(case, screen))
    return [measure(case) for case in patient.clips]


def _row(patient: Patient, clip: int, measured: Measurements) -> dict[str, Any]:
    """Return the hospital's data about a clip: outcome, covariates, acquisition."""
    case = patient.clips[clip]
    return {
        "source": file_name(patient, clip),
        "target": int(patient.died),
        "patient_id": patient.mrn,
        "time": patient.days,
        "event": int(patient.died),
        "age": patient.age,
        "sex": patient.sex,
        "ef": f"{measured.ef_a4c:.1f}",
        "heart_rate": round(case.heart_rate),
        "vendor": patient.vendor,
        "fps": case.fps,
        "frames": case.frames,
        "depth_cm": f"{case.depth / 10:.1f}",
        "year": patient.study_date[:4],
    }


def _truth(patient: Patient, clip: int, measured: Measurements) -> dict[str, Any]:
    """Return everything known about a clip."""
    numbers = decimals(patient.function, measured.ef_3d, measured.ef_a4c, measured.edv, measured.esv)
    return {
        "source": file_name(patient, clip),
        "masks": masks_name(patient, clip),
        **dict(zip(("function", "EF_3d", "EF_a4c", "EDV", "ESV"), numbers, strict=True)),
        "ED_frame": measured.end_diastole.frame,
        "ES_frame": measured.end_systole.frame,
        "foreshortening": decimals(measured.foreshortening)[0],
        **case_columns(patient.clips[clip]),
    }
