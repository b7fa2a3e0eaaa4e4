"""The error for a dataset that does not exist."""

from __future__ import annotations

from echokit.errors import DataError


class AbsentError(DataError):
    """The root of a dataset does not exist; a recipe's fallback may replace it.

    ``where`` is the key of the recipe that names it.
    """


class NotCreatedError(DataError):
    """Synthetic data that the run creates, and that do not exist yet."""
