"""Explain that memory ran out, and find the batch size that fits."""

from __future__ import annotations

import gc
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch

from echokit.errors import EchokitError
from echokit.system.exhausted import ONEDNN, is_out_of_memory
from echokit.system.malloc import give_memory_back, share_heap
from echokit.training.hardware.distributed import processes


@contextmanager
def explain_out_of_memory(batch_size: int, attempt: Callable[[int], None] | None = None) -> Iterator[None]:
    """Raise one error for the messages of all allocators.

    Args:
        batch_size: The batch size that does not fit.
        attempt: Computes a training step of a number of clips, to search the largest one that fits; None searches
            nothing. One of several processes searches nothing either: its batch norms would wait for the others.

    Raises:
        EchokitError: Memory ran out.
    """
    shortage = False
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        shortage = is_out_of_memory(error)
        if not shortage:
            raise
        _free_tensors(error)
    if shortage:
        alone = processes().count == 1
        fits = largest_that_fits(attempt, batch_size) if attempt is not None and alone else 0
        raise EchokitError(
            f"there is not enough memory for batches of {batch_size} clips",
            hint=_hint(fits, tried=attempt is not None and alone, alone=alone),
            where="train.batch_size",
            code="train.out_of_memory",
        )


def largest_that_fits(attempt: Callable[[int], None], below: int) -> int:
    """Find the largest batch below one that does not fit; 0 if none fits."""
    fits, too_many = 0, below
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        if _succeeds(attempt, middle):
            fits = middle
        else:
            too_many = middle
    return fits


def _succeeds(attempt: Callable[[int], None], clips: int) -> bool:
    def in_new_thread(clips: int) -> None:
        share_heap()
        with ThreadPoolExecutor(1) as thread:
            thread.submit(attempt, clips).result()

    message = _shortage(attempt, clips)
    if ONEDNN in message:  # after one failure to get memory for its code, oneDNN always fails in that thread
        message = _shortage(in_new_thread, clips)
    return not message


def _shortage(attempt: Callable[[int], None], clips: int) -> str:
    """Return the allocator's message for an attempt; empty if memory is enough."""
    gc.collect()
    give_memory_back()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    try:
        attempt(clips)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        _free_tensors(error)
        return str(error) or "MemoryError"
    return ""


def _hint(fits: int, *, tried: bool, alone: bool) -> str:
    if fits:
        step = f"a training step of {fits} {'clip' if fits == 1 else 'clips'}"
        return f"{step} fits (tested): use train.batch_size: {fits}, and train.accumulate for the same step size"
    smaller = "use a smaller train.batch_size or train.eval_batch_size, fewer frames, smaller frames or a smaller model"
    if tried:
        return f"not even a step of 1 clip fits (tested): {smaller}"
    return smaller if alone else f"{smaller}; a single process tests which batch fits, several do not"


def _free_tensors(error: BaseException) -> None:
    """Free the tensors of the failed step, which the traceback of the error holds."""
    traceback.clear_frames(error.__traceback__)
