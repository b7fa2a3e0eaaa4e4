"""report.html: one page on which a person sees whether a model is any good, and can trace every number."""
