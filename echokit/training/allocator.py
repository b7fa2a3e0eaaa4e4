"""The C allocator, told to keep large blocks: must be imported, and called, before torch."""

from __future__ import annotations

import ctypes
import os
import sys

_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8  # from glibc's malloc.h
_KEPT = "glibc keeps freed memory, so that no step page-faults its tensors in again (M_MMAP_MAX=0, M_TRIM_THRESHOLD=-1)"
_done = "left alone: nobody asked"


def allocator() -> str:
    """What was done to the allocator of this process, in words, for the lock."""
    return _done


def tune_allocator() -> str:
    """Keep freed memory in the process, so that each step does not page-fault its tensors in again.

    glibc maps every large tensor afresh and unmaps it when it is freed. SelectedEpoch instead, training on a CPU took
    half the time; peak memory grows by about 40 %. Linux with glibc only; ``ECHOKIT_MALLOC=default`` leaves
    all as it is.

    Returns:
        What was done, in words.
    """
    global _done
    if _done != _KEPT:
        _done = _tune()
    return _done


def give_memory_back() -> None:
    """Give the system what was freed and kept."""
    if _glibc():
        ctypes.CDLL(None).malloc_trim(0)


def share_heap() -> None:
    """Let threads that begin later share the heap of the others; by default glibc reserves each one its own."""
    if _glibc():
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def _tune() -> str:
    if os.environ.get("ECHOKIT_MALLOC") == "default":
        return "left alone: ECHOKIT_MALLOC=default"
    if "torch" in sys.modules:
        return "left alone: torch was imported before"
    if not _glibc():
        return "left alone: not glibc"
    mallopt = ctypes.CDLL(None).mallopt
    if mallopt(_M_MMAP_MAX, 0) and mallopt(_M_TRIM_THRESHOLD, -1):
        return _KEPT
    return "left alone: mallopt refused"


def _glibc() -> bool:
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc")
    except (AttributeError, ValueError, OSError):  # no such call, or no such name: another C library
        return False
