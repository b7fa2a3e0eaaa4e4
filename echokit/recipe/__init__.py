"""Recipes: YAML files that name components and their parameters."""

from echokit.recipe.compose import find_recipe, shipped_recipes
from echokit.recipe.recipe import Recipe, Use, load_recipe

__all__ = ["Recipe", "Use", "find_recipe", "load_recipe", "shipped_recipes"]
