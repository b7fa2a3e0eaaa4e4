"""Checkpoints of a training: files, state, selection of the epoch."""
