"""Finding: the answer of one check."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning", "note"]
EXAMPLES = 3


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        check: Name of the check.
        level: ``error`` where it would corrupt training or testing, ``warning`` where a person should look, ``note``
            if it is only to be known. It counts only with a ``count`` above 0.
        says: What was looked for, as text.
        count: How often it was found.
        examples: A few places, with details; no path and no identifier.
        hint: What to do about it.
        exclude: Cases to leave out.
    """

    check: str
    level: Level
    says: str
    count: int
    examples: tuple[str, ...] = ()
    hint: str = ""
    exclude: tuple[str, ...] = ()


def finding(
    check: str,
    level: Level,
    says: str,
    affected: Iterable[tuple[str, str]],
    *,
    hint: str = "",
    exclude: Sequence[str] | None = None,
) -> Finding:
    """Make a finding of what is affected.

    Args:
        check: Name of the check.
        level: How bad it is.
        says: What was looked for.
        affected: Case (or place in a table) and a detail, which may be empty.
        hint: What to do about it.
        exclude: Cases to leave out; None for none of them.
    """
    listed = list(affected)
    examples = tuple(f"{case} ({detail})" if detail else case for case, detail in listed[:EXAMPLES])
    return Finding(check, level, says, len(listed), examples, hint, tuple(dict.fromkeys(exclude or ())))
