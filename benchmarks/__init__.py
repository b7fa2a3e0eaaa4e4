"""Benchmarks: each writes its table under ``benchmarks/results``."""
