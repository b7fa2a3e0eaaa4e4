"""Initial weights: files, names, transfer into a model."""
