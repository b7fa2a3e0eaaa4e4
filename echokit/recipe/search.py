"""Grid of a hyperparameter search: one recipe per combination of values."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from typing import Any

from echokit.errors import EchokitError
from echokit.recipe.compose import apply_override
from echokit.recipe.recipe import Recipe

SEARCHED = ("train.", "model.dropout")
"""Keys that can be searched: they change the training of the head and not its features."""


@dataclass(frozen=True)
class Configuration:
    """One candidate of a hyperparameter search.

    Attributes:
        values: The hyperparameters, by their key in the recipe.
        recipe: The recipe with these values and without the search.
    """

    values: dict[str, Any]
    recipe: Recipe

    def __str__(self) -> str:
        return ", ".join(f"{key} {value}" for key, value in self.values.items()) or "the values of the recipe"


def search_of(recipe: Recipe) -> dict[str, tuple[Any, ...]]:
    """Return the hyperparameters that a recipe searches, with their values; empty without a search."""
    return dict(getattr(recipe.resample.values, "search", None) or {})


def configurations(recipe: Recipe) -> tuple[Configuration, ...]:
    """List all candidates in the order of the recipe; the last hyperparameter changes fastest.

    Raises:
        EchokitError: A key cannot be searched.
        RecipeError: A candidate is no valid recipe.
    """
    from echokit.recipe.check import check

    search = search_of(recipe)
    for key in search:
        if not key.startswith(SEARCHED) or key.startswith("train.phases"):
            raise EchokitError(
                f"{key!r} cannot be searched",
                hint="search keys under train (not phases) or model.dropout; others would change the features",
                code="search.unsearchable_key",
            )
    base = recipe.tree
    for text in ("resample={use: holdout}", "evaluate=[auroc]", "controls=null"):
        base = apply_override(base, text)
    candidates = []
    for values in itertools.product(*search.values()):
        tree = base
        for key, value in zip(search, values, strict=True):
            tree = apply_override(tree, f"{key}={json.dumps(value)}")
        candidates.append(Configuration(dict(zip(search, values, strict=True)), check(tree)))
    return tuple(candidates)
