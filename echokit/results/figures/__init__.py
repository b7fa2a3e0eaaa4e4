"""Figures of a run, each drawn once."""
