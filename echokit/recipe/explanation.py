"""Where each value of a recipe comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from echokit.recipe.recipe import Recipe
from echokit.recipe.tree import Node, Origin, node_of
from echokit.schema import Place


@dataclass(frozen=True, slots=True)
class Explained:
    """One value: its key (``train.optimizer.lr``), itself, and where it was written."""

    key: str
    value: Any
    origin: str


def explain(recipe: Recipe) -> list[Explained]:
    """List every value of a recipe, defaults included, with its origin."""
    resolved = node_of(recipe.plain(), Origin("default"))
    return [
        Explained(".".join(map(str, place)), leaf.plain(), _origin(recipe.tree, place))
        for place, leaf in resolved.leaves()
    ]


def _origin(tree: Node, place: Place) -> str:
    node: Node | None = tree
    for depth, step in enumerate(place):
        inner = node.child(step) if node is not None else None
        if inner is None:
            # A bare name stands for {use: name}.
            bare = node is not None and isinstance(node.value, str) and place[depth:] == ("use",)
            return str(node.origin) if bare and node is not None else "default"
        node = inner
    assert node is not None
    return str(node.origin)
