"""Which videos are the same, or nearly so.

Nearly the same are videos whose perceptual hashes differ in few bits: one bit for each low frequency of the mean
picture and of where it changes, above or below the median over the dataset. Because the median of the dataset is taken,
what all pictures share (the fan, the layout of the screen) carries no information. A pair of few differing bits is then
measured: it counts only if its frequencies lie much closer to each other than those of two videos usually do.

A mirrored picture has the same frequencies with the signs of the odd ones changed, so that copies that were mirrored,
turned upside down (hospitals differ in where the apex is) or both are looked for in the same way.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

FEWEST = 8  # videos below which the usual distance is not known
BITS = 32  # of 128 that may differ
CLOSE = 0.3  # of the usual distance between two videos; benchmarks/data_check.py measures what that finds
_ROWS = 256


def groups(contents: Sequence[str]) -> list[list[int]]:
    """Positions of equal, non-empty texts, for texts that occur more than once."""
    places: dict[str, list[int]] = {}
    for index, content in enumerate(contents):
        if content:
            places.setdefault(content, []).append(index)
    return [found for found in places.values() if len(found) > 1]


def near_duplicates(looks: Mapping[int, npt.NDArray[np.float32]]) -> list[tuple[int, int, float]]:
    """Find pairs that look the same.

    Args:
        looks: Position of a video -> its (128,) low frequencies.

    Returns:
        Positions of both, and how far apart they are: 0 for equal, about 1 for two videos of the dataset.
    """
    if len(looks) < FEWEST:
        return []
    places = np.array(sorted(looks))
    values = np.stack([looks[int(place)] for place in places])
    middle = np.median(values, axis=0)
    spread = np.median(np.abs(values - middle), axis=0) * 1.4826
    spread[spread == 0] = np.inf  # it is the same for nearly all videos and carries no information
    scaled = (values - middle) / spread
    usual = _usual_distance(scaled)
    bits = _packed(values > middle)
    closest: dict[tuple[int, int], float] = {}
    for signs in _turns(values.shape[1]):
        turned = (values * signs - middle) / spread
        turned_bits = _packed(values * signs > middle)
        for start in range(0, len(places), _ROWS):
            part = bits[start : start + _ROWS]
            apart = np.bitwise_count(part[:, None] ^ turned_bits[None, start:]).sum(-1, dtype=np.int64)
            for row, column in np.argwhere(apart <= BITS):
                one, other = start + int(row), start + int(column)
                if one < other:
                    distance = float(np.abs(scaled[one] - turned[other]).mean()) / usual
                    if distance < closest.get((one, other), CLOSE):
                        closest[one, other] = distance
    return [(int(places[one]), int(places[other]), distance) for (one, other), distance in sorted(closest.items())]


def _packed(bits: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint64]:
    return np.packbits(bits, axis=1).view(np.uint64)


def _turns(frequencies: int) -> Iterator[npt.NDArray[np.float32]]:
    """Compute signs of the low frequencies in four orientations of a video.

    As it is, mirrored, upside down, and turned by half a circle.
    """
    side = math.isqrt(frequencies // 2)
    same, odd = np.ones(side, np.float32), (-1.0) ** np.arange(side, dtype=np.float32)
    for down, across in ((same, same), (same, odd), (odd, same), (odd, odd)):
        yield np.tile(np.outer(down, across).ravel(), 2)


def _usual_distance(scaled: npt.NDArray[np.float64]) -> float:
    """Median distance of neighbours in a fixed shuffle."""
    order = np.random.Generator(np.random.Philox(7)).permutation(len(scaled))
    distances = np.abs(scaled[order] - scaled[np.roll(order, 1)]).mean(1)
    return float(np.median(distances)) or 1.0


STILL = 0.5  # grey values of mean change over time below which nothing moves
