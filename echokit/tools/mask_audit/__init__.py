"""Whether a mask can be trusted: what it keeps, and what it reveals."""
