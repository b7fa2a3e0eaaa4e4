"""A recipe as a tree of values with their origins, and the merging of such trees."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from echokit.errors import EchokitError, shortened
from echokit.plugins.parameters import KeyPath

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Origin:
    """Origin of a value: a file and line, or ``--set``, ``default``, ``fallback``.

    Attributes:
        file, line: The origin.
        variable: The environment variable that the value, or a part of it, comes from.
    """

    file: str
    line: int | None = None
    variable: str | None = None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Node:
    """One value of a recipe: a scalar, a list or a mapping of nodes."""

    value: Scalar | list[Node] | dict[str, Node]
    origin: Origin

    def plain(self) -> Any:
        """Return the value as plain Python data."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def at(self, path: Sequence[str | int]) -> Node:
        """Return the node at a path, or its nearest ancestor in the file."""
        node = self
        for step in path:
            inner = node.child(step)
            if inner is None:
                return node
            node = inner
        return node

    def child(self, step: str | int) -> Node | None:
        """Return a child node, or None."""
        if isinstance(self.value, dict):
            return self.value.get(str(step))
        if isinstance(self.value, list) and isinstance(step, int) and step < len(self.value):
            return self.value[step]
        return None

    def leaves(self, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Node]]:
        """List all scalars and empty containers with their paths, in order."""
        if isinstance(self.value, dict) and self.value:
            for key, node in self.value.items():
                yield from node.leaves((*path, key))
        elif isinstance(self.value, list) and self.value:
            for index, node in enumerate(self.value):
                yield from node.leaves((*path, index))
        else:
            yield path, self


def node_of(value: Any, origin: Origin) -> Node:
    """Wrap plain data in nodes of one origin."""
    if isinstance(value, dict):
        return Node({str(key): node_of(inner, origin) for key, inner in value.items()}, origin)
    if isinstance(value, (list, tuple)):
        return Node([node_of(inner, origin) for inner in value], origin)
    return Node(value, origin)


def merge(base: Node, over: Node) -> Node:
    """Merge trees: mappings deeply, lists and scalars replaced.

    A changed ``use`` replaces all.

    A bare name is short for ``{use: name}``, so a parameter may be merged over it.
    """
    if not isinstance(over.value, dict):
        return over
    under = base.value
    if isinstance(under, str):
        under = {"use": base}
    if not isinstance(under, dict):
        return over
    old, new = under.get("use"), over.value.get("use")
    if new is not None and (old is None or old.value != new.value):
        return over
    merged = dict(under)
    for key, node in over.value.items():
        merged[key] = merge(merged[key], node) if key in merged else node
    return Node(merged, over.origin)


def override(tree: Node, path: Sequence[str], value: Node) -> Node:
    """Merge a value over a tree at a path such as ``a.b.0.c``.

    A number is the index of a list.

    Raises:
        EchokitError: An index is missing or out of range.
    """
    if not path:
        return merge(tree, value)
    step, *rest = path
    if isinstance(tree.value, list):
        if not re.fullmatch("[0-9]{1,9}", step) or int(step) >= len(tree.value):
            raise EchokitError(
                f"{shortened(step)!r} is not an item of a list of {len(tree.value)}",
                hint="count from 0",
                where=str(value.origin),
                code="override.bad_index",
            )
        items = list(tree.value)
        items[int(step)] = override(items[int(step)], rest, value)
        return Node(items, tree.origin)
    inner = value
    for key in reversed(rest):
        inner = Node({key: inner}, value.origin)
    if (
        isinstance(tree.value, dict)
        and rest
        and step in tree.value
        and isinstance(tree.value[step].value, (list, dict))
    ):
        inner = override(tree.value[step], rest, value)
        return Node({**tree.value, step: inner}, tree.origin)
    return merge(tree, Node({step: inner}, value.origin))
