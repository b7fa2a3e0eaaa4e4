"""Prepared clips: preparing, storing and reading them."""
