"""Simulate the electrocardiogram: a moving trace, and a heart rate that is updated at each beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from echokit.phantom.beat import rhythm_of
from echokit.phantom.case import PhantomCase, random_stream

Array = npt.NDArray[np.float64]
Style = Literal["sweep", "scroll", "marker"]

ERASED = 0.12  # seconds of the old trace that a sweep erases ahead of itself
LEAD = 0.5  # seconds before the clip that a trace with a marker shows
# Height, place in the cycle and width of P, Q, R, S and T; the cycle begins at end-diastole, with the R wave.
_WAVES = ((0.13, 0.85, 0.022), (-0.12, 0.982, 0.008), (1.0, 0.0, 0.010), (-0.28, 0.022, 0.010), (0.27, 0.30, 0.040))


@dataclass(frozen=True, slots=True)
class Electrocardiogram:
    """The trace and the rate of one clip.

    Attributes:
        starts, lengths: Of the beats, in seconds from the first frame.
        rates: Rate shown from the start of each beat on, beats a minute.
        before: Rate shown before the first start.
        wander, noise: Of the baseline.
        offset: Seconds of sweep that are on the screen when the clip begins.
    """

    starts: Array
    lengths: Array
    rates: tuple[int, ...]
    before: int
    wander: float
    noise: Array
    offset: float

    def voltage(self, time: Array) -> Array:
        """Return the trace at some times, about -0.3 to 1."""
        beat = np.clip(np.searchsorted(self.starts, time, side="right") - 1, 0, len(self.lengths) - 1)
        phase = ((time - self.starts[beat]) / self.lengths[beat]) % 1.0
        wave = self.wander * np.sin(2 * np.pi * 0.3 * time)
        for height, place, width in _WAVES:
            apart = np.abs(phase - place)
            wave = wave + height * np.exp(-0.5 * (np.minimum(apart, 1 - apart) / width) ** 2)
        return np.asarray(wave + self.noise[np.round(time * 250).astype(int) % len(self.noise)], np.float64)

    def rate(self, time: float) -> int:
        """Return the rate that is shown at a time."""
        beat = int(np.searchsorted(self.starts, time, side="right")) - 1
        return self.before if beat < 1 else self.rates[min(beat, len(self.rates) - 1)]

    def paths(self, time: float, width: int, style: Style, seconds: float) -> list[Array]:
        """Return the pieces of the trace as shown at a time.

        Args:
            time: Seconds from the first frame.
            width: Of the strip in pixels.
            style: ``sweep`` overwrites the trace from left to right, ``scroll`` pushes all of it to the left,
                ``marker`` leaves it and moves a line along it.
            seconds: That the strip shows.

        Returns:
            (k, 2) arrays of column and voltage.
        """
        column = np.arange(width, dtype=np.float64)
        if style == "marker":
            return [np.stack([column, self.voltage(column / (width - 1) * seconds - LEAD)], -1)]
        if style == "scroll":
            return [np.stack([column, self.voltage(time - (width - 1 - column) / width * seconds)], -1)]
        head = (self.offset + time) / seconds * width % width
        age = (head - column) % width / width * seconds
        shown = np.stack([column, self.voltage(time - age)], -1)
        fresh, old = column <= head, (column > head) & (age < seconds - ERASED)
        return [shown[part] for part in (fresh, old) if part.sum() > 1]


def electrocardiogram_of(case: PhantomCase) -> Electrocardiogram:
    """Return the electrocardiogram of a clip; its rate changes with each beat."""
    rng = random_stream(case.seed, case.index, 24)
    starts, lengths = rhythm_of(case)
    rates: list[int] = []
    for length in (lengths[0], *lengths):
        rate = round(60 / float(length) + float(rng.normal(0, 1.5)))
        if rates and rate == rates[-1]:
            rate += int(rng.choice([-1, 1]))
        rates.append(rate)
    return Electrocardiogram(
        starts=starts,
        lengths=lengths,
        rates=tuple(rates[1:]),
        before=rates[0],
        wander=float(rng.uniform(0, 0.05)),
        noise=rng.normal(0, 0.008, 977),
        offset=float(rng.uniform(0.3, 3)),
    )
