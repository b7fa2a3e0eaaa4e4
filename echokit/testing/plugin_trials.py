"""The checks of what a plugin adds beside components: hooks, commands, and the plugin as a whole."""

from __future__ import annotations

import functools
import importlib
import inspect
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from echokit.errors import did_you_mean
from echokit.plugins.component import BUILT_IN
from echokit.plugins.discovery import VARIABLE, Plugin, installed
from echokit.plugins.foreign_code import output_to_stderr
from echokit.plugins.hookspecs import HOOKS, Command, HookSpecs, Section
from echokit.results.page.markdown import as_html
from echokit.results.run import Run, changed_files
from echokit.testing.case import Case, Skip, require
from echokit.testing.fresh_process import environment, python
from echokit.testing.light_imports import require_light
from echokit.testing.small_run import SmallRun, small_run
from echokit.testing.trial import Trial
from echokit.testing.watch import RANDOM_STATE, Action, Watch, leaves_random_state

Group = tuple[str, Callable[[], Iterator[Trial]]]
"""The label of something that a plugin adds, and what makes its trials."""

REGISTERING = ("echokit_components", "echokit_commands", "echokit_cases")
"""Hooks that describe the plugin; the others are called during a run."""
_TAKEN = 64  # exit code


def plugin_groups(name: str, causes: dict[str, str]) -> Iterator[Group]:
    """Yield the plugin as a whole, then its hooks, then its commands.

    Args:
        name: Name of the plugin.
        causes: Of its failures so far, shared by its trials.
    """
    plugin = installed().plugin(name)

    def group(label: str, actions: Mapping[str, Action]) -> Group:
        package = plugin.module.partition(".")[0]
        made = [Trial(label, check, name, package, action, causes=causes) for check, action in actions.items()]
        return label, lambda: iter(made)

    yield group(
        f"plugin.{name}",
        {
            "marks its hooks": lambda: _marks_hooks(plugin),
            "adds something": lambda: _adds_something(plugin),
            "is imported light": lambda: require_light(name, plugin.module),
        },
    )
    if "echokit_cases" in plugin.hooks:
        yield group("hook.echokit_cases", {"gives cases of its components": lambda: _gives_cases(plugin)})
    for hook in plugin.hooks:
        if hook not in REGISTERING:
            yield group(f"hook.{hook}", _hook_actions(plugin, hook))
    for command in installed().commands:
        if command.plugin == name:
            yield group(f"command.{command.name}", _command_actions(command))


def cases_of_plugin(plugin: str) -> dict[str, tuple[Case, ...]]:
    """Return the cases that a plugin gives, by ``kind.name``."""
    merged: dict[str, tuple[Case, ...]] = {}
    if plugin == BUILT_IN:
        from echokit.testing.cases import CASES

        answers: Sequence[Any] = [CASES]
    else:
        has_cases = "echokit_cases" in installed().plugin(plugin).hooks
        answers = installed().call(plugin, "echokit_cases") if has_cases else []
    for answer in answers:
        merged |= {label: (cases,) if isinstance(cases, Case) else tuple(cases) for label, cases in answer.items()}
    return merged


def _functions_like_hooks(plugin: Plugin) -> dict[str, Any]:
    """Return the functions of a plugin whose names are those of hooks, marked or not."""
    module = installed().managers[plugin.name].get_plugin(plugin.name)
    return {name: value for name, value in inspect.getmembers(module, inspect.isroutine) if name.startswith("echokit_")}


def _unmarked(plugin: Plugin) -> list[str]:
    return [name for name in _functions_like_hooks(plugin) if name not in plugin.hooks]


def _marks_hooks(plugin: Plugin) -> None:
    """Every function named like a hook is one."""
    for name in _unmarked(plugin):
        require(name not in HOOKS, f"{name} is not marked with @hookimpl: it is never called")
        hint = did_you_mean(name, HOOKS) or f"the hooks are {', '.join(HOOKS)}"
        require(name in HOOKS, f"{name} is not the name of a hook: it is never called; {hint}")


def _adds_something(plugin: Plugin) -> None:
    """It adds a component, a command or a hook."""
    adders = {added.plugin for added in installed().registry.components()}
    adders |= {command.plugin for command in installed().commands}
    if plugin.name not in adders and not set(plugin.hooks) - set(REGISTERING):
        if _unmarked(plugin):
            raise Skip("its hooks are not marked")
        require(False, f"it adds nothing: {plugin.module} has no hook that registers a component or a command")


def _gives_cases(plugin: Plugin) -> None:
    """Every key is ``kind.name`` of a component of the plugin."""
    components = installed().registry.components()
    known = [f"{component.kind}.{component.name}" for component in components if component.plugin == plugin.name]
    for label in cases_of_plugin(plugin.name):
        hint = did_you_mean(label, known) or f"its components are {', '.join(known)}"
        require(label in known, f"it has no component {label!r}; {hint}")


