"""The distribution: the name by which echokit is installed, and its version."""

from __future__ import annotations

VERSION = "0.1.0"
DISTRIBUTION = "echokit-cardiac"
"""On the package index, ``echokit`` is unrelated software. The import, the command and the entry points are echokit."""


def install_extra(extra: str) -> str:
    """Format the command that installs the libraries of an extra, in any shell."""
    return f'python -m pip install "{DISTRIBUTION}[{extra}]"'
