"""Wilson's score interval of a proportion."""

from __future__ import annotations

import math

from echokit.evaluation.evaluation import Interval


def z_of(level: float) -> float:
    """Compute the normal quantile of a two-sided interval: 0.95 -> 1.95996.

    Raises:
        ValueError: The level is not between 0 and 1.
    """
    from scipy.special import ndtri

    if not 0 < level < 1:
        raise ValueError(f"a level lies between 0 and 1, not {level}")
    return float(ndtri((1 + level) / 2))


def wilson(successes: float, trials: float, level: float = 0.95) -> Interval:
    """Compute the score interval of a proportion (Wilson, JASA 1927).

    Without continuity correction.

    Args:
        successes: From 0 to ``trials``; a fraction if trials were discounted.
        trials: Patients that the proportion is of; none gives no interval.
        level: Nominal level, between 0 and 1.

    Raises:
        ValueError: The level or the successes are out of range.
    """
    z = z_of(level)
    if trials <= 0:
        return Interval(None, None, "none: no patients")
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} of {trials} is not a proportion")
    p = successes / trials
    centre = (p + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * math.sqrt(p * (1 - p) / trials + z * z / (4 * trials * trials))
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == trials else min(1.0, centre + half)
    return Interval(low, high, "Wilson score interval")