def _hook_actions(plugin: Plugin, hook: str) -> dict[str, Action]:
    """Return the checks of a hook that is called during a run."""
    made = functools.partial(_small_run, plugin)
    changed: set[str] = set()

    def call(run: Run, error: BaseException | None = None) -> list[Any]:
        available: dict[str, Any] = {"run": run, "record": dict(made().record), "error": error}
        specified = inspect.signature(getattr(HookSpecs, hook)).parameters
        before = changed_files(run)
        try:
            arguments = {name: available[name] for name in specified if name in available}
            return installed().call(plugin.name, hook, **arguments)
        finally:
            changed.update(set(changed_files(run)) - set(before))

    if hook == "echokit_report_section":
        sections = functools.cache(lambda: call(made().finished))
        actions: dict[str, Action] = {
            "gives a section or None": lambda: _gives_section(sections()),
            "its text becomes HTML": lambda: _becomes_html(_sections(sections())),
            "names no path and no patient": lambda: _names_no_one(_sections(sections()), made().finished),
        }
    elif hook == "echokit_run_end":
        actions = {
            "accepts a finished run": lambda: _returns_nothing(call(made().finished)),
            "accepts a run that failed": lambda: _returns_nothing(call(made().started, ValueError("a failed run"))),
        }
    else:
        actions = {"accepts a run that has started": lambda: _returns_nothing(call(made().started))}
    watch = Watch(actions, prepare=made)
    watched: dict[str, Action] = {name: functools.partial(watch.run, name) for name in actions}
    return watched | {
        RANDOM_STATE: lambda: leaves_random_state(watch),
        "changes no file of the run": lambda: _changes_no_file(watch, changed),
    }


def _small_run(plugin: Plugin) -> SmallRun:
    return small_run(plugin.name, cases_of_plugin(plugin.name))


def _returns_nothing(answers: list[Any]) -> None:
    for answer in answers:
        require(answer is None, f"it returns {type(answer).__name__}, but nothing uses it")


def _gives_section(answers: list[Any]) -> None:
    for section in answers:  # None is left out
        require(isinstance(section, Section), f"it gives {type(section).__name__}, not a Section")
        require(isinstance(section.title, str) and section.title.strip(), f"its title is {section.title!r}")
        require("\n" not in section.title, f"its title has several lines: {section.title!r}")
        require(isinstance(section.text, str) and section.text.strip(), f"its text is {section.text!r}")


def _sections(answers: list[Any]) -> list[Section]:
    if not answers:
        raise Skip("it gives no section for a small run")
    _gives_section(answers)
    return answers


def _becomes_html(sections: list[Section]) -> None:
    for section in sections:
        html = as_html(section.text)
        raw = re.search(r"&lt;/?[a-z]+[^&]*&gt;", html)
        require(raw is None, f"HTML is shown as text, write Markdown: {raw and section.text[:60]!r}")


def _names_no_one(sections: list[Section], run: Run) -> None:
    folders = {str(run.path), str(run.path.parents[2]), str(Path.home()), str(Path.cwd())} - {"/"}
    identifiers = {*run.cohort["case_id"], *run.cohort["patient_id"]}
    for section in sections:
        words = set(re.findall(r"\w+", f"{section.title}\n{section.text}"))
        folder = next((folder for folder in folders if folder in f"{section.title}\n{section.text}"), None)
        require(folder is None, f"it names the folder {folder}: a report is shared")
        require(
            not words & identifiers, f"it names the case {min(words & identifiers, default='')}: a report is shared"
        )


def _changes_no_file(watch: Watch, changed: set[str]) -> None:
    watch.all()
    require(not changed, f"it changes {', '.join(sorted(changed))} of the run")


def _command_actions(command: Command) -> dict[str, Action]:
    return {
        "is a click command": lambda: _is_click(command),
        "shows its help": lambda: _shows_help(command),
        "is imported light": lambda: require_light(command.plugin, command.target.partition(":")[0]),
    }


def _is_click(command: Command) -> None:
    """Its target can be imported, and is a click command."""
    import click

    module, _, attribute = command.target.partition(":")
    with output_to_stderr():
        target = getattr(importlib.import_module(module), attribute)
    require(isinstance(target, click.Command), f"{command.target} is {type(target).__name__}, not a click command")


def _shows_help(command: Command) -> None:
    """``echokit NAME --help`` works, and its name is free."""
    code = (
        "from echokit.cli import COMMANDS, exit_code; name = sys.argv[1];"
        f"sys.exit({_TAKEN} if name in COMMANDS else exit_code([name, '--help']))"
    )
    variables = environment(**{VARIABLE: command.plugin})
    with python(code) as start:
        done = subprocess.run([*start, command.name], capture_output=True, text=True, check=False, env=variables)
    require(done.returncode != _TAKEN, f"echokit has a command {command.name!r} of its own: choose another name")
    said = " ".join(done.stderr.split())[-200:]
    require(not done.returncode, f"`echokit {command.name} --help` ends with exit code {done.returncode}: {said}")
    require("Usage:" in done.stdout, f"`echokit {command.name} --help` shows no usage")
