"""Grid of a hyperparameter search: one recipe per combination of values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from echokit.recipe.recipe import Recipe

SEARCHED = ("train.", "model.dropout")
"""Keys that can be searched: they change the training of the head and not its features."""


@dataclass(frozen=True)
class Candidate:
    """One candidate of a hyperparameter search.

    Attributes:
        values: The hyperparameters, by their key in the recipe.
        recipe: The recipe with these values and without the search.
    """

    values: dict[str, Any]
    recipe: Recipe

    def __str__(self) -> str:
        return ", ".join(f"{key} {value}" for key, value in self.values.items()) or "the values of the recipe"


def searched_hyperparameters(recipe: Recipe) -> dict[str, tuple[Any, ...]]:
    """Return the hyperparameters that a recipe searches; empty for none."""
    return dict(getattr(recipe.resample.values, "search", None) or {})
