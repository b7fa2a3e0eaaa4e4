"""Evaluators: one metric or chart in each file."""
