"""The optimizers that a recipe can name without a library."""
