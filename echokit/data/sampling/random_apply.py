"""Random apply: another augmentation, for a part of the samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from echokit.data.sampling.labelled_batch import takes_batch
from echokit.errors import EchokitError
from echokit.plugins.component_parameter import ComponentOf

if TYPE_CHECKING:
    from torch import Generator, Tensor


class RandomApply:
    """Apply an augmentation to each sample with a probability.

    The other samples stay as they are.

    Args:
        of: The augmentation.
        p: Probability that a sample is changed.

    Raises:
        EchokitError: The augmentation takes a whole batch.
    """

    def __init__(
        self, *, of: Annotated[Any, ComponentOf("augmentation")], p: Annotated[float, Field(ge=0, le=1)] = 0.5
    ) -> None:
        if takes_batch(of):
            raise EchokitError(
                f"{type(of).__name__} mixes the samples of a batch, and random_apply takes one sample at a time",
                hint="give it a probability of its own",
                code="augment.whole_batch",
            )
        self.of = of
        self.p = p

    def __call__(self, streams: dict[str, Tensor], generator: Generator) -> dict[str, Tensor]:
        """Return the streams (B, C, T, H, W), some samples changed."""
        import torch

        first = next(iter(streams.values()))
        applied = torch.rand(len(first), generator=generator, device=first.device) < self.p
        changed = self.of(streams, generator)
        chosen = applied[:, None, None, None, None]
        return {name: torch.where(chosen, changed[name], stream) for name, stream in streams.items()}
