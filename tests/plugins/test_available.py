"""The table of available plugins is what the packages say of themselves."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from echokit.cli import exit_code
from echokit.plugins.available import TABLE, available_plugins

ROOT = Path(__file__).resolve().parents[2]


def table() -> str:
    """Write the table, from the packages under ``plugins/``."""
    own = {_word(text) for text in _project(ROOT)["dependencies"]} | {_word(_project(ROOT)["name"])}
    rows = []
    for path in sorted((ROOT / "plugins").glob("*/pyproject.toml")):
        project = _project(path.parent)
        [name] = project["entry-points"]["echokit"]
        needs = [word for text in project["dependencies"] if (word := _word(text)) not in own]
        head = {"name": name, "package": project["name"], "version": project["version"]}
        rows.append({**head, "summary": project["description"], "needs": needs})
    return json.dumps(rows, indent=2) + "\n"


def _project(folder: Path) -> dict:
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def _word(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9_.-]", requirement)[0].lower()


def test_the_table_is_that_of_the_packages() -> None:
    assert TABLE.read_text(encoding="utf-8") == table(), "write it with python -m tests.plugins.test_available"


def test_each_is_listed_with_its_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["plugin", "list", "--available", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["captum"]["needs"] == ["captum"]
    assert rows["captum"]["status"] in ("loaded", "not installed")
    assert exit_code(["plugin", "list", "--available"]) == 0
    text = capsys.readouterr().out
    for plugin in available_plugins():
        assert (ROOT / plugin.install.split()[-1] / "pyproject.toml").is_file()
        assert plugin.summary in text
        assert (plugin.install in text) == (rows[plugin.name]["status"] == "not installed")


if __name__ == "__main__":
    TABLE.write_text(table(), encoding="utf-8")
