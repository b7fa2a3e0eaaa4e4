"""Fusions: join the features of several streams."""
