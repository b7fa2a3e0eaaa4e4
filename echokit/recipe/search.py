"""The configurations of a search: a recipe once for every combination of the values it tries."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from typing import Any

from echokit.errors import EchokitError
from echokit.recipe.compose import apply_override
from echokit.recipe.recipe import Recipe

SEARCHED = ("train.", "model.dropout")
"""What may be searched: it changes the head's training, and not its features."""


@dataclass(frozen=True)
class Configuration:
    """One combination.

    Attributes:
        values: What is tried, by its place in the recipe.
        recipe: The recipe with these values; it searches nothing itself.
    """

    values: dict[str, Any]
    recipe: Recipe

    def __str__(self) -> str:
        return ", ".join(f"{place} {value}" for place, value in self.values.items()) or "as the recipe says"


def search_of(recipe: Recipe) -> dict[str, tuple[Any, ...]]:
    """What a recipe's resampler searches; empty where it does not."""
    return dict(getattr(recipe.resample.values, "search", None) or {})


def configurations(recipe: Recipe) -> tuple[Configuration, ...]:
    """Every combination, in the order of the recipe, the last hyperparameter changing fastest.

    Raises:
        EchokitError: A place can not be searched.
        RecipeError: A combination is no valid recipe.
    """
    from echokit.recipe.check import check

    search = search_of(recipe)
    for place in search:
        if not place.startswith(SEARCHED) or place.startswith("train.phases"):
            raise EchokitError(
                f"{place!r} can not be searched",
                hint="places under train (not phases), and model.dropout: what else there is changes the features",
            )
    plain = apply_override(recipe.tree, "resample={use: holdout}")
    for key in ("evaluate=[auroc]", "controls=null"):
        plain = apply_override(plain, key)
    found = []
    for values in itertools.product(*search.values()):
        tree = plain
        for place, value in zip(search, values, strict=True):
            tree = apply_override(tree, f"{place}={json.dumps(value)}")
        found.append(Configuration(dict(zip(search, values, strict=True)), check(tree)))
    return tuple(found)
