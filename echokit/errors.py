"""Errors for users: what is wrong, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

MOST_PROBLEMS = 50
"""Mistakes of a recipe that are printed."""
LONGEST_NAME = 200


class EchokitError(Exception):
    """A mistake in the user's input, described so that the user can fix it.

    Args:
        message: What is wrong, in one sentence.
        hint: What to do about it.
        where: Its location: ``file:line``, a file name, or a key of a recipe.
        code: A short stable name of the kind of mistake, such as ``fold.one_class``; programs and tests compare it,
            so that the message can be reworded.
    """

    def __init__(
        self, message: str, *, hint: str | None = None, where: str | None = None, code: str = "unspecified"
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.where = where
        self.code = code

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text}\n  hint: {self.hint}" if self.hint else text

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive the default pickling, and worker processes send errors back.
        return (_rebuild, (type(self), self.message, self.hint, self.where, self.code))


def _rebuild(kind: type[EchokitError], message: str, hint: str | None, where: str | None, code: str) -> EchokitError:
    return kind(message, hint=hint, where=where, code=code)


class RecipeError(EchokitError):
    """All mistakes in one recipe.

    Args:
        problems: One error for each mistake, in the order of the file.
    """

    def __init__(self, problems: Iterable[EchokitError]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        super().__init__(f"{count} mistake{'s' if count != 1 else ''} in the recipe", code="recipe.invalid")

    def __str__(self) -> str:
        shown = [str(problem) for problem in self.problems[:MOST_PROBLEMS]]
        if len(self.problems) > MOST_PROBLEMS:
            shown.append(f"and {len(self.problems) - MOST_PROBLEMS:,} more")
        return "\n".join([f"{self.message}:", *shown])

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.problems,))


class DataError(EchokitError):
    """A file or a table that cannot be used."""


class VideoError(DataError):
    """A video that cannot be read; its case is skipped, and the run continues."""


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """Return ``did you mean 'x'?`` for the closest known name, or None."""
    import difflib

    if len(name) > LONGEST_NAME:  # its comparison would take minutes
        return None
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"did you mean '{matches[0]}'?" if matches else None


def shortened(text: str, longest: int = LONGEST_NAME) -> str:
    """Cut the middle out of a text that is too long for a message."""
    if len(text) <= longest:
        return text
    half = longest // 2
    return f"{text[:half]} ... ({len(text) - 2 * half:,} characters) ... {text[-half:]}"


def location_in_package(error: BaseException, package: str) -> str | None:
    """Locate an exception in a package: ``folder/file.py:12``, or None.

    Args:
        error: The caught exception.
        package: Top-level name, such as that of a plugin.
    """
    if isinstance(error, SyntaxError) and (error.filename or "").endswith(".py"):
        return _location(str(error.filename), error.lineno)
    location = None
    trace = error.__traceback__
    while trace is not None:
        if str(trace.tb_frame.f_globals.get("__name__", "")).partition(".")[0] == package:
            location = _location(trace.tb_frame.f_code.co_filename, trace.tb_lineno)
        trace = trace.tb_next
    return location


def _location(file: str, line: int | None) -> str:
    path = Path(file)
    return f"{Path(path.parent.name) / path.name}:{line}"
