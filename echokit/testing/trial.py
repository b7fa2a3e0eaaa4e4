"""Trial: one check, ready to run."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec

from echokit.errors import EchokitError, location_in_package
from echokit.plugins.component import BUILT_IN
from echokit.plugins.foreign_code import describe_exception
from echokit.testing.case import Case, Expected, Failure, Outcome, Result, SameCause, Skip

_ADDRESS = re.compile(r"\b0x[0-9a-f]+\b")


@dataclass(frozen=True)
class Trial:
    """One check of a component, a hook or a command of a plugin.

    Attributes:
        label: What is checked: ``kind.name``, with the number of the case if there are several.
        name: Name of the check.
        plugin: Name of the plugin.
        package: Top-level name of the package whose lines are named.
        check: Runs the check: it raises an exception if it fails, and may return a note.
        case: How the component is exercised.
        causes: Of the failures so far, shared by the trials of a plugin: from the cause to the first check.
    """

    label: str
    name: str
    plugin: str
    package: str
    check: Callable[[], str | None]
    case: Case = field(default_factory=Case)
    causes: dict[str, str] = field(default_factory=dict)

    def run(self) -> str:
        """Run the check, and return a note about it, if there is one.

        Raises:
            Exception: The check failed.
            Skip: It does not apply, it is a known failure, or it fails for the same reason as an earlier check.
        """
        for module in self.case.needs:
            if find_spec(module) is None:
                raise Skip(f"{module} is not installed")
        reason = self.case.expected.get(self.name)
        try:
            note = self.check() or ""
        except (Skip, KeyboardInterrupt):
            raise
        except BaseException as error:  # SystemExit as well
            if reason is not None and isinstance(error, Exception):
                raise Expected(f"{reason} ({one_line(error)})") from error
            first = self.causes.setdefault(self._cause(error), f"{self.label}  {self.name}")
            if first != f"{self.label}  {self.name}":
                raise SameCause(f"for the same reason as {first}") from error
            raise
        if reason is not None:
            raise Failure(f"it is expected to fail ({reason}) but passes: remove it from `expected`")
        return note

    def result(self) -> Result:
        """Run the check and return its outcome."""
        outcome: Outcome = "passed"
        try:
            detail = self.run()
        except Skip as skip:
            outcome, detail = skip.outcome, str(skip)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit as well
            outcome, detail = "failed", self._describe(error)
        return Result(self.label, self.name, outcome, detail)

    def _place(self, error: BaseException) -> str | None:
        """Return the line that raised an error, unless the error names a place."""
        if self.plugin == BUILT_IN or isinstance(error, EchokitError):
            return None
        return location_in_package(error, self.package)

    def _describe(self, error: BaseException) -> str:
        place = self._place(error)
        return f"{place}: {one_line(error)}" if place else one_line(error)

    def _cause(self, error: BaseException) -> str:
        """Return what errors of the same cause have in common.

        That is the line of the plugin; where there is none, the text, of the same component.
        """
        if isinstance(error, Failure) and error.cause:
            return error.cause
        place = self._place(error)
        text = f"{self.label.partition(' ')[0]} {_ADDRESS.sub('', one_line(error))}"
        return f"{place} {type(error).__name__}" if place else text


def one_line(error: BaseException) -> str:
    """Format an error as one line."""
    return " ".join(str(error).split()) if isinstance(error, Failure) else describe_exception(error)
