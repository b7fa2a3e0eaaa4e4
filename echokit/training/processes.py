"""Processes that train one model together, as ``accelerate launch`` and ``torchrun`` start them; usually there is one.

Each process takes its share of every batch; gradients are summed over all. What is drawn, read and decided is the same
in all of them, and only the first one writes and speaks.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor

from echokit.errors import EchokitError


@dataclass(frozen=True, slots=True)
class Processes:
    """The processes of this training.

    Attributes:
        index: Number of this one, from 0.
        count: How many there are.
    """

    index: int = 0
    count: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this one writes and speaks."""
        return self.index == 0

    def add(self, *tensors: Tensor) -> None:
        """Replace tensors by their sums over all processes."""
        if self.count > 1:
            for tensor in tensors:
                torch.distributed.all_reduce(tensor)

    def add_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Replace gradients by their sums over all processes; one that is missing here counts as zero."""
        if self.count == 1:
            return
        trained = list(parameters)
        for parameter in trained:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        for bucket in _buckets([p.grad for p in trained if p.grad is not None]):
            flat = torch.cat([gradient.reshape(-1) for gradient in bucket])
            torch.distributed.all_reduce(flat)
            parts = torch.split(flat, [gradient.numel() for gradient in bucket])
            for gradient, part in zip(bucket, parts, strict=True):
                gradient.copy_(part.view(gradient.shape))

    def gather(self, value: Any) -> list[Any]:
        """What each process has, in their order."""
        if self.count == 1:
            return [value]
        values: list[Any] = [None] * self.count
        torch.distributed.all_gather_object(values, value)
        return values

    def broadcast(self, value: Any) -> Any:
        """What the first process has."""
        if self.count == 1:
            return value
        values = [value]
        torch.distributed.broadcast_object_list(values, src=0)
        return values[0]

    def average_buffers(self, model: torch.nn.Module) -> None:
        """Give all processes the mean of their floating-point buffers: the running statistics of batch norm."""
        if self.count == 1:
            return
        buffers = [b for b in model.buffers() if b.is_floating_point()]
        flat = torch.cat([b.reshape(-1).double() for b in buffers]) if buffers else torch.zeros(1, dtype=torch.float64)
        torch.distributed.all_reduce(flat)
        parts = torch.split(flat / self.count, [b.numel() for b in buffers]) if buffers else ()
        for buffer, part in zip(buffers, parts, strict=True):
            buffer.copy_(part.view(buffer.shape))

    @contextmanager
    def main_process_first(self) -> Iterator[None]:
        """Let the first process do the block before the others do, so that they find what it made."""
        if not self.is_main:
            self.wait()
        yield
        if self.is_main:
            self.wait()

    def wait(self) -> None:
        """Wait until all processes have come here."""
        if self.count > 1:
            torch.distributed.barrier()


ALONE = Processes()


def launched_processes() -> int:
    """How many processes a launcher started."""
    number = os.environ.get("WORLD_SIZE", "1")
    return int(number) if number.isdigit() else 1


def init_distributed(device: torch.device) -> tuple[Processes, torch.device]:
    """Join the other processes, if a launcher has started some.

    Args:
        device: Kind of device that was chosen.

    Returns:
        The processes, and the device of this one.

    Raises:
        EchokitError: accelerate was to start several processes and has started one.
    """
    if launched_processes() == 1:
        _require_launched()
        return ALONE, device
    from accelerate import PartialState

    # The first process prepares every video while the others wait for it: that takes longer than the usual limit.
    state = PartialState(cpu=device.type == "cpu", timeout=timedelta(days=2))
    atexit.register(state.destroy_process_group)
    own = state.device if device.type == "cuda" else device
    return Processes(state.process_index, state.num_processes), own


def _require_launched() -> None:
    """Refuse the one process that ``accelerate launch`` starts in place of several, on a CPU or on a single GPU.

    It then tells the process where to meet the others, and neither how many they are nor its number.
    """
    if {"ACCELERATE_USE_CPU", "MASTER_ADDR", "MASTER_PORT"} <= os.environ.keys() and "WORLD_SIZE" not in os.environ:
        raise EchokitError(
            "accelerate was asked for several processes and has started one: it does not divide a CPU or a single GPU",
            hint="torchrun --nproc-per-node N -m echokit run RECIPE does; for one process leave --num_processes out "
            "(or unset MASTER_ADDR)",
            where="accelerate launch",
        )


def processes() -> Processes:
    """The processes that were joined."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return ALONE
    return Processes(torch.distributed.get_rank(), torch.distributed.get_world_size())


def _buckets(tensors: Sequence[Tensor], elements: int = 25_000_000) -> list[list[Tensor]]:
    """Tensors of one dtype in groups of at most so many elements (or a single larger one)."""
    buckets: list[list[Tensor]] = [[]]
    size = 0
    for tensor in tensors:
        if buckets[-1] and (size + tensor.numel() > elements or tensor.dtype != buckets[-1][0].dtype):
            buckets.append([])
            size = 0
        buckets[-1].append(tensor)
        size += tensor.numel()
    return [bucket for bucket in buckets if bucket]
