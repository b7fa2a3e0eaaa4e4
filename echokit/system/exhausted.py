"""A machine that has no room left: too little memory, a full disk, a file that cannot be written."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

from echokit.errors import EchokitError
from echokit.system.cache_folder import VARIABLE, named_cache_folder

ONEDNN = "could not create a primitive"
"""Of oneDNN without memory for its code; an unsupported operation has another message: a primitive descriptor."""
_MEMORY = (
    ONEDNN,
    "can't allocate memory",  # torch, on a CPU
    "annot allocate memory",  # the system, also through a library that was to be loaded
    "failed to map segment",  # the loader of libraries
    "std::bad_alloc",  # C++
    "can't start new thread",  # Python: no memory for its stack
    "nsufficient memory",  # OpenCV
    "ALLOC_FAILED",  # cuBLAS and cuDNN
)
_LEAST = 2**30
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of any allocator says that memory ran out."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    message = str(error)
    if type(error).__name__ == "OutOfMemoryError":  # of torch, which is slow to import
        return True
    known = isinstance(error, RuntimeError | ImportError | OSError) or type(error).__module__ == "cv2"
    return known and any(text in message for text in _MEMORY) and "primitive descriptor" not in message


def is_full_disk(error: BaseException) -> bool:
    """Whether an error says that a file had no room."""
    return isinstance(error, OSError) and error.errno in _FULL


def require_address_space() -> None:
    """Check, on Linux, that a limit (``ulimit -v``) leaves room to compute.

    With less, the libraries that compute crash where they do not check that they got memory.

    Raises:
        EchokitError: Less than 1 GiB is left.
    """
    if sys.platform != "linux":
        return
    import resource

    limit, statm = resource.getrlimit(resource.RLIMIT_AS)[0], Path("/proc/self/statm")
    if limit == resource.RLIM_INFINITY or not statm.is_file():
        return
    used = int(statm.read_text().split()[0]) * resource.getpagesize()
    if limit - used < _LEAST:
        raise EchokitError(
            f"out of memory: of the {limit / 2**30:.1f} GiB that are allowed, the libraries alone take "
            f"{used / 2**30:.1f} GiB",
            hint=f"allow at least {(used + _LEAST) / 2**30:.1f} GiB (ulimit -v {-(-(used + _LEAST) // 2**10)})",
            code="system.out_of_memory",
        )


def _hint(error: OSError) -> str | None:
    if is_full_disk(error):
        return "free some space; a run continues with --resume"
    if error.filename is None:
        return None
    file, cache = Path(os.fsdecode(error.filename)), named_cache_folder()
    ours = file.is_relative_to(cache) or cache.is_relative_to(file)
    return f"set {VARIABLE} to a folder that you can write to" if ours else None


def describe_exhausted(error: BaseException) -> EchokitError | None:
    """Describe an error of the machine, with its file; None for any other.

    An `OSError` without a file name is a defect, unless no other file can be meant: the disk is full.
    """
    if is_out_of_memory(error):
        return EchokitError(
            "out of memory",
            hint="use a smaller train.batch_size, smaller or fewer frames, or a smaller model; end other programs, "
            "or raise the limit (ulimit -v, or that of the container)",
            code="system.out_of_memory",
        )
    if not isinstance(error, OSError) or (error.filename is None and not is_full_disk(error)):
        return None
    return EchokitError(
        str(error.strerror or error),
        hint=_hint(error),
        where=None if error.filename is None else str(error.filename),
        code="system.disk_full" if is_full_disk(error) else "system.file",
    )
