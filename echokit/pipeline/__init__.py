"""The core loop and its stages, from a recipe to results."""
