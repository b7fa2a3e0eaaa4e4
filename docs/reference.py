"""Write the reference pages from the docstrings: ``python docs/reference.py FOLDER``.

One page a kind of component, one for the hooks, one for the Python names that ``echokit`` and its testing room
offer, one for the commands. Whatever is installed is described, plugins included; ``ECHOKIT_PLUGINS=`` leaves them out.
"""

from __future__ import annotations

import importlib
import inspect
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from pydantic import BaseModel

from echokit.cli import COMMANDS, application
from echokit.cli.options import STUDY
from echokit.data.cohort.target import TargetSettings
from echokit.models.weights.settings import WeightSettings
from echokit.plugins.component import KINDS, Component, with_article
from echokit.plugins.discovery import installed
from echokit.plugins.hookspecs import HOOKS, HookSpecs, Register
from echokit.plugins.parameters import format_type, summary_line
from echokit.recipe.report_settings import ReportSettings
from echokit.recipe.validate import DEFAULTS, KEYS
from echokit.testing.conformance import checks_of
from echokit.testing.watch import WATCHED
from echokit.tools.new_plugin.package import package_files
from echokit.training.settings import TrainSettings

CONTRACTS = Path(__file__).parent / "plugins" / "contracts"
SETTINGS: dict[str, type[BaseModel]] = {
    "target": TargetSettings,
    "model.weights": WeightSettings,
    "train": TrainSettings,
    "report": ReportSettings,
}


def pages() -> dict[str, str]:
    """Every page by its file name."""
    made = {f"{kind}.md": kind_page(kind) for kind in KINDS}
    made["recipe.md"] = recipe_page()
    made["hooks.md"] = hooks_page()
    made["python.md"] = python_page()
    made["commands.md"] = commands_page()
    cite = f"\nThe study is the [reference study](../study.md): {STUDY}.\n"
    made = {name: text + cite * ("the study" in text or "reference study" in text) for name, text in made.items()}
    links = "\n".join(f"- [{name.removesuffix('.md')}]({name})" for name in made)
    return {"index.md": f"# Reference\n\n{links}\n", **made}


def kind_page(kind: str) -> str:
    """What a component of a kind is called with and gives, an example, and all registered ones."""
    words = kind.replace("_", " ")
    parts = [f"# {words.capitalize()}s", f"{with_article(words).capitalize()} {KINDS[kind]}.", "## Contract"]
    parts.append((CONTRACTS / f"{kind}.md").read_text(encoding="utf-8").strip())
    parts += [f"## Write {with_article(words)}", *example(kind)]
    if kind == "preprocessor":
        parts += ["### A mask", *example("mask")]
    parts += ["## What the checks require", required(kind), f"## All {words}s"]
    parts += [component_entry(component) for component in installed().registry.components([kind])]
    return "\n\n".join(parts) + "\n"


def example(word: str) -> Iterator[str]:
    """The package that ``echokit plugin new`` writes, which a test installs and checks."""
    name = f"my_{word}"
    files = package_files(word, name)
    yield f"`echokit plugin new {word} {name}` writes this package, with a test, a recipe and a README:"
    for path in (f"echokit_{name}/__init__.py", f"echokit_{name}/{name}.py"):
        yield f"`{path}`\n\n```python\n{files[path].strip()}\n```"
    recipe = files[f"{name}.yaml"].strip()
    yield f"In a recipe:\n\n```yaml\n{recipe}\n```"


def required(kind: str) -> str:
    """What the conformance checks of a kind require, from their own descriptions."""
    checks = checks_of(kind) | WATCHED
    return "\n".join(f"- {name}: {summary_line(check)}" for name, check in checks.items())


