"""Prerequisites: the runs whose weights a recipe starts from."""

from __future__ import annotations

from pathlib import Path

from echokit.errors import EchokitError
from echokit.pipeline.initial_weights import MissingRunError, find_weights_run
from echokit.recipe.compose import find_recipe
from echokit.recipe.recipe import Recipe
from echokit.recipe.validate import load_recipe


def missing_runs(recipe: Recipe, beside: Path, out: Path) -> list[Recipe]:
    """List the recipes of missing runs that a recipe starts from, in order.

    Args:
        recipe: The recipe to run.
        beside: Its file; recipes in the same folder are found before the shipped ones.
        out: Folder of all run directories.

    Raises:
        EchokitError: A run is missing and there is no recipe of its name, or recipes start from each other.
    """
    needed: list[Recipe] = []
    while recipe.weights is not None and recipe.weights.kind == "run":
        try:
            find_weights_run(recipe.weights, out)
            break
        except MissingRunError as missing:
            name = recipe.weights.run
            if name in (recipe.name, *(other.name for other in needed)):
                raise EchokitError(
                    f"the recipe {name!r} starts from its own run, directly or through others",
                    where="model.weights",
                    code="weights.own_run",
                ) from None
            try:
                beside = find_recipe(f"{name}.yaml", beside)
            except EchokitError:
                raise missing from None
            recipe = load_recipe(beside)
            if recipe.name != name:
                raise EchokitError(
                    f"the recipe {beside} is named {recipe.name!r}, not {name!r}",
                    hint=f"write model.weights: run:{recipe.name}",
                    where="model.weights",
                    code="weights.other_name",
                ) from None
            needed.insert(0, recipe)
    return needed
