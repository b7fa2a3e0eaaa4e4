"""Recipes: YAML files of components and their parameters."""

from echokit.recipe.check import load_recipe
from echokit.recipe.compose import find_recipe, shipped_recipes
from echokit.recipe.recipe import Recipe, Use

__all__ = ["Recipe", "Use", "find_recipe", "load_recipe", "shipped_recipes"]
