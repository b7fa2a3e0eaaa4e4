"""Classification thresholds: fixed beforehand, or chosen by a rule on the validation set."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from echokit.errors import EchokitError
from echokit.plugins.component_config import ComponentConfig
from echokit.plugins.component_parameter import ComponentOf
from echokit.plugins.discovery import installed
from echokit.plugins.parameters import InvalidParameters

if TYPE_CHECKING:
    from echokit.evaluation.predictions import Predictions

ENOUGH_TO_CHOOSE = 20
SHORT = r"^(.+)_(\d+(?:\.\d+)?)$"
"""A rule and its one parameter: ``sensitivity_at_0.90``."""

Choose = Callable[[npt.NDArray[np.int64], npt.NDArray[np.float64]], float]
"""Chooses a threshold from (n,) classes 0 and 1 and (n,) scores; a ValueError says why it cannot."""


@dataclass(frozen=True)
class Rule:
    """A threshold rule of a recipe.

    Attributes:
        text: How the recipe names it, for reports.
        choose: The component.
    """

    text: str
    choose: Choose

    def __call__(self, y: npt.NDArray[np.int64], score: npt.NDArray[np.float64]) -> float:
        """Choose a threshold.

        Args:
            y: (n,) int64 of 0 and 1: the validation patients of a fold.
            score: (n,) float64.

        Raises:
            ValueError: None can be chosen, with the reason.
            EchokitError: What the component returns is no finite number.
        """
        threshold = self.choose(y.copy(), score.copy())
        try:
            if math.isfinite(threshold):
                return float(threshold)
        except TypeError:
            pass
        raise EchokitError(
            f"the threshold rule {self.text} gave {threshold!r:.80}, no finite number",
            hint="a rule that cannot choose raises a ValueError with the reason",
            code="threshold_rule.not_finite",
        )


class RuleConfig(ComponentConfig):
    """A threshold rule in a recipe, which is built with the text that names it."""

    def build(self) -> Rule:
        """Build the rule."""
        return Rule(self.label(), super().build())


def short_form(text: str) -> dict[str, Any] | None:
    """Read a short form such as ``sensitivity_at_0.90``; None if it is none."""
    match, registry = re.match(SHORT, text), installed().registry
    if match is None or text in registry.names("threshold_rule"):
        return None
    try:
        fields = registry.get("threshold_rule", match[1]).parameters().model_fields
    except EchokitError:
        return None
    return {"use": match[1], next(iter(fields)): float(match[2])} if len(fields) == 1 else None


RULE = ComponentOf("threshold_rule", short=short_form, pattern=SHORT, config=RuleConfig)
Threshold = Annotated[float, Field(allow_inf_nan=False)] | Annotated[Any, RULE]
"""A parameter that is a threshold: a number, or a rule; the constructor gets a float or a `Rule`."""


def as_rule(threshold: float | Choose | str | None) -> float | Rule | None:
    """Return the rule that an evaluator has, by name or bare, with its text.

    Raises:
        EchokitError: No rule has the name.
    """
    if threshold is None or isinstance(threshold, int | float | Rule):
        return threshold
    if isinstance(threshold, str):
        try:
            rule: Rule = RULE.configure(threshold).build()
        except InvalidParameters as invalid:
            problem = invalid.problems[0]
            raise EchokitError(problem.message, hint=problem.hint, code=problem.code) from None
        return rule
    return Rule(installed().registry.name_of_instance("threshold_rule", threshold), threshold)


def with_threshold(part: Predictions, validation: Predictions | None, rule: float | Rule | None) -> Predictions:
    """Set the threshold by a rule on the validation set of the same fold.

    With fewer than 20 patients of either class in the validation set a chosen threshold would be noise: the one
    that was fixed beforehand stays, and the definition of every metric states this.

    Args:
        part: The patients to classify, one row a patient.
        validation: Those of the same fold's validation set, or None.
        rule: A number, a rule, or None for the threshold that the predictions came with.
    """
    if rule is None:
        return part
    if not isinstance(rule, Rule):
        return replace(part, threshold=float(rule), threshold_origin="fixed in the recipe")
    if validation is None or not len(validation):
        return replace(
            part, threshold_origin=f"fixed beforehand: {rule.text} needs a validation set, and there is none"
        )
    y = validation.y_true
    few = int(min(y.sum(), len(y) - y.sum()))
    if few < ENOUGH_TO_CHOOSE:
        why = f"the smaller class of the validation set has {few} patients, fewer than {ENOUGH_TO_CHOOSE}"
        return replace(part, threshold_origin=f"fixed beforehand, not chosen by {rule.text}: {why}")
    try:
        threshold = rule(y, validation.y_score)
    except ValueError as error:
        return replace(part, threshold_origin=f"fixed beforehand, not chosen by {rule.text}: {error}")
    origin = f"chosen by {rule.text} on the validation set ({len(y)} patients, {int(y.sum())} positives)"
    return replace(part, threshold=threshold, threshold_origin=origin)
