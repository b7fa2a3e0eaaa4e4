"""Run the checks of a component, or of everything that a plugin registers."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from echokit.errors import EchokitError, place_within
from echokit.plugins import installed
from echokit.registry import BUILT_IN, Component
from echokit.testing.case import Case, Expected, Failure, Outcome, Result, Skip, Subject

Check = Callable[[Subject], None]


@dataclass(frozen=True)
class Trial:
    """One check of one case of one component, ready to run.

    Attributes:
        label: ``kind.name``, with the number of the case where there are several.
        name: Of the check.
        check: The check.
        subject: The component and its case, shared by all checks of the case.
    """

    label: str
    name: str
    check: Check
    subject: Subject

    def run(self) -> None:
        """Run the check.

        Raises:
            Exception: It found something.
            Skip: It does not apply here, or it failed as was said in advance.
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
            raise Expected(f"{reason} ({in_one_line(error)})") from error
        if reason is not None:
            raise Failure(f"it was expected to fail ({reason}), and passes: take the expectation out")

    def _told(self, error: Exception) -> str:
        """What went wrong, and in which line of the component's own package."""
        component = self.subject.component
        place = place_within(error, component.target.partition(":")[0].partition(".")[0])
        if place is None or component.plugin == BUILT_IN or isinstance(error, EchokitError):  # which says its own place
            return in_one_line(error)
        return f"{place}: {in_one_line(error)}"

    def result(self) -> Result:
        """Run the check and say what it found."""
        outcome: Outcome = "passed"
        detail = ""
        try:
            self.run()
        except Skip as skip:
            outcome, detail = "expected" if isinstance(skip, Expected) else "skipped", str(skip)
        except Exception as error:
            outcome, detail = "failed", self._told(error)
        return Result(self.label, self.name, outcome, detail)


def check_component(kind: str, name: str, cases: Case | Sequence[Case] | None = None) -> list[Result]:
    """Check one component.

    Args:
        kind: One of the kinds of ``echokit list``.
        name: Its name, or ``plugin:name``.
        cases: How it is exercised; by default as its plugin says, else with its defaults.

    Returns:
        What every check found; nothing is raised for a component that fails.

    Raises:
        EchokitError: There is no such component.
    """
    component = installed().registry.get(kind, name)
    chosen = (cases,) if isinstance(cases, Case) else cases
    return [trial.result() for trial in trials(component, chosen)]


def check_plugin(plugin: str) -> list[Result]:
    """Check everything that a plugin registers.

    Raises:
        EchokitError: There is no such plugin, or it was skipped.
    """
    return [trial.result() for component in components_of(plugin) for trial in trials(component)]


def components_of(plugin: str) -> list[Component]:
    """What a plugin registers.

    Raises:
        EchokitError: There is no such plugin, or it was skipped.
    """
    known = {found.name: found for found in installed().plugins}
    if plugin not in known:
        raise EchokitError(f"there is no plugin {plugin!r}", hint=f"installed are {', '.join(known)}")
    problem = "blocked by ECHOKIT_PLUGINS" if known[plugin].blocked else known[plugin].problem
    if problem:
        raise EchokitError(f"the plugin {plugin!r} was not loaded: {problem}")
    return [component for component in installed().registry.components() if component.plugin == plugin]


def trials(component: Component, cases: Sequence[Case] | None = None) -> Iterator[Trial]:
    """Every check of every case of a component; a component without a case fails.

    Args:
        component: What is checked.
        cases: How it is exercised; by default as its plugin says.
    """
    label = f"{component.kind}.{component.name}"
    try:
        component.load()
    except EchokitError:  # every check would say the same
        yield Trial(label, "is imported", _load, Subject(component, Case()))
        return
    chosen = cases_of(component) if cases is None else tuple(cases)
    if not chosen:
        yield Trial(label, "has a case", _no_case, Subject(component, Case()))
    own = checks_of(component.kind)
    for number, case in enumerate(chosen):
        which = f"{label} ({number + 1})" if len(chosen) > 1 else label
        subject = Subject(component, case)
        for name in case.expected:
            if name not in own:
                yield Trial(which, name, _no_check, subject)
        for name, check in own.items():
            yield Trial(which, name, check, subject)


def cases_of(component: Component) -> tuple[Case, ...]:
    """How a component is exercised: as its plugin says, else with its defaults; empty where it has none.

    Every built-in component has its case written down, so that a new one can not be forgotten.
    """
    given = _cases_of_plugin(component.plugin).get(f"{component.kind}.{component.name}")
    if given is not None:
        return (given,) if isinstance(given, Case) else tuple(given)
    if component.plugin == BUILT_IN:
        return ()
    try:
        fields = component.parameters().model_fields.values()
    except EchokitError:
        return (Case(),)  # the first check says what is wrong
    return () if any(field.is_required() for field in fields) else (Case(),)


def _cases_of_plugin(plugin: str) -> Mapping[str, Case | Sequence[Case]]:
    if plugin == BUILT_IN:
        from echokit.testing.cases import CASES

        return CASES
    merged: dict[str, Case | Sequence[Case]] = {}
    if "echokit_cases" in installed().plugin(plugin).hooks:
        for answer in installed().call(plugin, "echokit_cases"):
            merged |= answer
    return merged


def checks_of(kind: str) -> dict[str, Check]:
    """The checks of a kind by name: those of every component, then those of the kind."""
    found: dict[str, Check] = {}
    for module in ("component", kind):
        room = importlib.import_module(f"echokit.testing.checks.{module}")
        for name, function in vars(room).items():
            own = inspect.isfunction(function) and function.__module__ == room.__name__
            if name.startswith("check_") and own:
                found[name.removeprefix("check_").replace("_", " ")] = function
    return found


def in_one_line(error: BaseException) -> str:
    """What went wrong, in one line."""
    said = " ".join(str(error).split()) or "no message"
    return said if isinstance(error, Failure) else f"{type(error).__name__}: {said}"


def _load(subject: Subject) -> None:
    subject.component.load()


def _no_case(subject: Subject) -> None:
    component = subject.component
    where = "echokit/testing/cases.py" if component.plugin == BUILT_IN else "the hook echokit_cases"
    raise Failure(f"the {component.kind} {component.name!r} has no case, so nothing checks it: give one in {where}")


def _no_check(subject: Subject) -> None:
    known = ", ".join(checks_of(subject.component.kind))
    raise Failure(f"its case expects a failure of a check that there is not; the checks are {known}")
