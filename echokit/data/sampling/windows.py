"""Windows: which frames of which prepared clip each sample is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

PADDING = -1


@dataclass(frozen=True, slots=True)
class Windows:
    """The samples of one epoch of one split.

    Attributes:
        case: (n,) int64 positions in the sequence of lengths that the sampler was given.
        frames: (n, frames) int64 frame numbers inside the prepared clip; ``PADDING`` (-1) if the clip is too short
            (always a tail). The padded part is zero after normalisation.
    """

    case: npt.NDArray[np.int64]
    frames: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.case)

    def at(self, positions: npt.NDArray[np.int64]) -> Windows:
        """Select windows by their positions."""
        return Windows(self.case[positions], self.frames[positions])

    def middle(self) -> npt.NDArray[np.int64]:
        """Find the position of one window of each case, the middle one in their order."""
        order = np.argsort(self.case, kind="stable")
        _, first, count = np.unique(self.case[order], return_index=True, return_counts=True)
        return np.sort(order[first + (count - 1) // 2])

    def same_as(self, other: Windows) -> bool:
        """Whether both have the same frames of the same cases, in the same order."""
        return np.array_equal(self.case, other.case) and np.array_equal(self.frames, other.frames)

    def padded(self) -> int:
        """How many cases have a window that is padded."""
        return len(np.unique(self.case[(self.frames == PADDING).any(axis=1)]))
