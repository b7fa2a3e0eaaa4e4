"""The phantom as a hospital's cohort: scanner files, outcome and truth."""
