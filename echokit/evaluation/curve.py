"""A curve that the page of a run draws, whatever evaluator it is from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from echokit.errors import EchokitError

LARGEST = 1e12
"""A larger number is a mistake, and no axis can show it."""
Points = tuple[Sequence[float], Sequence[float]]
"""x and y of each point, in the order in which they are joined: lists or arrays of numbers."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A curve of an evaluator, in ``Evaluation.curves``, that the page draws.

    Every fold has its own: the page lays them over one another. A fold for which there is no curve (one class only)
    leaves it out.

    Attributes:
        title: Title of the chart. It is written as it is: markup and formulas are text.
        x_label, y_label: Labels of the axes, with the unit.
        series: Lines of the chart by name, each with its points; a single line is named in no legend.
        reference: Points of a dashed line for comparison, such as ``((0, 1), (0, 1))`` for chance, or None.
        reference_label: What the dashed line is: ``chance``.
        description: A sentence below the chart.
    """

    title: str
    x_label: str
    y_label: str
    series: Mapping[str, Points]
    reference: Points | None = None
    reference_label: str = "reference"
    description: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Convert to the content of ``curves.json``.

        Raises:
            ValueError: A text is no text, there is no series, or points are no pairs of finite numbers.
        """
        texts = {
            name: getattr(self, name) for name in ("title", "x_label", "y_label", "reference_label", "description")
        }
        for name, text in texts.items():
            if not isinstance(text, str):
                raise ValueError(f"its {name} is {text!r}, not text")
        if not self.title.strip():
            raise ValueError("it has no title")
        if not isinstance(self.series, Mapping) or not self.series:
            raise ValueError("it has no series")
        for name in self.series:
            if not isinstance(name, str) or not name.strip():
                raise ValueError(f"a series is named {name!r}")
        series = {name: _points(f"the series {name!r}", points) for name, points in self.series.items()}
        reference = None if self.reference is None else _points("the reference", self.reference)
        return {**texts, "series": series, "reference": reference}


def curve_content(evaluator: str, name: str, curve: object) -> dict[str, Any]:
    """Convert what an evaluator gives as a curve to the content of ``curves.json``.

    Args:
        evaluator: Full name of the evaluator, for the message.
        name: Name of the curve.
        curve: A ``Curve``, or a mapping that no one draws.

    Raises:
        EchokitError: It is neither, or the curve cannot be drawn.
    """
    try:
        if isinstance(curve, Curve):
            return curve.to_dict()
        if not isinstance(curve, Mapping):
            raise ValueError(f"it is {type(curve).__name__}, not an echokit.Curve")
    except ValueError as error:
        raise EchokitError(
            f"the curve {name!r} of the evaluator {evaluator!r} cannot be drawn: {error}",
            hint="leave out a curve that is undefined; every point needs a finite x and y",
            code="evaluator.bad_curve",
        ) from None
    return dict(curve)


def is_drawn(content: Mapping[str, Any]) -> bool:
    """Return whether the content of a fold in ``curves.json`` is that of a ``Curve``."""
    return isinstance(content.get("series"), dict) and isinstance(content.get("title"), str)


def _points(what: str, points: Points) -> dict[str, list[float]]:
    try:
        x, y = ([float(value) for value in values] for values in points)
    except (TypeError, ValueError):
        raise ValueError(f"{what} is no pair of x and y, each a list of numbers") from None
    if len(x) != len(y):
        raise ValueError(f"{what} has {len(x)} x and {len(y)} y")
    if not x:
        raise ValueError(f"{what} has no points")
    wrong = next(
        (i for i, pair in enumerate(zip(x, y, strict=True)) if not all(abs(value) <= LARGEST for value in pair)), None
    )
    if wrong is not None:
        raise ValueError(f"point {wrong} of {what} is ({x[wrong]}, {y[wrong]})")
    return {"x": x, "y": y}
