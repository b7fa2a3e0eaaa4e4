"""A recipe as a tree of values that remember where each of them came from, and how such trees are merged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from echokit.errors import EchokitError
from echokit.schema import Place

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was written: a file and line, or ``--set``, ``default``, ``fallback``.

    Attributes:
        file, line: The place.
        variable: The environment variable that was set and gave the value, or a part of it.
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
        """The value as ordinary Python data."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def at(self, place: Sequence[str | int]) -> Node:
        """The node at a place, or the nearest one around it where the place is not written."""
        node = self
        for step in place:
            inner = node.child(step)
            if inner is None:
                return node
            node = inner
        return node

    def child(self, step: str | int) -> Node | None:
        """The node one step down, or None."""
        if isinstance(self.value, dict):
            return self.value.get(str(step))
        if isinstance(self.value, list) and isinstance(step, int) and step < len(self.value):
            return self.value[step]
        return None

    def leaves(self, place: Place = ()) -> Iterator[tuple[Place, Node]]:
        """All scalars and empty containers with their places, in order."""
        if isinstance(self.value, dict) and self.value:
            for key, node in self.value.items():
                yield from node.leaves((*place, key))
        elif isinstance(self.value, list) and self.value:
            for index, node in enumerate(self.value):
                yield from node.leaves((*place, index))
        else:
            yield place, self


def node_of(value: Any, origin: Origin) -> Node:
    """Wrap ordinary data, all of one origin."""
    if isinstance(value, dict):
        return Node({str(key): node_of(inner, origin) for key, inner in value.items()}, origin)
    if isinstance(value, (list, tuple)):
        return Node([node_of(inner, origin) for inner in value], origin)
    return Node(value, origin)


def merge(base: Node, over: Node) -> Node:
    """Lay one tree over another: mappings merge deeply, lists and scalars replace, a changed ``use`` replaces all.

    A bare name stands for ``{use: name}``, so a parameter may be laid over it.
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


def override(tree: Node, place: Sequence[str], value: Node) -> Node:
    """Lay one value over a tree at ``a.b.0.c``; a number counts the items of a list.

    Raises:
        EchokitError: A number is needed and not given, or counts past the end.
    """
    if not place:
        return merge(tree, value)
    step, *rest = place
    if isinstance(tree.value, list):
        if not step.isdigit() or int(step) >= len(tree.value):
            raise EchokitError(
                f"{step!r} is not an item of a list of {len(tree.value)}",
                hint="count from 0",
                where=str(value.origin),
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
