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

    def padded(self) -> int:
        """How many cases have a window that is padded."""
        return len(np.unique(self.case[(self.frames == PADDING).any(axis=1)]))
