"""Text that a terminal may be given, wherever it comes from."""

from __future__ import annotations

import re

_NOT_SHOWN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def printable(text: str) -> str:
    """Write control characters, and bytes of a name that are no UTF-8, as escapes: they can move or colour a terminal.

    Args:
        text: Any text; line ends and tabs stay.
    """
    return _NOT_SHOWN.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode(), text)


def is_printable(text: str) -> bool:
    """Whether a text can be shown as it is."""
    return not _NOT_SHOWN.search(text) and not set(text) & set("\t\n")
