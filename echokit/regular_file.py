"""Files that can be read to their end: a FIFO waits for ever for its writer, and a device may have no end."""

from __future__ import annotations

import errno
import stat
from pathlib import Path


def require_regular(path: Path) -> None:
    """Check that a path is a regular file, or a link to one, before anything opens it.

    Raises:
        OSError: It is not there, or is a folder, a FIFO, a socket or a device.
        ValueError: It is no valid path.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
