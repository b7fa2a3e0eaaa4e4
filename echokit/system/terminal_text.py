"""Text that is safe to print on a terminal."""

from __future__ import annotations

import re
import sys

from echokit.errors import shortened

_NOT_SHOWN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff"
    r"\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"  # line ends, and what changes the direction of text
)

_TOO_LONG = re.compile(r"\S{1000,}")


def printable(text: str) -> str:
    """Escape control characters, changes of direction, and bytes that are not UTF-8.

    Args:
        text: Any text; line ends and tabs stay, and words of a thousand characters are shortened.
    """
    text = _TOO_LONG.sub(lambda match: shortened(match[0]), text)
    return _NOT_SHOWN.sub(lambda match: match[0].encode("unicode_escape", "surrogatepass").decode(), text)


def is_printable(text: str) -> bool:
    """Return whether a text is safe to print, on one line, without escapes."""
    return not _NOT_SHOWN.search(text) and not set(text) & set("\t\n")


def on_terminal() -> bool:
    """Return whether messages go to a person's terminal, and to no file or pipe.

    Only there may they repeat a path of the user, which may identify a patient.
    """
    return sys.stderr is not None and sys.stderr.isatty()
