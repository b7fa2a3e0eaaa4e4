"""A dataset that is not there at all."""

from __future__ import annotations

from echokit.errors import DataError


class AbsentError(DataError):
    """The root of a dataset is not there at all, so that a recipe's fallback may take its place.

    ``where`` is the place in the recipe that names it.
    """
