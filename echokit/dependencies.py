"""What has to run before a recipe: the runs whose weights it starts from."""

from __future__ import annotations

from pathlib import Path

from echokit.errors import EchokitError
from echokit.recipe.check import load_recipe
from echokit.recipe.compose import find_recipe
from echokit.recipe.recipe import Recipe
from echokit.starting_weights import NoRunError, find_weights_run


def missing_runs(recipe: Recipe, beside: Path, out: Path) -> list[Recipe]:
    """Recipes of the runs that a recipe starts from, directly or not, and that have not been made: first things first.

    Args:
        recipe: That shall run.
        beside: Its file: recipes in the same folder are found before the shipped ones.
        out: Where runs are.

    Raises:
        EchokitError: A run is missing and there is no recipe of its name, or recipes start from each other.
    """
    needed: list[Recipe] = []
    while recipe.weights is not None and recipe.weights.kind == "run":
        try:
            find_weights_run(recipe.weights, out)
            break
        except NoRunError as missing:
            name = recipe.weights.run
            if name in (recipe.name, *(other.name for other in needed)):
                raise EchokitError(
                    f"the recipe {name!r} starts, in the end, from its own run", where="model.weights"
                ) from None
            try:
                beside = find_recipe(f"{name}.yaml", beside)
            except EchokitError:
                raise missing from None
            recipe = load_recipe(beside)
            if recipe.name != name:
                raise EchokitError(
                    f"the recipe {beside} makes the run {recipe.name!r}, not {name!r}",
                    hint=f"write model.weights: run:{recipe.name}",
                    where="model.weights",
                ) from None
            needed.insert(0, recipe)
    return needed
