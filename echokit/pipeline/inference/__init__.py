"""A finished run on new videos."""
