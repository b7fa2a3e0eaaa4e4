"""Every command has an example, every public name a docstring, and pages use existing commands."""

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import echokit
from echokit.cli import COMMANDS
from echokit.recipe.compose import shipped_recipes

ROOT = Path(__file__).parents[2]


def commands() -> Iterator[tuple[str, click.Command]]:
    for name, module in COMMANDS.items():
        command: click.Command = importlib.import_module(f"echokit.cli.{module}").command
        if isinstance(command, click.Group):
            yield from ((f"{name} {inner}", subcommand) for inner, subcommand in command.commands.items())
        else:
            yield name, command


ALL = dict(commands())


@pytest.mark.parametrize("name", ALL)
def test_the_help_of_every_command_has_an_example(name: str) -> None:
    text = ALL[name].get_help(click.Context(ALL[name], info_name=name))
    assert re.search(rf"Examples?:\s+echokit {name}\b", text), text
    for parameter in ALL[name].params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{parameter.name} has no help"


@pytest.mark.parametrize("name", [name for name in echokit.__all__ if name != "__version__"])
def test_every_public_name_is_documented(name: str) -> None:
    public = getattr(echokit, name)
    text = inspect.getdoc(public)
    assert text
    if inspect.isfunction(public):
        parameters = [p for p in inspect.signature(public).parameters if p != "self"]
        assert "Args:" in text or not parameters
        for parameter in parameters:
            assert f"{parameter}:" in text, f"{name}({parameter}) is not described"
        assert "Raises:" in text


def test_pages_use_existing_commands_and_recipes() -> None:
    command_names = {name.split()[0] for name in ALL}
    checked = 0
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for language, block in re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.S | re.M):
            if language:
                continue
            for line in block.splitlines():
                words = line.split("#")[0].split()
                if not words or not words[0].endswith("echokit"):
                    continue
                checked += 1
                assert words[1] in command_names, f"{page.name}: {line}"
                if words[1] == "run" and not words[2].endswith(".yaml"):
                    assert words[2] in shipped_recipes(), f"{page.name}: {line}"
    assert checked > 20
