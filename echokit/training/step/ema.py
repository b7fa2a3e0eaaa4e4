"""Exponential moving average of the weights over the steps of a phase."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from echokit.training.model_parts import head_state


@dataclass
class Ema:
    """An exponential moving average of the weights of a model.

    After n steps the decay is at most (1 + n) / (10 + n), so that the initial weights of a short training have little
    influence on its end. Batch-norm statistics are averaged with the weights they belong to.

    Attributes:
        model: The model.
        decay: Fraction of the average that a step keeps, in the long run.
        average: Floating-point tensors of the model's state, by name.
        steps: Number of averaged steps.
    """

    model: nn.Module
    decay: float
    average: dict[str, Tensor]
    steps: int = 0

    def update(self) -> None:
        """Update the average after a step."""
        self.steps += 1
        keep = min(self.decay, (1 + self.steps) / (10 + self.steps))
        state = self.model.state_dict()
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.values()), [state[name] for name in self.average], 1 - keep)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Use the average as the weights of the model inside the block."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def restore(self, tensors: Mapping[str, Tensor], steps: int) -> None:
        """Restore a saved average.

        Raises:
            KeyError: A tensor is missing.
        """
        for name, tensor in self.average.items():
            tensor.copy_(tensors[name])
        self.steps = steps

    def _swap(self) -> None:
        state = self.model.state_dict()
        with torch.no_grad():
            for name, average in self.average.items():
                weights = state[name].detach().clone()
                state[name].copy_(average)
                average.copy_(weights)


def follow(model: nn.Module, decay: float, *, head_only: bool) -> Ema:
    """Start an average at the present weights of a model.

    Args:
        model: The model.
        decay: As in the settings.
        head_only: Whether only the head is trained.
    """
    state = head_state(model) if head_only else model.state_dict()
    return Ema(model, decay, {name: t.detach().clone() for name, t in state.items() if t.is_floating_point()})
