"""Run the checks of one component, or of every component of a plugin."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from echokit.errors import EchokitError, location_in_package
from echokit.plugins.discovery import installed
from echokit.plugins.foreign_code import describe_exception
from echokit.plugins.registry import BUILT_IN, Component
from echokit.testing.case import Case, Expected, Failure, Outcome, Result, Skip, Subject

Check = Callable[[Subject], None]


@dataclass(frozen=True)
class Trial:
    """One check of one case of one component.

    Attributes:
        label: ``kind.name``, with the number of the case if there are several.
        name: Name of the check.
        check: The check function.
        subject: The component and its case, shared by all checks of the case.
    """

    label: str
    name: str
    check: Check
    subject: Subject

    def run(self) -> None:
        """Run the check.

        Raises:
            Exception: The check failed.
            Skip: It does not apply, or it is a known failure.
        """
        case = self.subject.case
        for module in case.needs:
            if find_spec(module) is None:
                raise Skip(f"{module} is not installed")
        reason = case.expected.get(self.name)
        try:
            self.check(self.subject)
        except Skip:
            raise
        except Exception as error:
            if reason is None:
                raise
            raise Expected(f"{reason} ({one_line(error)})") from error
        if reason is not None:
            raise Failure(f"it is expected to fail ({reason}) but passes: remove it from `expected`")

    def _describe(self, error: BaseException) -> str:
        """Describe an error, with its line in the package of the component."""
        component = self.subject.component
        place = location_in_package(error, component.target.partition(":")[0].partition(".")[0])
        if place is None or component.plugin == BUILT_IN or isinstance(error, EchokitError):  # it has its own place
            return one_line(error)
        return f"{place}: {one_line(error)}"

    def result(self) -> Result:
        """Run the check and return its outcome."""
        outcome: Outcome = "passed"
        detail = ""
        try:
            self.run()
        except Skip as skip:
            outcome, detail = "expected" if isinstance(skip, Expected) else "skipped", str(skip)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit as well
            outcome, detail = "failed", self._describe(error)
        return Result(self.label, self.name, outcome, detail)


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
    """Run the conformance checks of every component of a plugin.

    Raises:
        EchokitError: There is no such plugin, or it was skipped.
    """
    return [trial.result() for component in components_of(plugin) for trial in trials(component)]


def components_of(plugin: str) -> list[Component]:
    """Return the components of a plugin.

    Raises:
        EchokitError: There is no such plugin, or it was skipped.
    """
    plugins = {candidate.name: candidate for candidate in installed().plugins}
    if plugin not in plugins:
        raise EchokitError(
            f"there is no plugin {plugin!r}",
            hint=f"the installed plugins are {', '.join(plugins)}",
            code="plugin.unknown",
        )
    problem = "blocked by ECHOKIT_PLUGINS" if plugins[plugin].blocked else plugins[plugin].problem
    if problem:
        raise EchokitError(f"the plugin {plugin!r} was not loaded: {problem}", code="plugin.not_loaded")
    return [component for component in installed().registry.components() if component.plugin == plugin]


def label_of(component: Component) -> str:
    """Return how results name a component."""
    return f"{component.kind}.{component.name}"


def trials(component: Component, cases: Sequence[Case] | None = None) -> Iterator[Trial]:
    """Yield every check of every case of a component; no case is a failure.

    Args:
        component: The component to check.
        cases: How to exercise it; by default the cases of its plugin, or its default parameters.
    """
    label = label_of(component)
    try:
        component.load()
    except EchokitError:  # every check would fail in the same way
        yield Trial(label, "is imported", _load, Subject(component, Case()))
        return
    chosen = cases_of(component) if cases is None else tuple(cases)
    if not chosen:
        yield Trial(label, "has a case", _no_case, Subject(component, Case()))
    checks = checks_of(component.kind)
    for number, case in enumerate(chosen):
        case_label = f"{label} ({number + 1})" if len(chosen) > 1 else label
        subject = Subject(component, case)
        for name in case.expected:
            if name not in checks:
                yield Trial(case_label, name, _no_check, subject)
        for name, check in checks.items():
            yield Trial(case_label, name, check, subject)


def cases_of(component: Component) -> tuple[Case, ...]:
    """Return a component's cases: of its plugin, else its defaults.

    Built-in components have explicit cases, so that a new one cannot be forgotten.
    """
    cases = _cases_of_plugin(component.plugin).get(f"{component.kind}.{component.name}")
    if cases is not None:
        return (cases,) if isinstance(cases, Case) else tuple(cases)
    if component.plugin == BUILT_IN:
        return ()
    try:
        fields = component.parameters().model_fields.values()
    except EchokitError:
        return (Case(),)  # the first check reports the problem
    return () if any(field.is_required() for field in fields) else (Case(),)


def _cases_of_plugin(plugin: str) -> Mapping[str, Case | Sequence[Case]]:
    if plugin == BUILT_IN:
        from echokit.testing.cases import CASES

        return CASES
    merged: dict[str, Case | Sequence[Case]] = {}
    if "echokit_cases" in installed().plugin(plugin).hooks:
        for cases in installed().call(plugin, "echokit_cases"):
            merged |= cases
    return merged


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


def one_line(error: BaseException) -> str:
    """Format an error as one line."""
    return " ".join(str(error).split()) if isinstance(error, Failure) else describe_exception(error)


def _load(subject: Subject) -> None:
    subject.component.load()


def _no_case(subject: Subject) -> None:
    component = subject.component
    where = "echokit/testing/cases.py" if component.plugin == BUILT_IN else "the hook echokit_cases"
    raise Failure(f"the {component.kind} {component.name!r} has no case and cannot be checked: add one in {where}")


def _no_check(subject: Subject) -> None:
    names = ", ".join(checks_of(subject.component.kind))
    raise Failure(f"its case expects an unknown check to fail; the checks are {names}")
