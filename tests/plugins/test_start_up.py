"""A list and the help import nothing heavy, whatever is installed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.start_up import PLUGINS, write_plugins

HEAVY = ("torch", "numpy", "pandas", "cv2", "scipy", "sklearn", "matplotlib", "timm", "yaml", "pydantic")
PROBE = """
import sys
from echokit.cli import exit_code
code = exit_code(sys.argv[1:])
sys.exit(", ".join(name for name in {heavy} if name in sys.modules) or code)
"""


@pytest.mark.parametrize("command", [["list"], ["list", "masks"], ["--help"], ["plugin", "list", "--available"]])
def test_a_list_with_five_plugins_imports_nothing_heavy(command: list[str], tmp_path: Path) -> None:
    write_plugins(tmp_path)
    names = [f"lab_{number}" for number in range(PLUGINS)]
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(heavy=HEAVY), *command],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path, "ECHOKIT_PLUGINS": ",".join(names)},
    )
    assert done.returncode == 0, done.stderr
    if "--available" not in command:
        assert "lab_4" in done.stdout
    if command == ["list"]:
        assert done.stdout.count("no summary") == PLUGINS
