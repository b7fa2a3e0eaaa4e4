"""Checks of a threshold rule: (y, score) of the validation patients -> float."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from echokit.testing.case import Subject, require

N = 120


def _patients(seed: int = 5) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Draw classes and weak scores with ties."""
    generator = np.random.default_rng(seed)
    y = (np.arange(N) % 3 == 0).astype(np.int64)
    return y, np.round(0.35 + 0.25 * y + generator.normal(0, 0.2, N), 2)


def check_gives_a_threshold_among_the_scores(subject: Subject) -> None:
    """The threshold is a finite number between the lowest and the highest score."""
    for seed in range(5):
        y, score = _patients(seed)
        threshold = subject.make()(y, score)
        require(isinstance(threshold, float), f"it gives {type(threshold).__name__}, not a float")
        require(math.isfinite(threshold), f"it gives {threshold}")
        low, high = score.min(), score.max()
        require(low <= threshold <= high, f"it gives {threshold}, and the scores are from {low} to {high}")


def check_takes_scores_that_are_no_probabilities(subject: Subject) -> None:
    """A score may be any number: an objective gives points of EF."""
    y, score = _patients()
    far = 100 * score - 50
    threshold = subject.make()(y, far)
    require(far.min() <= threshold <= far.max(), f"it gives {threshold} for scores from {far.min()} to {far.max()}")


def check_the_order_of_patients_does_not_matter(subject: Subject) -> None:
    """The order of the patients does not change the threshold."""
    y, score = _patients()
    order = np.random.default_rng(0).permutation(N)
    first, second = subject.make()(y, score), subject.make()(y[order], score[order])
    require(first == second, f"it gives {first} or {second}")


def check_does_not_change_its_input(subject: Subject) -> None:
    """The arrays are not modified, and the same input gives the same threshold."""
    y, score = _patients()
    rule, before = subject.make(), (y.copy(), score.copy())
    first = rule(y, score)
    require(np.array_equal(y, before[0]) and np.array_equal(score, before[1]), "it modified the classes or the scores")
    require(rule(y, score) == first, "two calls differ")


def check_one_class_is_refused(subject: Subject) -> None:
    """Without patients of both classes it raises a ValueError with the reason."""
    score = _patients()[1]
    for label in (0, 1):
        try:
            threshold = subject.make()(np.full(N, label, np.int64), score)
        except ValueError as error:
            require(str(error).strip(), "its ValueError has no reason")
            continue
        require(False, f"with patients of class {label} only it gives {threshold}, and raises no ValueError")


def check_equal_scores_give_a_threshold_or_a_reason(subject: Subject) -> None:
    """Equal scores give a finite threshold or a ValueError, nothing else."""
    try:
        threshold = subject.make()(_patients()[0], np.full(N, 0.25))
    except ValueError as error:
        require(str(error).strip(), "its ValueError has no reason")
        return
    require(math.isfinite(threshold), f"with equal scores it gives {threshold}")