def component_entry(component: Component) -> str:
    """What ``echokit show`` says, as Markdown."""
    origin = "" if component.plugin == "echokit" else f" (plugin `{component.plugin}`)"
    mask = " It is a mask." if component.mask else ""
    text = (inspect.getdoc(component.load()) or "").split("\nArgs:")[0].strip()
    rows = ["| parameter | type | default | meaning |", "|---|---|---|---|"]
    fields = component.parameters().model_fields
    schema = component.parameters().model_json_schema().get("properties", {})
    for name, field in fields.items():
        default = "required" if field.is_required() else f"`{json.dumps(field.default, default=str)}`"
        kind = _cell(format_type(schema[name]))
        rows.append(f"| `{name}` | {kind} | {default} | {_cell(field.description or '')} |")
    table = "\n\n" + "\n".join(rows) if fields else ""
    return f"### `{component.name}`{origin}\n\n{text}{mask}{table}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def recipe_page() -> str:
    """All keys of a recipe, with the settings of those that name no component."""
    parts = [
        "# Recipe",
        "A recipe is a YAML mapping of these keys. A component is `{use: NAME, ...parameters}`, or its name alone. "
        "`extends: OTHER` lays the recipe over another one; `--set a.b=value` and `${VARIABLE:-default}` change single "
        "values. `echokit explain RECIPE` shows every value with where it comes from.",
        "| key | meaning | default |\n|---|---|---|\n"
        + "\n".join(
            f"| `{key}` | {_cell(words)} | {f'`{json.dumps(DEFAULTS[key])}`' if key in DEFAULTS else 'required'} |"
            for key, words in KEYS.items()
        ),
    ]
    for key, model in SETTINGS.items():
        parts.append(f"## `{key}`\n\n{(inspect.getdoc(model) or '').split('Args:')[0].strip()}")
        parts.append("\n".join(["| key | type | default | meaning |", "|---|---|---|---|", *_settings_rows(model)]))
    return "\n\n".join(parts) + "\n"


def _settings_rows(model: type[BaseModel]) -> Iterator[str]:
    schema = model.model_json_schema(by_alias=True)["properties"]
    for name, field in model.model_fields.items():
        key = field.alias or name
        value = field.get_default(call_default_factory=True)
        plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
        default = "required" if field.is_required() else f"`{json.dumps(plain, default=str)}`"
        yield f"| `{key}` | {_cell(format_type(schema[key]))} | {_cell(default)} | {_cell(field.description or '')} |"


def hooks_page() -> str:
    """All hooks with their arguments."""
    parts = ["# Hooks", "## The argument `register`", _doc(Register), *_methods(Register)]
    for name in HOOKS:
        hook = getattr(HookSpecs, name)
        parts.append(f"## `{name}{_signature(hook, skip_self=True)}`\n\n{_doc(hook)}")
    return "\n\n".join(parts) + "\n"


def python_page() -> str:
    """All public Python names."""
    parts = ["# Python"]
    for room in ("echokit", "echokit.testing"):
        module = importlib.import_module(room)
        parts.append(f"## {room}")
        for name in sorted(module.__all__, key=str.lower):
            thing = getattr(module, name)
            if inspect.isclass(thing) or inspect.isfunction(thing):
                parts.append(f"### `{name}{_signature(thing)}`\n\n{_doc(thing)}")
                parts += list(_methods(thing))
            else:
                parts.append(f"### `{name}`")
    return "\n\n".join(parts) + "\n"


def _methods(thing: object) -> Iterator[str]:
    for name, member in vars(thing).items():
        if name.startswith("_") or not inspect.isclass(thing):
            continue
        if inspect.isfunction(member):
            yield f"#### `{name}{_signature(member, skip_self=True)}`\n\n{_doc(member)}"
        elif isinstance(member, property) or hasattr(member, "func"):
            yield f"#### `{name}`\n\n{_doc(member)}"


def _signature(thing: object, *, skip_self: bool = False) -> str:
    try:
        signature = inspect.signature(thing)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return ""
    parameters = list(signature.parameters.values())[1 if skip_self else 0 :]
    return str(signature.replace(parameters=parameters)).replace("'", "")


def _doc(thing: object) -> str:
    """A docstring with its Google-style sections as headings of lists."""
    text = inspect.getdoc(thing) or ""
    lines = []
    for line in text.splitlines():
        if line in ("Args:", "Returns:", "Raises:", "Attributes:", "Yields:"):
            line = f"**{line.removesuffix(':')}**\n"
        elif line.startswith("    ") and line[4:5].strip():
            line = f"- {line.strip()}"
        lines.append(line)
    return "\n".join(lines)


def commands_page() -> str:
    """The help of every command."""
    parts = ["# Commands"]
    for name in COMMANDS:
        command = application.get_command(click.Context(application), name)  # type: ignore[attr-defined]
        parts += list(_help(command, f"echokit {name}", click.Context(application, info_name="echokit")))
    return "\n\n".join(parts) + "\n"


def _help(command: click.Command, name: str, parent: click.Context) -> Iterator[str]:
    context = click.Context(command, info_name=name.rpartition(" ")[2], parent=parent, max_content_width=110)
    yield f"## {name}\n\n```\n{command.get_help(context)}\n```"
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            if found is not None:
                yield from _help(found, f"{name} {inner}", context)


def main() -> None:
    """Write the pages into the folder that is given."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
