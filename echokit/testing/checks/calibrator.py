"""Checks of a calibrator: fit(ValidationScores) -> parameters, apply(parameters, scores)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from echokit.testing.case import Failure, Subject, require
from echokit.training.calibrators.calibration import (
    Calibration,
    Uncalibrated,
    ValidationScores,
    calibration_from,
    fit_calibration,
    needs_estimate,
)

N = 400
GRID = np.linspace(0, 1, 201)
BELOW = 50.0


def _patients(bounded: bool, n: int = N, seed: int = 6) -> ValidationScores:
    """Draw patients with an EF, and a score that is no probability yet."""
    generator = np.random.default_rng(seed)
    value = np.clip(generator.normal(53, 12, n), 7, 97)
    estimate = 58 + 0.7 * (value - 55) + generator.normal(0, 4, n)
    score = 1 / (1 + np.exp((estimate - BELOW) / 3)) if bounded else BELOW - estimate
    return ValidationScores(score, (value < BELOW).astype(np.int64), value, bounded, BELOW)


def _some(patients: ValidationScores, rows: Any) -> ValidationScores:
    return replace(patients, score=patients.score[rows], y_true=patients.y_true[rows], value=patients.value[rows])


def _scales(subject: Subject) -> tuple[bool, ...]:
    return (False,) if needs_estimate(subject.make()) else (True, False)


def _fitted(subject: Subject) -> Iterator[tuple[Calibration, ValidationScores]]:
    """Fit it to scores between 0 and 1, and to others.

    One of both may be refused.
    """
    results = [(fit_calibration(subject.make(), data), data) for data in map(_patients, _scales(subject))]
    fitted = [(result, data) for result, data in results if isinstance(result, Calibration)]
    if not fitted:
        reasons = "; ".join(result.reason for result, _ in results if isinstance(result, Uncalibrated))
        raise Failure(f"it cannot be fitted to {N} patients: {reasons}")
    yield from fitted


def check_says_what_it_is(subject: Subject) -> None:
    """``definition`` names the model in a few words."""
    definition = getattr(subject.make(), "definition", None)
    require(isinstance(definition, str) and definition.strip(), "it has no text `definition`")


def check_gives_probabilities_in_the_order_of_the_scores(subject: Subject) -> None:
    """Probabilities are in [0, 1] and keep the order, far scores included."""
    for calibration, data in _fitted(subject):
        calibration(GRID if data.bounded else 400 * (GRID - 0.5))
        calibration(np.zeros(0))
        (alone,) = calibration(data.score[:1])
        require(alone == calibration(data.score)[0], "the probability of a patient depends on the other patients")


def check_calibrates_new_patients(subject: Subject) -> None:
    """The mean probability of new patients is near their share of positives."""
    for calibration, data in _fitted(subject):
        new = _patients(data.bounded, 4000, 7)
        mean, share = float(calibration(new.score).mean()), float(new.y_true.mean())
        require(abs(mean - share) < 0.08, f"the mean probability is {mean:.2f}, and {share:.2f} are positive")


def check_is_read_back_from_its_file(subject: Subject) -> None:
    """Read back from its file, it gives the same bits."""
    for calibration, data in _fitted(subject):
        again = calibration_from(json.loads(json.dumps(calibration.to_dict())), subject.make())
        require(isinstance(again, Calibration), "it is read back as no calibration")
        same = isinstance(again, Calibration) and np.array_equal(again(data.score), calibration(data.score))
        require(same, "read back from JSON it gives other probabilities")


def check_gives_the_same_for_the_same_patients(subject: Subject) -> None:
    """The same patients give the same parameters; nothing is modified."""
    for calibration, data in _fitted(subject):
        copies = [array.copy() for array in (data.score, data.y_true, data.value)]
        again = fit_calibration(subject.make(), data)
        require(again == calibration, f"the parameters are {calibration.fitted} or {again}")
        now = (data.score, data.y_true, data.value)
        require(all(map(np.array_equal, copies, now)), "it modified the patients")


def check_the_order_of_patients_does_not_matter(subject: Subject) -> None:
    """The order of the patients does not change the probabilities."""
    for calibration, data in _fitted(subject):
        other = fit_calibration(subject.make(), _some(data, np.random.default_rng(0).permutation(N)))
        require(isinstance(other, Calibration), "in another order it cannot be fitted")
        if isinstance(other, Calibration):
            gap = float(np.abs(other(data.score) - calibration(data.score)).max())
            require(gap < 1e-4, f"in another order a probability differs by {gap:.2g}")


def check_few_patients_give_a_calibration_or_a_reason(subject: Subject) -> None:
    """Few patients, one class or equal scores give `Uncalibrated`, or a sound fit."""
    for bounded in _scales(subject):
        data = _patients(bounded)
        hard = [_some(data, slice(0, n)) for n in (0, 1, 2, 5)]
        hard += [_some(data, data.y_true == label) for label in (0, 1)]
        hard.append(ValidationScores(np.full(N, 0.5), data.y_true, data.value, bounded, BELOW))
        hard.append(ValidationScores(data.score, data.y_true, np.full(N, np.nan), bounded, None))
        for few in hard:
            result = fit_calibration(subject.make(), few)
            if isinstance(result, Uncalibrated):
                require(result.reason.strip(), "it gives Uncalibrated without a reason")
