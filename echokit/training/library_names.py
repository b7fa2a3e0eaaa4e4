"""Names of torch's and timm's optimizers and schedules, without an import where that is possible."""

from __future__ import annotations

import functools
from importlib.util import find_spec
from pathlib import Path

FILES = {
    "torch": ("optim/__init__.py", "optim/lr_scheduler.py"),
    "timm": ("optim/_optim_factory.py", "scheduler/__init__.py"),
}
"""The files whose code has the name of every optimizer and schedule."""


def may_have(name: str) -> bool:
    """Return whether torch or timm can have an optimizer or a schedule of a name.

    They are not imported, which takes seconds: a name that is nowhere in their code cannot be one of theirs.
    """
    return any(_letters(name) in _code(library) for library in FILES)


@functools.cache
def _code(library: str) -> str:
    spec = find_spec(library)
    folders = spec.submodule_search_locations if spec else None
    return "".join(
        _letters((Path(folder) / file).read_text(encoding="utf-8"))
        for folder in folders or ()
        for file in FILES[library]
    )


def _letters(text: str) -> str:
    """Write ``CosineAnnealing`` and ``cosine_annealing`` in one way."""
    return text.lower().replace("_", "")
