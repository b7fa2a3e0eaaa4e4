"""Case: how a component is exercised, and Result: what a check found."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from echokit.registry import Component
from echokit.schema import InvalidParameters, validate

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from pydantic import BaseModel

Outcome = Literal["passed", "failed", "expected", "skipped"]


@dataclass(frozen=True)
class Case:
    """One way to exercise a component. Every field has a default that suits most components.

    Attributes:
        parameters: Parameters of the component, as in a recipe.
        setup: Called with an empty folder, makes files there and returns further parameters (a dataset's root).
        needs: Modules of optional libraries; without one of them the case is skipped, and it is said.
        shape: For a backbone: channels, frames, height and width of its input.
        meta: For a backbone: too large to compute here; its shapes are checked on the meta device alone.
        streams: For a fusion: the streams that it is given.
        reference: For an evaluator: (y_true, y_score) of one row a patient to the value that is expected, or None
            where it is undefined.
        columns: For a resampler or an evaluator: further columns of the table, by name, made from the number of rows.
        expected: Checks that this component is known to fail, with the reason; one that passes is then a failure.
    """

    parameters: Mapping[str, Any] = field(default_factory=dict)
    setup: Callable[[Path], Mapping[str, Any]] | None = None
    needs: tuple[str, ...] = ()
    shape: tuple[int, int, int, int] = (1, 8, 32, 32)
    meta: bool = False
    streams: tuple[str, ...] = ("video", "flow")
    reference: Callable[[npt.NDArray[np.int64], npt.NDArray[np.float64]], float | None] | None = None
    columns: Mapping[str, Callable[[int], Any]] = field(default_factory=dict)
    expected: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Subject:
    """A component with a case, as the checks see it.

    Attributes:
        component: What is checked.
        case: How it is exercised.
    """

    component: Component
    case: Case

    @cached_property
    def given(self) -> dict[str, Any]:
        """The parameters of the case, with those of files made now."""
        parameters = dict(self.case.parameters)
        if self.case.setup is not None:
            folder = tempfile.TemporaryDirectory(prefix="echokit-check-")
            self.__dict__["folder"] = folder  # as long as the subject lives: a cohort names files in it
            parameters |= self.case.setup(Path(folder.name))
        return parameters

    @cached_property
    def values(self) -> BaseModel:
        """Its validated parameters.

        Raises:
            Failure: Those of the case do not fit.
        """
        try:
            return validate(self.component.parameters(), self.given)
        except InvalidParameters as invalid:
            raise Failure(f"the parameters of its case do not fit: {invalid}") from None

    def make(self) -> Any:
        """Make the component anew."""
        names = type(self.values).model_fields
        return self.component.load()(**{name: getattr(self.values, name) for name in names})


@dataclass(frozen=True, slots=True)
class Result:
    """What one check found.

    Attributes:
        component: ``kind.name``, with the parameters of its case where it has several.
        check: Name of the check.
        outcome: ``passed``, ``failed``, ``expected`` (it failed, as was said in advance) or ``skipped``.
        detail: Why it did not pass.
    """

    component: str
    check: str
    outcome: Outcome
    detail: str = ""


class Skip(Exception):
    """Raised by a check that does not apply, with the reason."""


class Expected(Skip):
    """Raised for a check that failed as was said in advance."""


class Failure(AssertionError):
    """Raised by a check that found something; an AssertionError, so that pytest shows it as one."""


def require(holds: object, message: str) -> None:
    """Fail with a message unless something holds.

    Raises:
        Failure: It does not.
    """
    if not holds:
        raise Failure(message)
