"""Model the rhythm: contraction of the ventricle and opening of its valves at each frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from echokit.phantom.case import PhantomCase, random_stream

Array = npt.NDArray[np.float64]

# Shares of the cycle. The volume stands still while all valves are closed, before and after ejection.
ISOVOLUMIC_CONTRACTION = 0.06
ISOVOLUMIC_RELAXATION = 0.07
EARLY_FILLING = 0.20
ATRIAL_CONTRACTION = 0.14


@dataclass(frozen=True, slots=True)
class Beats:
    """Time course of a video; arrays are (frames,) float64.

    Attributes:
        time: Seconds from the first frame.
        phase: Share of the current cycle that is over, 0 at end-diastole.
        contraction: Share of the stroke volume that has left, 0 at end-diastole and 1 at end-systole.
        opening: Of the mitral and tricuspid valves: 0 closed, 1 wide open.
    """

    time: Array
    phase: Array
    contraction: Array
    opening: Array


def beats_of(case: PhantomCase) -> Beats:
    """Return the time course of a case: beats of nearly equal length."""
    time = np.arange(case.frames) / case.fps
    starts, lengths = rhythm_of(case)
    beat = np.searchsorted(starts, time, side="right") - 1
    phase = (time - starts[beat]) / lengths[beat]
    return Beats(time, phase, contraction_at(case, phase), opening_at(case, phase))


def rhythm_of(case: PhantomCase) -> tuple[Array, Array]:
    """Return the start of each beat and the length of each but the last, in s."""
    rng = random_stream(case.seed, case.index, 1)
    period = 60 / case.heart_rate
    count = int(np.ceil((case.frames - 1) / case.fps / period)) + 3
    lengths = period * (1 + case.rhythm_jitter * np.clip(rng.standard_normal(2 * count), -2, 2))
    return np.concatenate([[0.0], np.cumsum(lengths)]) - case.first_phase * lengths[0], lengths


def contraction_at(case: PhantomCase, phase: Array) -> Array:
    """Return the contraction over the cycle, from ejection to atrial systole."""
    open_again = case.systole + ISOVOLUMIC_RELAXATION
    ejected = _step(phase, ISOVOLUMIC_CONTRACTION, case.systole)
    early = _step(phase, open_again, open_again + EARLY_FILLING)
    atrial = _step(phase, 1 - ATRIAL_CONTRACTION, 0.99)
    return ejected - case.early_filling * early - (1 - case.early_filling) * atrial


def opening_at(case: PhantomCase, phase: Array) -> Array:
    """Return the opening of the mitral leaflets over the cycle."""
    opens = case.systole + ISOVOLUMIC_RELAXATION - 0.02
    drift = 0.55 * _step(phase, opens + 0.12, opens + 0.28)
    reopened = 0.35 * _step(phase, 0.84, 0.90)
    shut = 0.80 * _step(phase, 0.93, 1.0)
    return _step(phase, opens, opens + 0.07) - drift + reopened - shut


def _step(phase: Array, start: float, stop: float) -> Array:
    """Return a smooth step from 0 to 1 with flat ends."""
    share = np.clip((phase - start) / (stop - start), 0, 1)
    return share * share * (3 - 2 * share)
