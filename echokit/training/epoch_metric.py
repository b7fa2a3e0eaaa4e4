"""Numbers of the validation set that evaluators compute after each epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from echokit.training.scoring import Scores


@dataclass(frozen=True, slots=True)
class EpochMetric:
    """A number that selects the epoch, or ends a phase.

    Attributes:
        name: In the history: ``val_pauroc``.
        larger_is_better: Whether a larger number is an improvement.
        measure: Computes it from the scores of the validation cases; None if it is undefined.
    """

    name: str
    larger_is_better: bool
    measure: Callable[[Scores], float | None]
