"""Origins of the values of a recipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from echokit.plugins.parameters import KeyPath
from echokit.recipe.recipe import Recipe
from echokit.recipe.tree import Node, Origin, node_of


@dataclass(frozen=True, slots=True)
class Explained:
    """One value of a recipe with its key (``train.optimizer.lr``) and its origin."""

    key: str
    value: Any
    origin: str


def explain(recipe: Recipe) -> list[Explained]:
    """List every value of a recipe, defaults included, with its origin."""
    resolved = node_of(recipe.to_dict(), Origin("default"))
    return [
        Explained(".".join(map(str, path)), leaf.plain(), _origin(recipe.tree, path))
        for path, leaf in resolved.leaves()
    ]


def _origin(tree: Node, path: KeyPath) -> str:
    node: Node | None = tree
    for depth, step in enumerate(path):
        inner = node.child(step) if node is not None else None
        if inner is None:
            # A bare name is short for {use: name}.
            bare = node is not None and isinstance(node.value, str) and path[depth:] == ("use",)
            return str(node.origin) if bare and node is not None else "default"
        node = inner
    assert node is not None
    return str(node.origin)
