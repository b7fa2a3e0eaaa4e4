"""The source of a class of a notebook as a module of its own, which worker processes can import."""

from __future__ import annotations
import __future__

import ast
import builtins
import inspect
import linecache
import symtable
import sys
import textwrap
from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import Any

from echokit.errors import EchokitError

MAIN = ("__main__", "__mp_main__")
"""Modules that only the process has that runs the notebook or script."""


def standalone_source(target: type[Any]) -> str:
    """Return a module's source: a class, and what it uses of its notebook.

    So the hash of this text changes with a helper function or a constant too.

    Raises:
        EchokitError: A source is not known, or the class uses a value that cannot be written as source.
    """
    parts: dict[str, str] = {}
    _collect(target.__name__, target, vars(sys.modules[target.__module__]), parts)
    flags = [function.__code__.co_flags for function in _functions(target)]
    future = any(flag & __future__.annotations.compiler_flag for flag in flags)
    head = ["from __future__ import annotations"] if future else []
    return "\n\n".join([*head, *filter(None, parts.values())]) + "\n"


def _collect(name: str, value: Any, namespace: dict[str, Any], parts: dict[str, str]) -> None:
    """Add the source of a name of the notebook, after that of what it uses."""
    if name in parts:
        return
    parts[name] = ""  # a function may call itself
    text = _written(name, value)
    if text is None:
        text = _source(value)
        for used in _free_names(text):
            if used in namespace and not (hasattr(builtins, used) and namespace[used] is getattr(builtins, used)):
                _collect(used, namespace[used], namespace, parts)
        if name != value.__name__:
            text += f"\n{name} = {value.__name__}"
    del parts[name]
    parts[name] = text


def _written(name: str, value: Any) -> str | None:
    """Write an import or a constant; None for a class or a function of the notebook.

    Raises:
        EchokitError: It is neither.
    """
    if isinstance(value, ModuleType):
        return f"import {value.__name__}" + (f" as {name}" if value.__name__ != name else "")
    if isinstance(value, type | FunctionType) and value.__module__ in MAIN:
        return None
    module, attribute = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    for where, called in ((module, attribute), ("echokit", name), ("typing", name)):
        if where and called and getattr(sys.modules.get(where), called, None) is value:
            return f"from {where} import {called}" + (f" as {name}" if called != name else "")
    try:
        if ast.literal_eval(repr(value)) == value:
            return f"{name} = {value!r}"
    except (ValueError, SyntaxError, TypeError):
        pass
    raise EchokitError(
        f"the class uses {name!r} of the notebook, a {type(value).__name__} that other processes cannot have",
        hint=f"make {name!r} in the class, or write both into a file: echokit.register.file('my_plugin.py')",
        code="register.not_standalone",
    )


def _source(value: Any) -> str:
    """Return the source of a class or function of a notebook or script.

    Raises:
        EchokitError: It is not known.
    """
    text = _class_source(value) if isinstance(value, type) else None
    try:
        return textwrap.dedent(text or inspect.getsource(value)).rstrip()
    except (OSError, TypeError):
        raise EchokitError(
            f"the source of {value.__name__!r} is not known, so other processes and the lock cannot have it",
            hint="write it into a file: echokit.register.file('my_plugin.py')",
            code="register.no_source",
        ) from None


def _class_source(target: type[Any]) -> str | None:
    """Find the source of a class by one of its methods.

    A cell of a notebook is no file of its module.
    """
    for function in _functions(target):
        code = function.__code__
        lines = linecache.getlines(code.co_filename)
        for node in ast.walk(ast.parse("".join(lines))):
            if isinstance(node, ast.ClassDef) and node.name == target.__name__:
                first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
                if first <= code.co_firstlineno <= (node.end_lineno or 0):
                    return "".join(lines[first - 1 : node.end_lineno])
    return None


def _functions(target: type[Any]) -> Iterator[FunctionType]:
    return (value for value in vars(target).values() if isinstance(value, FunctionType))


def _free_names(text: str) -> list[str]:
    """List the names that a source takes from its module, in a fixed order."""
    names: dict[str, None] = {}
    tables = [symtable.symtable(text, "notebook", "exec")]
    while tables:
        table = tables.pop()
        for symbol in table.get_symbols():
            if symbol.is_referenced() and (symbol.is_global() or table.get_type() == "module"):
                names[symbol.get_name()] = None
        tables += table.get_children()
    return sorted(names)
