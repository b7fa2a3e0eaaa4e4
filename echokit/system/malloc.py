"""Tune the C allocator to keep large blocks; must be called before torch is imported."""

from __future__ import annotations

import ctypes
import os
import sys

_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8  # from glibc's malloc.h
_KEPT = "glibc keeps freed memory, so that no step page-faults its tensors in again (M_MMAP_MAX=0, M_TRIM_THRESHOLD=-1)"
_done = "left alone: not requested"


def allocator() -> str:
    """Describe the state of the allocator of this process, for the lock."""
    return _done


def tune_allocator() -> str:
    """Keep freed memory in the process instead of returning it to the system.

    glibc maps every large tensor again and unmaps it when it is freed, so each step page-faults its tensors in again.
    With freed memory kept, training on a CPU took half the time; peak memory grows by about 40 %. Linux with glibc
    only; ``ECHOKIT_MALLOC=default`` changes nothing.

    Returns:
        A description of the state.
    """
    global _done
    if _done != _KEPT:
        _done = _tune()
    return _done


def give_memory_back() -> None:
    """Return freed memory to the system."""
    if _glibc():
        ctypes.CDLL(None).malloc_trim(0)


def share_heap() -> None:
    """Let later threads share one heap; by default glibc reserves one for each."""
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
