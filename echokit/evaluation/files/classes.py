"""Classes in a file of other software: which value is positive, which negative, and which is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from echokit.errors import DataError
from echokit.evaluation.files.metric_files import count_rows, list_lines, place, to_number
from echokit.evaluation.predictions import list_cases

if TYPE_CHECKING:
    import pandas as pd

_MISSING = (
    "na n/a n.a. nan -nan null none nil <na> missing unknown unk undefined ? . "
    "#n/a #na #null! #value! #ref! #div/0! #name? #num!"
)
MISSING = frozenset(("", "not available", "not known", *_MISSING.split()))
"""What other software writes for a missing value; compared without regard to case."""
MOST_CLASSES = 20
"""Listed in a message."""


def to_classes(
    table: pd.DataFrame, positive: str | None, negative: Sequence[str], path: Path
) -> tuple[list[str], str, list[str]]:
    """Convert the column ``y_true`` of a file to "0" and "1".

    Args:
        table: The rows of the file, in its order, with ``case_id`` and ``y_true``.
        positive: The value of the positive class; for 0 and 1 its name.
        negative: The other values; empty for all but missing ones.
        path: The file, for messages.

    Returns:
        "0" or "1" for each row, the name of the positive class, and notes on what became what.

    Raises:
        DataError: A class is missing, or neither positive nor negative, or none is positive.
    """
    texts = [text.strip() for text in table["y_true"]]
    named = [*([] if positive is None else [positive]), *negative]
    missing = [
        row for row, text in enumerate(texts) if text.casefold() in MISSING and not any(_same(text, v) for v in named)
    ]
    if missing:
        raise DataError(
            f"there is no class for {list_cases(table['case_id'].iloc[missing])}; {list_lines(path, texts, missing)}",
            hint="leave these rows out, and report how many; or name the value, if it is a class: --negative VALUE",
            where=place(path, missing),
            code="predictions.empty_cell",
        )
    counts = Counter(texts)
    chosen = [text for text in counts if positive is not None and _same(text, positive)]
    if positive is None or not chosen:
        if not negative and all(to_number(text) in (0.0, 1.0) for text in counts):
            return [f"{to_number(text):g}" for text in texts], positive or "positive", []
        shown = ", ".join(sorted(counts)[:6]) + (", ..." if len(counts) > 6 else "")
        raise DataError(
            f"the classes are {shown}: which one is positive?"
            if positive is None
            else f"no class is {positive!r}: {shown}",
            hint="give --positive VALUE",
            where=str(path),
            code="predictions.unknown_positive",
        )
    others = Counter({text: number for text, number in counts.items() if text not in chosen})
    unknown = [text for text in others if negative and not any(_same(text, value) for value in negative)]
    if unknown:
        rows = [row for row, text in enumerate(texts) if text in unknown]
        raise DataError(
            f"{count_rows(rows)} a class that is neither positive nor negative; {list_lines(path, texts, rows)}",
            hint="give --negative VALUE for each other class, or leave these rows out",
            where=place(path, rows),
            code="predictions.unknown_class",
        )
    note = f"positive: {_listed(Counter({text: counts[text] for text in chosen}))}; negative: {_listed(others)}"
    return ["1" if text in chosen else "0" for text in texts], positive, [note]


def _same(text: str, value: str) -> bool:
    """Whether two texts are one class: the same word or number."""
    return text.casefold() == value.strip().casefold() or to_number(text) == to_number(value)


def _listed(counts: Mapping[str, int]) -> str:
    """List classes with their numbers of rows, the most frequent first."""
    ordered = sorted(counts, key=lambda text: (-counts[text], text))
    shown = ", ".join(f"{text} ({counts[text]:,})" for text in ordered[:MOST_CLASSES])
    return (shown or "none") + (f", and {len(ordered) - MOST_CLASSES} more" if len(ordered) > MOST_CLASSES else "")
