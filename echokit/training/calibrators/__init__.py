"""Calibrators: from scores to probabilities, on the validation patients alone."""
