"""The pages about plugins are complete, and the reference is generated from the docstrings."""

import importlib.util
import inspect
from pathlib import Path
from types import ModuleType

import pytest

from echokit.plugins.component import KINDS
from echokit.plugins.discovery import installed
from echokit.plugins.hookspecs import HOOKS, HookSpecs
from echokit.plugins.parameters import docstring_arguments

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_and_every_argument_is_documented(hook: str) -> None:
    function = getattr(HookSpecs, hook)
    arguments = [name for name in inspect.signature(function).parameters if name != "self"]
    descriptions = docstring_arguments(function.__doc__)
    (row,) = [
        line for line in (DOCS / "plugins" / "hooks.md").read_text().splitlines() if line.startswith(f"| `{hook}`")
    ]
    for name in arguments:
        assert descriptions.get(name), f"{hook}({name}) has no line in its docstring"
        assert f"`{name}`" in row, f"{hook}({name}) is not in hooks.md"


def test_only_existing_hooks_are_documented() -> None:
    rows = [line for line in (DOCS / "plugins" / "hooks.md").read_text().splitlines() if line.startswith("| `echokit_")]
    assert [row.split("`")[1] for row in rows] == list(HOOKS)


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference", DOCS / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_lists_components_hooks_names_and_commands(reference: ModuleType) -> None:
    import echokit

    pages = reference.pages()
    for kind in KINDS:
        page = pages[f"{kind}.md"]
        for component in installed().registry.components([kind]):
            assert f"### `{component.name}`" in page
            for parameter, field in component.parameters().model_fields.items():
                assert f"| `{parameter}` |" in page
                assert (field.description or "").replace("|", "\\|").replace("\n", " ") in page
        for heading in ("## Contract", "## Write ", "## What the checks require"):
            assert heading in page, f"{kind}: {heading}"
        assert f"register.{'mask' if kind == 'mask' else kind}(" in page
    assert all(f"## `{hook}" in pages["hooks.md"] for hook in HOOKS)
    assert all(f"### `{name}" in pages["python.md"] for name in echokit.__all__)
    assert "## echokit plugin new" in pages["commands.md"]
    assert all(f"]({name})" in pages["index.md"] for name in pages if name != "index.md")
