"""Hostile names: of files, columns, runs, plugins and components, on the command line and in tables."""

import csv
import shutil
from pathlib import Path

import pytest

from echokit.cli import exit_code
from echokit.errors import EchokitError
from echokit.plugins.discovery import installed
from echokit.recipe.validate import load_recipe
from tests.slow.campaign import Campaign

pytestmark = pytest.mark.slow

NAMES = {
    "empty": "",
    "dot": ".",
    "parent": "..",
    "outside": "../../etc/passwd",
    "absolute": "/etc/passwd",
    "device": "/dev/null",
    "NUL": "a\0b",
    "line": "a\nb",
    "return": "a\rb",
    "tab": "a\tb",
    "escape": "a\x1b[2Jb",
    "bell": "\a",
    "bidi": "a\u202efdp.exe",
    "isolate": "\u2066a\u2069",
    "line separator": "a\u2028b",
    "zero width": "a\u200bb",
    "long": "a" * 300,
    "very long": "a" * 100_000,
    "surrogate": "a\udcff",
    "high": "\U0001f600",
    "decomposed": "e\u0301",
    "spaces": "   ",
    "option": "--help-me",
    "formula": "=1+1",
    "markup": "<script>alert(1)</script>",
    "rich": "[red]a[/red]",
    "quotes": "'\"`",
    "percent": "%s%n{0}{x}",
    "variable": "${HOME}",
    "glob": "*?[a]",
    "colon": "a:b:c",
    "backslash": "a\\b",
    "reserved": "CON",
}
UNSAFE = ("\0", "\x1b", "\a", "\u202e", "\u2066", "\u2028")


def check_output(text: str) -> None:
    """Check that a terminal shows the text as it is, and that a reader can take it in."""
    assert not [character for character in UNSAFE if character in text], "a control character is printed"
    assert "Traceback" not in text
    assert len(text) < 20_000, f"{len(text):,} characters"


COMMANDS = {
    "validate": ["validate", "{}"],
    "explain": ["explain", "{}"],
    "run": ["run", "{}"],
    "prepare": ["data", "prepare", "{}"],
    "check": ["data", "check", "{}"],
    "show": ["show", "{}"],
    "list": ["list", "{}"],
    "plugin check": ["plugin", "check", "{}"],
    "predict": ["predict", "{}", "{}"],
    "report": ["report", "{}"],
    "compare": ["compare", "{}", "{}"],
    "evaluate": ["evaluate", "{}"],
    "audit": ["audit", "{}"],
    "bench": ["bench", "{}"],
    "set": ["validate", "ef_112", "--set", "{}=1"],
    "value": ["validate", "ef_112", "--set", "name={}"],
    "method": ["mask", "{}", "--out", "masked", "--method", "{}"],
    "command": ["{}"],
}


def test_names_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    campaign = Campaign("names on the command line")
    monkeypatch.chdir(tmp_path)
    for title, command in COMMANDS.items():
        for kind, name in NAMES.items():
            if "\0" in name:  # no program can be given one
                continue
            with campaign.attempt(f"{title}, {kind}"):
                code = exit_code([word.replace("{}", name) for word in command])
                output, errors = capsys.readouterr()
                check_output(errors)
                if title not in ("command", "value", "list"):  # some of these names are right there
                    assert code in (1, 2), output[-200:]
    campaign.finish(at_least=500)


def test_names_of_components() -> None:
    campaign = Campaign("names of components")
    for kind in ("dataset", "preprocessor", "evaluator"):
        for title, name in NAMES.items():
            for full in (name, f"echokit:{name}", f"{name}:resize"):
                with campaign.attempt(f"{kind}, {title}"):
                    try:
                        installed().registry.get(kind, full)
                    except EchokitError as error:
                        if error.code not in ("component.unknown", "component.no_plugin") or len(str(error)) > 2000:
                            raise AssertionError(f"{error.code}, {len(str(error)):,} characters") from None
    campaign.finish(at_least=250)


def test_names_in_the_list_of_a_dataset(
    tiny: Path, phantom: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    campaign = Campaign("names in FileList.csv")
    root = tmp_path / "hearts"
    shutil.copytree(phantom, root)
    recipe = tmp_path / "names.yaml"
    recipe.write_text(tiny.read_text().replace(str(phantom), str(root)))
    with (phantom / "FileList.csv").open(newline="") as file:
        head, *rows = list(csv.reader(file))
    for column in ("FileName", "Split", "EF"):
        for title, name in NAMES.items():
            changed = [list(row) for row in rows]
            changed[3][head.index(column)] = name
            with (root / "FileList.csv").open("w", newline="", errors="surrogateescape") as file:
                csv.writer(file).writerows([head, *changed])
            for command in (["run", str(recipe), "--dry-run"], ["data", "check", str(root)]):
                with campaign.attempt(f"{command[0]}, {column}, {title}"):
                    exit_code(command)
                    output, errors = capsys.readouterr()
                    check_output(errors + output)
    campaign.finish(at_least=150)


def test_names_in_a_recipe(tiny: Path) -> None:
    campaign = Campaign("names in a recipe")
    keys = "name data.root data.exclude target.from target.positive model.weights preprocess.0.use report.title"
    for key in keys.split():
        for title, name in NAMES.items():
            quoted = "".join(f"\\U{ord(letter):08x}" for letter in name)
            with campaign.attempt(f"{key}, {title}"):
                try:
                    load_recipe(tiny, (f'{key}="{quoted}"',))
                except EchokitError as error:
                    if error.code == "unspecified" or len(str(error)) > 5000:
                        raise AssertionError(f"{error.code}, {len(str(error)):,} characters") from None
    campaign.finish(at_least=200)
