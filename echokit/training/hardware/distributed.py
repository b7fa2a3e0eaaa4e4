"""Train one model in several processes, started by ``accelerate launch`` or ``torchrun``.

Each process computes its share of every batch; gradients are summed over all. Random numbers and decisions are the same
in all processes, and only the main process writes files and prints. Usually there is one process.
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
    """The processes of a training.

    Attributes:
        index: Number of this process, from 0.
        count: Number of processes.
    """

    index: int = 0
    count: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this process writes and prints."""
        return self.index == 0

    def add(self, *tensors: Tensor) -> None:
        """Replace tensors by their sums over all processes."""
        if self.count > 1:
            for tensor in tensors:
                torch.distributed.all_reduce(tensor)

    def add_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Replace gradients by their sums over all processes; missing ones are zero."""
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
        """Return the value of each process, in their order."""
        if self.count == 1:
            return [value]
        values: list[Any] = [None] * self.count
        torch.distributed.all_gather_object(values, value)
        return values

    def broadcast(self, value: Any) -> Any:
        """Return the value of the main process."""
        if self.count == 1:
            return value
        values = [value]
        torch.distributed.broadcast_object_list(values, src=0)
        return values[0]

    def average_buffers(self, model: torch.nn.Module) -> None:
        """Average floating-point buffers (statistics of batch norm) over processes."""
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
        """Run the block in the main process before the others, which find its files."""
        if not self.is_main:
            self.wait()
        yield
        if self.is_main:
            self.wait()

    def wait(self) -> None:
        """Wait for all processes."""
        if self.count > 1:
            torch.distributed.barrier()


ALONE = Processes()


def launched_processes() -> int:
    """Return the number of processes that a launcher started."""
    number = os.environ.get("WORLD_SIZE", "1")
    return int(number) if number.isdigit() else 1


def init_distributed(device: torch.device) -> tuple[Processes, torch.device]:
    """Join the other processes, if a launcher has started some.

    Args:
        device: Kind of device that was chosen.

    Returns:
        The processes, and the device of this one.

    Raises:
        EchokitError: accelerate started one process instead of several.
    """
    if launched_processes() == 1:
        _require_launched()
        return ALONE, device
    from accelerate import PartialState

    # The main process prepares all videos while the others wait, which takes longer than the default timeout.
    state = PartialState(cpu=device.type == "cpu", timeout=timedelta(days=2))
    atexit.register(state.destroy_process_group)
    process_device = state.device if device.type == "cuda" else device
    return Processes(state.process_index, state.num_processes), process_device


def _require_launched() -> None:
    """Refuse a single process of ``accelerate launch`` instead of several.

    On a CPU or a single GPU it sets the address of the main process, but not the number of processes.
    """
    if {"ACCELERATE_USE_CPU", "MASTER_ADDR", "MASTER_PORT"} <= os.environ.keys() and "WORLD_SIZE" not in os.environ:
        raise EchokitError(
            "accelerate started one process instead of several: it does not share a CPU or a single GPU",
            hint="use torchrun --nproc-per-node N -m echokit run RECIPE; for one process, remove --num_processes "
            "(or unset MASTER_ADDR)",
            where="accelerate launch",
            code="processes.not_launched",
        )


def processes() -> Processes:
    """Return the processes of this training."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return ALONE
    return Processes(torch.distributed.get_rank(), torch.distributed.get_world_size())


def _buckets(tensors: Sequence[Tensor], elements: int = 25_000_000) -> list[list[Tensor]]:
    """Group tensors of one dtype, with a limit on the elements of a group."""
    buckets: list[list[Tensor]] = [[]]
    size = 0
    for tensor in tensors:
        if buckets[-1] and (size + tensor.numel() > elements or tensor.dtype != buckets[-1][0].dtype):
            buckets.append([])
            size = 0
        buckets[-1].append(tensor)
        size += tensor.numel()
    return [bucket for bucket in buckets if bucket]
