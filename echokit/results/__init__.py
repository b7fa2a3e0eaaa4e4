"""A run on disk: lock, run directory, figures, summary and page."""
