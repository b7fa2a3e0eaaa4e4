"""What a test expects of an error: its code and its place, never its sentence."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from echokit.cli import exit_code
from echokit.errors import EchokitError, RecipeError


@contextmanager
def refused(
    code: str, where: str | None = None, names: tuple[str, ...] = ()
) -> Iterator[pytest.ExceptionInfo[EchokitError]]:
    """Expect an `EchokitError` with a code, and what it has to name.

    Args:
        code: Its code.
        where: What its place ends with.
        names: Cases, lines, columns or numbers that its text has to contain.
    """
    with pytest.raises(EchokitError) as caught:
        yield caught
    assert caught.value.code == code, f"{caught.value.code}: {caught.value}"
    missing = [name for name in names if name not in str(caught.value)]
    assert not missing, f"{missing} not in: {caught.value}"
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
