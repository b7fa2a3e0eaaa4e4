"""Ema: the exponential moving average of a model's weights over the steps of a phase."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from echokit.training.parts import head_state


@dataclass
class Ema:
    """The average, beside the model that it follows.

    In the beginning it forgets faster, as after n steps it keeps at most (1 + n) / (10 + n), so that the start of a
    short training does not weigh on its end. Batch-norm statistics are averaged with the weights they belong to.

    Attributes:
        model: What is followed.
        decay: Part of the average that a step keeps, in the long run.
        average: Floating-point tensors of the model's state, by name.
        steps: How many were averaged.
    """

    model: nn.Module
    decay: float
    average: dict[str, Tensor]
    steps: int = 0

    def update(self) -> None:
        """Take in the weights after a step."""
        self.steps += 1
        keep = min(self.decay, (1 + self.steps) / (10 + self.steps))
        state = self.model.state_dict()
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.values()), [state[name] for name in self.average], 1 - keep)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Let the model have the average inside the block, and its own weights afterwards."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def restore(self, tensors: Mapping[str, Tensor], steps: int) -> None:
        """Put back an average that was saved.

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
                own = state[name].detach().clone()
                state[name].copy_(average)
                average.copy_(own)


def follow(model: nn.Module, decay: float, *, head_only: bool) -> Ema:
    """Start to average a model from the weights that it has.

    Args:
        model: What is followed.
        decay: As in the settings.
        head_only: Whether nothing but the head moves.
    """
    state = head_state(model) if head_only else model.state_dict()
    return Ema(model, decay, {name: t.detach().clone() for name, t in state.items() if t.is_floating_point()})
