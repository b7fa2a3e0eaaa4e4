"""Words as targets: died and alive, yes and no, normal and reduced."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from echokit.data.cohort.survival_outcome import number
from echokit.errors import DataError, did_you_mean

_YES = {"yes": "no", "y": "n", "true": "false"}
_SHOWN = 6


def are_words(cells: Sequence[object]) -> bool:
    """Whether a column has words: filled cells, and no number among them."""
    filled = [cell for cell in cells if isinstance(cell, str) and cell.strip()]
    return bool(filled) and len(filled) == sum(map(_is_filled, cells)) and all(map(_is_word, filled))


def count_words(cells: Iterable[object]) -> dict[str, int]:
    """Count the words of a column; case and blanks around a word do not matter."""
    return dict(Counter(folded for cell in cells if (folded := _folded(cell))).most_common())


def yes_among(words: Iterable[str]) -> str | None:
    """Return the word that means yes, if the words are yes and no."""
    found = set(words)
    return next((yes for yes, no in _YES.items() if found and found <= {yes, no}), None)


def positive_word(cells: Sequence[object], positive: str, word: str | None, column: str) -> str:
    """Find the word of the positive class in a column of two words.

    Args:
        cells: The column.
        positive: Name of the positive class.
        word: The word for it that the recipe gives, or None.
        column: Name of the column, for messages.

    Raises:
        DataError: The column has more than two words, or none of them is meant.
    """
    counts = count_words(cells)
    listed = ", ".join(f"{found!r} ({count})" for found, count in counts.items())
    if len(counts) > 2:
        raise DataError(
            f"the column {column!r} has {len(counts)} different words, and a target has two"
            + (f": {listed}" if len(counts) <= _SHOWN else ""),
            hint="make a column of two words, or of 1 and 0; leave a cell empty if the outcome is not known",
            where="target.from",
            code="target.many_words",
        )
    wanted = _folded(word or positive)
    if wanted in counts:
        return wanted
    if word is None and (yes := yes_among(counts)):
        return yes
    meant = did_you_mean(wanted, counts)
    raise DataError(
        f"the column {column!r} has the words {listed}, and {word or positive!r} is none of them",
        hint=(f"{meant} " if meant else "") + "target.word is the word of the positive class: "
        f"target: {{from: {column}, positive: {positive}, word: {next(iter(counts))}}}",
        where="target.word" if word else "target.positive",
        code="target.unknown_word",
    )


def class_of(cell: object, word: str) -> float:
    """Return 1 for the word, 0 for another one, NaN for an empty cell."""
    folded = _folded(cell)
    return float(folded == _folded(word)) if folded else math.nan


def _folded(cell: object) -> str:
    return " ".join(cell.split()).casefold() if isinstance(cell, str) else ""


def _is_filled(cell: object) -> bool:
    return bool(cell.strip()) if isinstance(cell, str) else cell is not None and cell == cell


def _is_word(cell: str) -> bool:
    return (
        math.isnan(number(cell)) and cell.strip().lower() not in ("nan", "inf", "-inf") and any(map(str.isalpha, cell))
    )
