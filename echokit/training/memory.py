"""When memory runs out: one sentence, with the batch size that would have fitted, found by trying."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from echokit.errors import EchokitError


@contextmanager
def memory_told(batch_size: int, attempt: Callable[[int], None] | None = None) -> Iterator[None]:
    """Say in one sentence that memory ran out, which each allocator says in its own way.

    Args:
        batch_size: That did not fit.
        attempt: Computes a training step of so many clips, to find out how many do fit; None tries nothing.

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
    if short:  # outside the handler: its traceback would hold what has to be freed before the next attempt
        fits = largest_that_fits(attempt, batch_size) if attempt is not None else 0
        clips = "clip" if fits == 1 else "clips"
        raise EchokitError(
            f"there is not enough memory for batches of {batch_size} clips",
            hint=f"a training step of {fits} {clips} fits (tried): train.batch_size: {fits}; train.accumulate makes "
            "up for it"
            if fits
            else "a smaller train.batch_size or train.eval_batch_size, fewer frames, a smaller size or model",
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
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    try:
        attempt(clips)
    except (MemoryError, RuntimeError) as error:
        if not _is_short(error):
            raise
        return False
    return True


def _is_short(error: BaseException) -> bool:
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
