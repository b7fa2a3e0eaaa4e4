"""The HTML pages: report of a run, comparison of runs."""
