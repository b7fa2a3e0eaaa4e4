"""Check the numbers of published tables."""
