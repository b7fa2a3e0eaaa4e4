"""Modules made from a text: one file that the user names, or a class of a notebook.

Such a module can be imported under its name in this process and in every worker process.
"""

from __future__ import annotations

import hashlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from types import CodeType, ModuleType
from typing import Any


@dataclass(frozen=True, slots=True)
class SourceModule:
    """The text of a module.

    Attributes:
        name: Its name, without dots.
        file: Where the text is from, for tracebacks.
        text: The text.
    """

    name: str
    file: str
    text: str

    @property
    def hash(self) -> str:
        """Hash of the text, that of ``b2sum --length=128`` for a file."""
        return hashlib.blake2b(self.text.encode(), digest_size=16).hexdigest()


_known: dict[str, SourceModule] = {}


def provide(*modules: SourceModule) -> None:
    """Make modules importable; one with another text than before is imported again."""
    for module in modules:
        if _known.get(module.name) != module:
            withdraw(module.name)
        _known[module.name] = module
    if _finder not in sys.meta_path:
        sys.meta_path.append(_finder)


def withdraw(name: str) -> None:
    """Forget a module."""
    _known.pop(name, None)
    sys.modules.pop(name, None)


def source_module(name: str) -> SourceModule | None:
    """Return the text of a module of this kind; None for any other."""
    return _known.get(name)


def source_modules() -> tuple[SourceModule, ...]:
    """Return all of them, in the order in which they came."""
    return tuple(_known.values())


def handed_over() -> str:
    """Write all of them as text, for `take_over` in another process."""
    return json.dumps([asdict(module) for module in _known.values()])


def take_over(text: str) -> None:
    """Provide what another process has handed over; nothing for no text."""
    provide(*(SourceModule(**fields) for fields in json.loads(text or "[]")))


class Inheritance:
    """All source modules of this process.

    Where a copy of it is unpickled, they can be imported.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return provide, source_modules()


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if (module := _known.get(fullname)) is None:
            return None
        return importlib.util.spec_from_loader(fullname, _Loader(module), origin=module.file)


class _Loader(importlib.abc.InspectLoader):
    def __init__(self, module: SourceModule) -> None:
        self._module = module

    def is_package(self, fullname: str) -> bool:
        return False

    def get_source(self, fullname: str) -> str:
        return self._module.text

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self._module.text, self._module.file)

    def exec_module(self, module: ModuleType) -> None:
        module.__file__ = self._module.file
        exec(self.get_code(module.__name__), module.__dict__)


_finder = _Finder()
