"""Normalisation of a stream before the network."""

from __future__ import annotations

import math
from dataclasses import dataclass

from echokit.errors import DataError, EchokitError


@dataclass(frozen=True, slots=True)
class Norm:
    """Mean and standard deviation of each channel of a stream, in real units.

    Grey from 0 to 255, flow in pixels a frame.

    Attributes:
        mean: Subtracted first.
        std: Divisor of the difference.

    Raises:
        DataError: A number is not finite, or a standard deviation is not above zero (a constant stream).
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.mean or len(self.mean) != len(self.std):
            raise ValueError(f"Norm has {len(self.mean)} means for {len(self.std)} standard deviations")
        if not all(
            math.isfinite(mean) and math.isfinite(std) and std > 0
            for mean, std in zip(self.mean, self.std, strict=True)
        ):
            raise DataError(
                f"a stream cannot be normalised with mean {self.mean} and standard deviation {self.std}",
                hint="the training clips are constant or damaged; look at them, or use raw normalisation",
                code="norm.not_usable",
            )


def raw(channels: int) -> Norm:
    """Return the normalisation that changes nothing, as in the study."""
    return Norm((0.0,) * channels, (1.0,) * channels)


def read_norms(content: object, where: str) -> dict[str, Norm]:
    """Read the norms of all streams from the metadata of weights.

    Args:
        content: ``{stream: {mean, std}}``, as `fit_fold` writes it.
        where: Name of the weights, for the error.

    Raises:
        EchokitError: They are missing, or are not numbers of one length.
    """
    try:
        return {
            str(name): Norm(*(tuple(float(number) for number in norm[key]) for key in ("mean", "std")))
            for name, norm in content.items()  # type: ignore[attr-defined]
        }
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise EchokitError(
            "the weights do not hold the means and deviations with which clips are normalised",
            hint="copy the file again; for initial weights, model.weights.norm: new computes them",
            where=where,
            code="weights.bad_norms",
        ) from error
