"""The fallback of a recipe: other data and smaller settings if its dataset is missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from echokit.plugins.parameters import KeyPath
from echokit.recipe.recipe import Recipe
from echokit.recipe.tree import Node, Origin, merge, node_of

BACKBONE = ("model", "backbone")


def fallback_tree(tree: Node) -> Node:
    """Put the fallback dataset in place of the dataset, and merge its ``set``.

    What ``--set`` gives stays as it is, and so does a network that the recipe has exchanged: ``set`` makes a run
    smaller, and changes nothing that somebody asked for.
    """
    data = tree.at(("data",))
    fallback = tree.at(("data", "fallback"))
    assert isinstance(tree.value, dict)
    assert isinstance(data.value, dict)
    if isinstance(fallback.value, str):
        fallback = Node({"use": fallback}, fallback.origin)
    if not isinstance(fallback.value, dict):
        return tree
    dataset = dict(fallback.value)
    changes = dataset.pop("set", None)
    inherited = {key: data.value[key] for key in ("max_unreadable",) if key in data.value}
    replaced = Node({**inherited, **dataset}, fallback.origin)
    base = Node({**tree.value, "data": replaced}, tree.origin)
    wanted = _unless_given(tree, changes, ()) if changes is not None else None
    if wanted is None:
        return base
    training = wanted.child("train")
    if training is not None and training.child("phases") and not training.child("epochs"):
        base = _without_epochs(base)
    return merge(base, wanted)


def _without_epochs(tree: Node) -> Node:
    """Remove the number of epochs, which is the sum of phases that are replaced."""
    assert isinstance(tree.value, dict)
    train = tree.value.get("train")
    if train is None or not isinstance(train.value, dict):
        return tree
    kept = {key: node for key, node in train.value.items() if key != "epochs"}
    return Node({**tree.value, "train": Node(kept, train.origin)}, tree.origin)


def _unless_given(given: Node | None, change: Node, path: KeyPath) -> Node | None:
    """Remove from a change what the command line gives, and another network."""
    if given is None:
        return change
    if not isinstance(change.value, dict):
        return None if _on_command_line(given) else change
    name, other = given.child("use") or given, change.value.get("use")
    named = isinstance(name.value, str)
    if named and (path == BACKBONE or _on_command_line(name)) and other is not None and other.value != name.value:
        return None
    parts = {key: _unless_given(given.child(key), node, (*path, key)) for key, node in change.value.items()}
    return Node({key: part for key, part in parts.items() if part is not None}, change.origin)


def _on_command_line(node: Node) -> bool:
    return node.origin.file.startswith("--set ")


def changed_settings(recipe: Recipe, smaller: Recipe) -> dict[str, dict[str, Any]]:
    """List the settings beside the data in which the fallback differs from the recipe.

    Returns:
        For each key, such as ``train.epochs``, the value of the ``recipe`` and of ``this_run``. The parameters of a
        component that only one of the two has are left out.
    """
    before, after = (
        {".".join(map(str, path)): leaf.plain() for path, leaf in node_of(one.to_dict(), Origin("")).leaves()}
        for one in (recipe, smaller)
    )
    changed = [key for key in before if key in after and before[key] != after[key] and not key.startswith("data.")]
    return {key: {"recipe": before[key], "this_run": after[key]} for key in changed}


def describe_changes(changed: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Describe the settings that a fallback has changed, in one line; none for none."""
    if not changed:
        return []
    parts = [f"{key}: {one['this_run']} instead of {one['recipe']}" for key, one in changed.items()]
    return [f"the fallback is made to be short, this is not the recipe's own training: {', '.join(parts)}"]
