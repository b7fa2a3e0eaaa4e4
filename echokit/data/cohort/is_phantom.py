"""Whether data are synthetic, for plugins that write files of their own."""

from __future__ import annotations

from pathlib import Path

from echokit.data.cohort.cohort import Cohort
from echokit.errors import DataError
from echokit.system import phantom_mark


def is_phantom(data: Cohort | Path | str) -> bool:
    """Return whether data are synthetic: PHANTOM DATA.

    What is made from such data has to say so, and a folder of copies needs its own ``PHANTOM_DATA.json``.

    Args:
        data: A cohort, a video or a folder.

    Raises:
        DataError: There is no such video or folder.
    """
    if isinstance(data, Cohort):
        return data.phantom or phantom_mark.is_phantom(*map(Path, data.cases["source"]))
    path = Path(data)
    if not path.exists():  # a typing mistake must not look like patients' data
        raise DataError("there is no such file or folder", where=path.name, code="file.missing")
    return phantom_mark.is_phantom(path)
