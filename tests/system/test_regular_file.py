"""FIFOs, sockets and devices are refused: reading one could block forever or never end."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from echokit.data.cohort.cohort import COLUMNS, Cohort
from echokit.data.cohort.exclusions import exclude
from echokit.data.cohort.table_rows import read_rows
from echokit.data.video.read import read_video
from echokit.errors import EchokitError
from echokit.models.weights.weight_files import load_weights, read_weights
from echokit.recipe.yaml_file import read_yaml
from echokit.system.hashing import content_hash
from echokit.tools.bench.difference import read_table
from echokit.tools.dataset_check.check_dataset import Checkup
from echokit.tools.dataset_check.report import write_exclusions

OPENINGS: dict[str, Callable[[Path], Any]] = {
    "a video": read_video,
    "its content": content_hash,
    "a table": read_rows,
    "a list of exclusions": lambda path: exclude(Cohort(pd.DataFrame(columns=list(COLUMNS)), "none"), path),
    "a list to write": lambda path: write_exclusions(Checkup("table", True, 0, 0, ()), path),
    "a recipe": read_yaml,
    "weights": load_weights,
    "weights of torch": read_weights,
    "results": read_table,
}


@pytest.mark.skipif(os.name != "posix", reason="there are no such files")
@pytest.mark.parametrize("what", OPENINGS)
def test_a_file_that_is_not_regular_is_refused(tmp_path: Path, what: str) -> None:
    device, pipe, plug = (tmp_path / name for name in ("device.avi", "pipe.avi", "socket.avi"))
    device.symlink_to(os.devnull)  # the first, as it never blocks
    os.mkfifo(pipe)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(plug))
        for path in (device, pipe, plug):
            with pytest.raises((EchokitError, OSError)) as caught:
                OPENINGS[what](path)
            assert "not a regular file" in str(caught.value) or what in ("a list of exclusions", "results")
            assert path.is_symlink() or not path.is_file()
