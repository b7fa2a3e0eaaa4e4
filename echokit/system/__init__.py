"""This machine: files, hashing, worker processes, progress, signals, terminal text."""
