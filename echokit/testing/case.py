"""Case: how to exercise a component in the checks, and Result: the outcome of one check."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from echokit.plugins.component import Component
from echokit.plugins.component_config import ComponentConfig
from echokit.plugins.parameters import InvalidParameters, validate

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from pydantic import BaseModel

Outcome = Literal["passed", "failed", "same", "expected", "skipped"]


@dataclass(frozen=True)
class Case:
    """One way to exercise a component; the defaults suit most of them.

    Attributes:
        parameters: Parameters of the component, as in a recipe.
        setup: Function that writes files into an empty folder and returns further parameters (a dataset's root).
        needs: Modules of optional libraries; the case is skipped if one is not installed.
        shape: For a backbone: channels, frames, height and width of its input.
        meta: For a backbone that is too large to compute: only its shapes are checked, on the meta device.
        streams: For a fusion: names of its input streams.
        reference: For an evaluator: function from (y_true, y_score), one row per patient, to the expected value, or
            None if it is undefined.
        columns: For a resampler or an evaluator: further columns of the table, name to a function of the number of
            rows. For a preprocessor: those of its case.
        expected: Checks that this component is known to fail, with the reason; such a check fails once it passes.
        video: For a reader: function that writes a video into an empty folder; it returns its path, and the frames that
            reading it should give, (T, H, W) uint8.
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
    video: Callable[[Path], tuple[Path, npt.NDArray[np.uint8]]] | None = None


@dataclass(frozen=True)
class Subject:
    """A component and one of its cases: the input of a check.

    Attributes:
        component: The component to check.
        case: How to exercise it.
    """

    component: Component
    case: Case

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """Parameters of the case, including those from its setup."""
        parameters = dict(self.case.parameters)
        if self.case.setup is not None:
            parameters |= self.case.setup(self.folder)
        return parameters

    @cached_property
    def folder(self) -> Path:
        """A folder for files of the case.

        It is kept as long as the subject: a cohort names files in it.
        """
        folder = tempfile.TemporaryDirectory(prefix="echokit-check-")
        self.__dict__["_temporary"] = folder
        return Path(folder.name)

    @cached_property
    def video(self) -> tuple[Path, npt.NDArray[np.uint8]]:
        """The path and frames of the video that the case of a reader writes."""
        assert self.case.video is not None
        return self.case.video(self.folder)

    @cached_property
    def values(self) -> BaseModel:
        """The validated parameters.

        Raises:
            Failure: The parameters of the case are invalid.
        """
        try:
            return validate(self.component.parameters(), self.parameters)
        except InvalidParameters as invalid:
            raise Failure(f"the parameters of its case are invalid: {invalid}") from None

    def make(self) -> Any:
        """Construct a new instance of the component."""
        return ComponentConfig(self.component, self.values).build()


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of one check.

    Attributes:
        component: ``kind.name``, with the number of the case if there are several; ``plugin.name``, ``hook.name`` or
            ``command.name`` for what is no component.
        check: Name of the check.
        outcome: ``passed``, ``failed``, ``same`` (it fails for the same reason as an earlier check), ``expected`` (a
            known failure) or ``skipped``.
        detail: Why it did not pass, or a note.
    """

    component: str
    check: str
    outcome: Outcome
    detail: str = ""


class Skip(Exception):
    """Raised by a check that does not apply, with the reason."""

    outcome: Outcome = "skipped"


class Expected(Skip):
    """Raised for a known failure of a check."""

    outcome: Outcome = "expected"


class SameCause(Skip):
    """Raised for a failure whose cause another check has reported."""

    outcome: Outcome = "same"


class Failure(AssertionError):
    """Raised by a check that fails; an AssertionError, so that pytest shows it as one.

    Args:
        message: What is wrong.
        cause: What failures of several components have in common, if one mistake causes them all.
    """

    def __init__(self, message: str, cause: str = "") -> None:
        super().__init__(message)
        self.cause = cause


def require(holds: object, message: str, cause: str = "") -> None:
    """Fail with a message unless a condition holds.

    Raises:
        Failure: The condition does not hold.
    """
    if not holds:
        raise Failure(message, cause)
