"""Granularity test: whether a published mean and SD of fold accuracies are possible at all.

An accuracy is a whole number of patients over the patients of its fold, so few means and SDs are possible in a
small cohort (the GRIM and GRIMMER tests: Brown and Heathers, 2017; Anaya, 2016; here for folds).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

Verdict = Literal["possible", "impossible", "too fine to test"]
MOST_STATES = 1_000_000


@dataclass(frozen=True, slots=True)
class Granularity:
    """Result of the granularity test of one row of a table.

    Attributes:
        mean: Whether some division into correct and wrong classifications has the mean.
        sd: Whether one has the mean and this sample SD (ddof = 1) together.
        population_sd: The same with the population SD (ddof = 0).
        baseline: Accuracy of always answering the larger class.
        sizes: Patients of the folds for which the verdict was found.
    """

    mean: Verdict
    sd: Verdict | None
    population_sd: Verdict | None
    baseline: float
    sizes: tuple[int, ...]


def fold_sizes(n: int, events: int, k: int) -> list[tuple[int, ...]]:
    """Return the usual sizes of k stratified folds, as equal as possible.

    Each class is divided by itself.

    Raises:
        ValueError: There are fewer patients than folds, or more positives than patients.
    """
    if not (1 <= k <= n and 0 <= events <= n):
        raise ValueError(f"{k} folds of {n} patients with {events} positives are not possible")
    equal = tuple(n // k + (i < n % k) for i in range(k))
    dealt = tuple(events // k + (i < events % k) + (n - events) // k + (i < (n - events) % k) for i in range(k))
    return [equal] if sorted(dealt) == sorted(equal) else [equal, dealt]


def check_accuracy(n: int, events: int, k: int, mean: str, sd: str | None = None) -> Granularity:
    """Test a published mean and SD of the accuracy over k folds.

    Args:
        n: Patients.
        events: Patients of the positive class.
        k: Folds.
        mean: As printed (``0.700``): its digits show how it was rounded.
        sd: As printed, or None.

    Raises:
        ValueError: The numbers do not describe folds.
    """
    baseline = max(events, n - events) / n if n else float("nan")
    results = []
    for sizes in fold_sizes(n, events, k):
        verdicts = _check(sizes, _rounded(mean), _rounded(sd) if sd is not None else None)
        results.append(Granularity(*verdicts, baseline, sizes))
    order = {"possible": 0, "too fine to test": 1, "impossible": 2, None: 0}
    return min(results, key=lambda r: (min(order[r.sd], order[r.population_sd]), order[r.mean]))


def _rounded(printed: str) -> tuple[Fraction, Fraction]:
    """Return the range of numbers that round to this text, both ends included."""
    text = printed.strip()
    digits = len(text.partition(".")[2])
    half = Fraction(1, 2 * 10**digits)
    value = Fraction(text)
    return value - half, value + half


def _check(
    sizes: Sequence[int], mean: tuple[Fraction, Fraction], sd: tuple[Fraction, Fraction] | None
) -> tuple[Verdict, Verdict | None, Verdict | None]:
    k, unit = len(sizes), math.lcm(*sizes)
    states = _states(sizes, unit)
    if states is None:
        fine: Verdict = "too fine to test"
        return fine, None if sd is None else fine, None if sd is None else fine
    low, high = mean[0] * k * unit, mean[1] * k * unit
    near = [
        (Fraction(total, unit), Fraction(squares, unit * unit)) for total, squares in states if low <= total <= high
    ]
    possible: Verdict = "possible" if near else "impossible"
    if sd is None:
        return possible, None, None
    low, high = max(sd[0], Fraction(0)), sd[1]
    verdicts: list[Verdict] = []
    for freedom in (k - 1, k):
        ok = freedom > 0 and any(
            low**2 <= (squares - total * total / k) / freedom <= high**2 for total, squares in near
        )
        verdicts.append("possible" if ok else "impossible")
    return possible, verdicts[0], verdicts[1]


def _states(sizes: Sequence[int], unit: int) -> set[tuple[int, int]] | None:
    """List all pairs of (sum, sum of squares) of the folds' accuracies.

    In units of 1/unit and its square.

    None if there are too many to list: then nearly every printed number is possible.
    """
    states = {(0, 0)}
    for size in sizes:
        if len(states) * (size + 1) > MOST_STATES:
            return None
        steps = [(right * unit // size, (right * unit // size) ** 2) for right in range(size + 1)]
        states = {(total + step, squares + square) for total, squares in states for step, square in steps}
    return states
