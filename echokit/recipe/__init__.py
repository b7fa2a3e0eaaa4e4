"""Recipes: YAML files of components and their parameters."""

from echokit.recipe.compose import find_recipe, shipped_recipes
from echokit.recipe.recipe import Recipe
from echokit.recipe.validate import load_recipe

__all__ = ["Recipe", "find_recipe", "load_recipe", "shipped_recipes"]
