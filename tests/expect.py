"""What a test expects of an error: its code and its place, never its sentence."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from echokit.cli import exit_code
from echokit.errors import EchokitError, RecipeError


@contextmanager
def refused(code: str, where: str | None = None) -> Iterator[pytest.ExceptionInfo[EchokitError]]:
    """Expect an `EchokitError` with a code and, if given, a place that ends with ``where``."""
    with pytest.raises(EchokitError) as caught:
        yield caught
    assert caught.value.code == code, f"{caught.value.code}: {caught.value}"
    if where is not None:
        assert str(caught.value.where).endswith(where), caught.value.where


def mistakes(error: RecipeError) -> list[tuple[str, str]]:
    """The (code, place) of every mistake in a recipe, in the order of the file."""
    return [(problem.code, str(problem.where)) for problem in error.problems]


def command_error(arguments: list[str]) -> EchokitError:
    """Run a command line that must fail because of the user's input, and return its error."""
    with pytest.raises(EchokitError) as caught:
        exit_code(["--debug", *arguments])
    return caught.value
