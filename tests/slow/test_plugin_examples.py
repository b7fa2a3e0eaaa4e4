"""The page of plugins of one file: every file is written and every command is executed, with small runs."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.slow.test_documentation import BIN, ROOT, small

pytestmark = pytest.mark.slow
PAGE = ROOT / "docs" / "plugins" / "examples.md"
PART = re.compile(r"^## (.+)$", re.M)
FILE = re.compile(r"`(\w+\.py)`:\n\n```python\n(.*?)^```$", re.S | re.M)


def parts() -> dict[str, str]:
    """The text below each heading, for those with files."""
    _, *rest = PART.split(PAGE.read_text(encoding="utf-8"))
    return {title: text for title, text in zip(rest[::2], rest[1::2], strict=True) if FILE.search(text)}


def test_the_page_has_seven_plugins() -> None:
    assert len(parts()) == 7


@pytest.mark.parametrize("title", parts())
def test_a_plugin_of_the_page_works(title: str, tmp_path: Path) -> None:
    text = parts()[title]
    for name, code in FILE.findall(text):
        (tmp_path / name).write_text(code, encoding="utf-8")
    commands = [shlex.split(line[2:]) for line in text.splitlines() if line.startswith("$ ")]
    assert commands[0][:3] == ["echokit", "plugin", "check"]
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "ECHOKIT_CACHE": str(tmp_path / "cache")}
    for command in commands:
        program = sys.executable if command[0] == "python" else command[0]
        # What the page chooses comes last, and so counts: a metric that keeps the epoch.
        options = small(command) if command[:2] == ["echokit", "run"] else []
        done = subprocess.run(
            [program, *command[1:3], *options, *command[3:]],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env=environment,
        )
        assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}\n{done.stderr}"
        if command[1:3] == ["plugin", "check"]:
            assert int(re.search(r"(\d+) passed", done.stdout)[1]) >= 5  # type: ignore[index]
    runs = list((tmp_path / "runs").glob("*/latest"))
    if runs:
        (run,) = runs
        assert json.loads((run / "metrics.json").read_text())
        assert "PHANTOM DATA" in (run / "summary.md").read_text()
        assert f"plugin: {commands[0][3]}" in (run / "lock.yaml").read_text()
