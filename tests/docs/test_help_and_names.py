"""Every command shows an example, every public name says what it is, and the pages name what is there."""

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
            yield from ((f"{name} {inner}", found) for inner, found in command.commands.items())
        else:
            yield name, command


ALL = dict(commands())


@pytest.mark.parametrize("name", ALL)
def test_the_help_of_every_command_has_an_example(name: str) -> None:
    text = ALL[name].get_help(click.Context(ALL[name], info_name=name))
    assert re.search(rf"Examples?:\s+echokit {name}\b", text), text
    for parameter in ALL[name].params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{parameter.name} says nothing"


@pytest.mark.parametrize("name", [name for name in echokit.__all__ if name != "__version__"])
def test_every_public_name_says_what_it_is(name: str) -> None:
    thing = getattr(echokit, name)
    text = inspect.getdoc(thing)
    assert text
    if inspect.isfunction(thing):
        given = [p for p in inspect.signature(thing).parameters if p != "self"]
        assert "Args:" in text or not given
        for parameter in given:
            assert f"{parameter}:" in text, f"{name}({parameter}) is not described"
        assert "Raises:" in text


def test_the_commands_of_the_pages_are_there() -> None:
    """Of every shell line of the README and the pages; a renamed command or recipe fails it."""
    known = {name.split()[0] for name in ALL}
    seen = 0
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for language, block in re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.S | re.M):
            if language:
                continue
            for line in block.splitlines():
                words = line.split("#")[0].split()
                if not words or not words[0].endswith("echokit"):
                    continue
                seen += 1
                assert words[1] in known, f"{page.name}: {line}"
                if words[1] == "run" and not words[2].endswith(".yaml"):
                    assert words[2] in shipped_recipes(), f"{page.name}: {line}"
    assert seen > 20
