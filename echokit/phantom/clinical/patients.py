"""Draw the patients of the clinical phantom, their outcomes and their clips.

Death depends on the latent function of the heart in part only: a patient's risk is ``chance - PART * function``, both
standard normal, and the patients of the highest risk die. The ejection fraction is the function, put on 10 to 35.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from echokit.phantom.case import PhantomCase, random_stream, sample_case

PATIENTS, DEATHS = 34, 7
PART = 0.6  # correlation of the risk of death with the latent function
EF_RANGE = (10.0, 35.0)
HORIZON = 365  # days: deaths lie within, the follow-up of survivors ends beyond
MOST_CLIPS = 3
CLIPS_SHARE = (0.62, 0.26, 0.12)  # of patients with one, two and three clips
BEATS_SHOWN = 1.3
FRAMES = (40, 60)

Vendor = Literal["alder", "birch", "cedar"]
VENDORS: tuple[Vendor, ...] = ("alder", "birch", "cedar")

# Numbers of the heart, the same in every clip of a patient; all others belong to the examination.
_HEART = (
    "ef", "edv", "length", "truncation", "out_of_plane", "out_of_plane_change", "shortening", "wall", "bend",
    "rv_width", "rv_motion", "tricuspid_motion", "la_width", "la_height", "ra_width", "ra_height", "mitral_opening",
    "early_filling", "heart_rate", "systole", "rhythm_jitter", "septum", "myocardium", "pericardium",
)  # fmt: skip
# Invented names. They are in headers, paths and pictures, as real ones are, so that leaks can be tested.
_SURNAMES = (
    "Quillfeather", "Brambleworth", "Thistlemoor", "Wexcombe", "Larkwhistle", "Oddsworth", "Fernsby", "Marrowgate",
    "Pennyfarrow", "Dovercliffe", "Ashgrove", "Tattersby", "Hollowmere", "Winterbough", "Copperfen", "Saltmarsh",
)  # fmt: skip
_GIVEN = {
    "F": ("Zinnia", "Perpetua", "Ottoline", "Clementia", "Euphemia", "Hesper", "Isaura", "Lavinia"),
    "M": ("Zebedee", "Barnaby", "Thaddeus", "Ignatius", "Leopold", "Crispin", "Ambrose", "Horatio"),
}


@dataclass(frozen=True, slots=True)
class Patient:
    """One invented patient.

    Attributes:
        number: From 0 on.
        name, mrn, birth_date, study_date, accession: Invented identifiers, as DICOM writes them.
        sex, age: ``F`` or ``M``; years at the examination.
        vendor: Of the machine.
        function: Latent function of the heart, standard normal; low is bad.
        ef: Ejection fraction in %, 10 to 35, rising with the function.
        died: Within a year.
        days: From the examination to death or to the last contact.
        clips: The heart in each clip.
    """

    number: int
    name: str
    mrn: str
    birth_date: str
    study_date: str
    accession: str
    sex: str
    age: int
    vendor: Vendor
    function: float
    ef: float
    died: bool
    days: int
    clips: tuple[PhantomCase, ...]


def sample_patients(
    seed: int, *, patients: int = PATIENTS, deaths: int | None = None, frames: tuple[int, int] | None = None
) -> list[Patient]:
    """Draw a cohort.

    Args:
        seed: At least 0.
        patients: Number of patients, at least 2.
        deaths: How many die; None for 7 of 34 in proportion, at least 1.
        frames: Fewest and most frames of a clip; None for about one beat and a third, 40 to 60.
    """
    if deaths is None:
        deaths = max(1, round(patients * DEATHS / PATIENTS))
    functions = [float(random_stream(seed, number, 20).standard_normal()) for number in range(patients)]
    chances = [float(random_stream(seed, number, 21).standard_normal()) for number in range(patients)]
    risks = [
        -PART * function + np.sqrt(1 - PART**2) * chance for function, chance in zip(functions, chances, strict=True)
    ]
    dead = set(np.argsort(risks)[patients - deaths :].tolist())
    return [_patient(seed, number, functions[number], number in dead, frames or FRAMES) for number in range(patients)]


def _patient(seed: int, number: int, function: float, died: bool, frames: tuple[int, int]) -> Patient:
    rng = random_stream(seed, number, 22)
    sex = str(rng.choice(["F", "M"], p=[0.35, 0.65]))
    age = int(np.clip(rng.normal(66, 11), 34, 91))
    born, seen = (
        f"{rng.integers(1, 13):02d}{rng.integers(1, 29):02d}",
        f"{rng.integers(1, 13):02d}{rng.integers(1, 29):02d}",
    )
    year = int(rng.integers(2013, 2020))
    ef = ef_of(function)
    share = rng.random()
    clips = 1 + int(np.searchsorted(np.cumsum(CLIPS_SHARE)[:-1], share))
    return Patient(
        number=number,
        name=f"{rng.choice(_SURNAMES)}^{rng.choice(_GIVEN[sex])}",
        mrn=f"MRN{rng.integers(10**6, 10**7)}",
        birth_date=f"{year - age - (seen < born)}{born}",
        study_date=f"{year}{seen}",
        accession=f"ACC{rng.integers(10**7, 10**8)}",
        sex=sex,
        age=age,
        vendor=VENDORS[number % len(VENDORS)],
        function=function,
        ef=ef,
        died=died,
        days=int(rng.integers(5, HORIZON)) if died else int(rng.integers(HORIZON + 1, 4 * HORIZON)),
        clips=_clips(seed, number, ef, clips, frames),
    )


def ef_of(function: float) -> float:
    """Map the latent function to 10 to 35 %, uniformly over a population."""
    from math import erf, sqrt

    low, high = EF_RANGE
    return low + (high - low) * 0.5 * (1 + erf(function / sqrt(2)))


def _clips(seed: int, number: int, ef: float, count: int, frames: tuple[int, int]) -> tuple[PhantomCase, ...]:
    """Draw a failing, dilated heart and its examinations."""
    rng = random_stream(seed, number, 23)
    dilation = float(rng.uniform(1.25, 1.9))
    fps = int(rng.choice([38, 42, 46, 50, 54]))
    heart = sample_case(seed, number * MOST_CLIPS)
    heart = replace(
        heart,
        ef=ef,
        edv=float(np.clip(heart.edv * dilation, 100, 260)),
        length=heart.length * dilation ** (1 / 3),
        shortening=min(heart.shortening, float(rng.uniform(0.35, 0.6)) * ef / 100),
        la_width=heart.la_width * 1.08,
        mitral_opening=0.85 * heart.mitral_opening,
        rhythm_jitter=float(rng.uniform(0.02, 0.05)),
        septum=heart.septum - 2,
    )
    clips = []
    for clip in range(count):
        seen = sample_case(seed, number * MOST_CLIPS + clip)
        shown = int(np.ceil(BEATS_SHOWN * fps * 60 / heart.heart_rate))
        clips.append(
            replace(
                seen,
                **{name: getattr(heart, name) for name in _HEART},
                frames=int(np.clip(shown, *frames)),
                fps=fps,
                depth=float(np.clip(heart.length + 2 * heart.la_height + rng.uniform(18, 34), 150, 205)),
                half_angle=min(seen.half_angle, 0.72),
                y=float(rng.uniform(13, 22)),
                noise=seen.noise - 5,
                haze=seen.haze - float(rng.uniform(2, 7)),
                dynamic_range=seen.dynamic_range + 4,
                drift_x=0.5 * seen.drift_x,
                drift_y=0.5 * seen.drift_y,
                rocking=0.35 * seen.rocking,
            )
        )
    return tuple(clips)
