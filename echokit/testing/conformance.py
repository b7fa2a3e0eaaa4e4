"""Run the checks of one component, or everything that a plugin adds."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence

from echokit.errors import EchokitError
from echokit.plugins.component import BUILT_IN, Component
from echokit.plugins.discovery import installed
from echokit.testing.case import Case, Failure, Result, Subject
from echokit.testing.plugin_trials import cases_of_plugin, plugin_groups
from echokit.testing.trial import Trial
from echokit.testing.watch import WATCHED, Action, Watch

Check = Callable[[Subject], str | None]


def check_component(kind: str, name: str, cases: Case | Sequence[Case] | None = None) -> list[Result]:
    """Run the conformance checks of one component.

    Args:
        kind: One of the kinds of ``echokit list``.
        name: Name of the component, or ``plugin:name``.
        cases: How to exercise it; by default the cases of its plugin, or its default parameters.

    Returns:
        The outcome of every check; a failing check raises no exception.

    Raises:
        EchokitError: There is no such component.
    """
    component = installed().registry.get(kind, name)
    chosen = (cases,) if isinstance(cases, Case) else cases
    return [trial.result() for trial in trials(component, chosen)]


def check_plugin(plugin: str) -> list[Result]:
    """Run the conformance checks of everything that a plugin adds.

    Raises:
        EchokitError: There is no such plugin, or it was skipped.
    """
    return [trial.result() for _, trials_of_group in groups_of(plugin) for trial in trials_of_group()]


def groups_of(plugin: str) -> list[tuple[str, Callable[[], Iterator[Trial]]]]:
    """Return the label of each thing that a plugin adds, with what makes its trials.

    The plugin itself comes first, then its components, hooks and commands.

    Raises:
        EchokitError: There is no such plugin, or it was skipped.
    """
    components = components_of(plugin)
    causes: dict[str, str] = {}
    of_plugin, *others = plugin_groups(plugin, causes)
    of_components = [
        (label_of(component), functools.partial(trials, component, causes=causes)) for component in components
    ]
    return [of_plugin, *of_components, *others]


def components_of(plugin: str) -> list[Component]:
    """Return the components of a plugin.

    Raises:
        EchokitError: There is no such plugin, or it was skipped.
    """
    plugins = {candidate.name: candidate for candidate in installed().plugins}
    if plugin not in plugins:
        owners = [c for c in installed().registry.components() if c.name == plugin]
        of = " and ".join(f"a {c.kind} of the plugin {c.plugin!r}" for c in owners)
        raise EchokitError(
            f"there is no plugin {plugin!r}",
            hint=f"it is {of}" if of else f"the installed plugins are {', '.join(plugins)}",
            code="plugin.unknown",
        )
    problem = "blocked by ECHOKIT_PLUGINS" if plugins[plugin].blocked else plugins[plugin].problem
    if problem:
        raise EchokitError(f"the plugin {plugin!r} was not loaded: {problem}", code="plugin.not_loaded")
    return [component for component in installed().registry.components() if component.plugin == plugin]


def label_of(component: Component) -> str:
    """Return how results name a component."""
    return f"{component.kind}.{component.name}"


def trials(
    component: Component, cases: Sequence[Case] | None = None, causes: dict[str, str] | None = None
) -> Iterator[Trial]:
    """Yield every check of every case of a component; no case is a failure.

    Args:
        component: The component to check.
        cases: How to exercise it; by default the cases of its plugin, or its default parameters.
        causes: Of the failures so far, shared by all trials of the plugin.
    """
    label = label_of(component)
    known = {} if causes is None else causes
    package = component.target.partition(":")[0].partition(".")[0]

    def trial(label: str, name: str, check: Action, case: Case) -> Trial:
        return Trial(label, name, component.plugin, package, check, case, known)

    try:
        component.load()
    except EchokitError:  # every check would fail in the same way
        yield trial(label, "is imported", lambda: _load(component), Case())
        return
    chosen = cases_of(component) if cases is None else tuple(cases)
    if not chosen:
        yield trial(label, "has a case", lambda: _no_case(component), Case())
    for number, case in enumerate(chosen):
        case_label = f"{label} ({number + 1})" if len(chosen) > 1 else label
        checks = _checks_of_case(component, case)
        for name in case.expected:
            if name not in checks:
                yield trial(case_label, name, functools.partial(_no_check, checks), case)
        for name, check in checks.items():
            yield trial(case_label, name, check, case)


def _checks_of_case(component: Component, case: Case) -> dict[str, Action]:
    """Return the checks of a case by name.

    The last ones are about what was seen during the others.
    """
    subject = Subject(component, case)
    actions: dict[str, Action] = {
        name: functools.partial(check, subject) for name, check in checks_of(component.kind).items()
    }
    watch = Watch(actions, prepare=lambda: subject.values)
    watched: dict[str, Action] = {name: functools.partial(watch.run, name) for name in actions}
    return watched | {name: functools.partial(check, watch) for name, check in WATCHED.items()}


def cases_of(component: Component) -> tuple[Case, ...]:
    """Return a component's cases: of its plugin, else its defaults.

    Built-in components have explicit cases, so that a new one cannot be forgotten.
    """
    cases = cases_of_plugin(component.plugin).get(label_of(component))
    if cases is not None:
        return cases
    if component.plugin == BUILT_IN:
        return ()
    try:
        fields = component.parameters().model_fields.values()
    except EchokitError:
        return (Case(),)  # the first check reports the problem
    return () if any(field.is_required() for field in fields) else (Case(),)


def checks_of(kind: str) -> dict[str, Check]:
    """Return the checks of a kind by name, those of every component first."""
    checks: dict[str, Check] = {}
    for module_name in ("component", kind):
        module = importlib.import_module(f"echokit.testing.checks.{module_name}")
        for name, function in vars(module).items():
            defined_here = inspect.isfunction(function) and function.__module__ == module.__name__
            if name.startswith("check_") and defined_here:
                checks[name.removeprefix("check_").replace("_", " ")] = function
    return checks


def _load(component: Component) -> None:
    component.load()


def _no_case(component: Component) -> None:
    where = "echokit/testing/cases.py" if component.plugin == BUILT_IN else "the hook echokit_cases"
    raise Failure(f"the {component.kind} {component.name!r} has no case and cannot be checked: add one in {where}")


def _no_check(checks: Mapping[str, Action]) -> None:
    raise Failure(f"its case expects an unknown check to fail; the checks are {', '.join(checks)}")
