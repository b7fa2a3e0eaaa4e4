"""Backbones: one family in each file."""
