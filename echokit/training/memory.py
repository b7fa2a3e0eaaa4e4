"""When memory runs out: one sentence, with the batch size that would have fitted, found by trying."""

from __future__ import annotations

import gc
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch

from echokit.errors import EchokitError
from echokit.training.allocator import give_memory_back, share_heap
from echokit.training.processes import processes

_ONEDNN = "could not create a primitive"
_SHORT = (
    _ONEDNN,  # of what it does not support it says: a primitive descriptor
    "can't allocate memory",  # torch, on a CPU
    "std::bad_alloc",  # C++
    "can't start new thread",  # Python: there is no room for its stack
    "ALLOC_FAILED",  # cuBLAS and cuDNN
)


@contextmanager
def explain_out_of_memory(batch_size: int, attempt: Callable[[int], None] | None = None) -> Iterator[None]:
    """Say in one sentence that memory ran out, which each allocator says in its own way.

    Args:
        batch_size: That did not fit.
        attempt: Computes a training step of so many clips, to find out how many do fit; None tries nothing. One of
            several processes tries nothing either: it would wait for the others in their batch norms.

    Raises:
        EchokitError: Memory ran out.
    """
    short = False
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        short = _is_short(error)
        if not short:
            raise
        _let_go(error)
    if short:
        alone = processes().count == 1
        fits = largest_that_fits(attempt, batch_size) if attempt is not None and alone else 0
        raise EchokitError(
            f"there is not enough memory for batches of {batch_size} clips",
            hint=_hint(fits, tried=attempt is not None and alone, alone=alone),
            where="train.batch_size",
        )


def largest_that_fits(attempt: Callable[[int], None], below: int) -> int:
    """The largest batch, smaller than one that did not fit, for which memory is enough; 0 where it is for none."""
    fits, too_many = 0, below
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        if _succeeds(attempt, middle):
            fits = middle
        else:
            too_many = middle
    return fits


def _succeeds(attempt: Callable[[int], None], clips: int) -> bool:
    def in_a_fresh_thread(clips: int) -> None:
        share_heap()
        with ThreadPoolExecutor(1) as thread:
            thread.submit(attempt, clips).result()

    said = _shortage(attempt, clips)
    if _ONEDNN in said:  # once it lacked memory for its code, it fails in that thread for good
        said = _shortage(in_a_fresh_thread, clips)
    return not said


def _shortage(attempt: Callable[[int], None], clips: int) -> str:
    """What the allocator says of an attempt; empty where memory is enough."""
    gc.collect()
    give_memory_back()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    try:
        attempt(clips)
    except (MemoryError, RuntimeError) as error:
        if not _is_short(error):
            raise
        _let_go(error)
        return str(error) or "MemoryError"
    return ""


def _hint(fits: int, *, tried: bool, alone: bool) -> str:
    if fits:
        step = f"a training step of {fits} {'clip' if fits == 1 else 'clips'}"
        return f"{step} fits (tried): train.batch_size: {fits}; train.accumulate makes up for it"
    smaller = "a smaller train.batch_size or train.eval_batch_size, fewer frames, a smaller size or model"
    if tried:
        return f"not even a step of 1 clip fits (tried): {smaller}"
    return smaller if alone else f"{smaller}; one process alone tries out which batch fits, several do not"


def _let_go(error: BaseException) -> None:
    """Free what the failed step had computed: the error, which is still on its way up, holds it by its traceback."""
    traceback.clear_frames(error.__traceback__)


def _is_short(error: BaseException) -> bool:
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    said = str(error)
    return any(short in said for short in _SHORT) and "primitive descriptor" not in said
