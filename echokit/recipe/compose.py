"""From a file to one tree: what it extends, then itself, then what the command line sets."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from echokit.errors import EchokitError, did_you_mean
from echokit.recipe.tree import Node, Origin, merge, override
from echokit.recipe.yaml_file import parse_yaml, read_yaml


def recipes_folder() -> Path:
    """Where the shipped recipes lie: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parent.parent
    inside = package / "recipes"
    return inside if inside.is_dir() else package.parent / "recipes"


def shipped_recipes() -> list[str]:
    """Names of the shipped recipes, bases left out."""
    return sorted(path.stem for path in recipes_folder().glob("*.yaml"))


def find_recipe(name: str, beside: Path | None = None) -> Path:
    """Find a recipe by path, or by the name of a shipped one.

    Args:
        name: ``path/to/recipe.yaml`` or ``ef_112``.
        beside: The file that extends it; its folder is looked into first.

    Raises:
        EchokitError: There is no such recipe.
    """
    written = Path(name).expanduser()
    candidates = [beside.parent / written] if beside else [written]
    if not written.is_absolute():
        stem = written if written.suffix else written.with_suffix(".yaml")
        candidates.append(recipes_folder() / stem)
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    known = shipped_recipes()
    lock = Path("runs") / name / "latest" / "lock.yaml"
    if beside is None and lock.is_file():
        raise EchokitError(
            f"there is no recipe {name!r}, but a run of that name", hint=f"give the recipe's file, or {lock}"
        )
    raise EchokitError(
        f"there is no recipe {name!r}",
        hint=did_you_mean(written.stem, known) or f"give a path, or one of {', '.join(known)}",
        where=str(beside) if beside else None,
    )


def compose(path: Path, overrides: Iterable[str] = ()) -> Node:
    """Read a recipe with all that it extends and lay the overrides over it.

    Args:
        path: The recipe.
        overrides: ``a.b=value`` each; the value is YAML.

    Raises:
        EchokitError: A file is missing or not strict YAML, ``extends`` goes in a circle, an override is malformed.
    """
    tree = _extended(path, ())
    for text in overrides:
        tree = apply_override(tree, text)
    return tree


def _extended(path: Path, seen: tuple[Path, ...]) -> Node:
    path = Path(path)
    if path.resolve() in seen:
        raise EchokitError("extends itself", hint=" -> ".join(p.name for p in (*seen, path)), where=str(path))
    tree = read_yaml(path)
    if not isinstance(tree.value, dict):
        raise EchokitError("a recipe is a mapping of keys to values", where=str(tree.origin))
    own = dict(tree.value)
    parent = own.pop("extends", None)
    tree = Node(own, tree.origin)
    if parent is None or parent.value is None:
        return tree
    if not isinstance(parent.value, str):
        raise EchokitError("extends names one recipe", where=str(parent.origin))
    try:
        base = find_recipe(parent.value, beside=path)
    except EchokitError as error:
        raise EchokitError(error.message, hint=error.hint, where=str(parent.origin)) from None
    return merge(_extended(base, (*seen, path.resolve())), tree)


def apply_override(tree: Node, text: str) -> Node:
    """Lay one ``a.b=value`` over a tree.

    Raises:
        EchokitError: There is no ``=``, or the value is not YAML.
    """
    key, equals, value = text.partition("=")
    origin = Origin(f"--set {text}")
    places = key.strip().split(".")
    if not equals or not all(places):
        raise EchokitError("expected key.path=value", hint="for example --set train.epochs=3", where=str(origin))
    parsed = parse_yaml(value or "null", str(origin))
    return override(tree, places, _from(parsed, origin))


def _from(node: Node, origin: Origin) -> Node:
    if isinstance(node.value, dict):
        return Node({key: _from(inner, origin) for key, inner in node.value.items()}, origin)
    if isinstance(node.value, list):
        return Node([_from(inner, origin) for inner in node.value], origin)
    return Node(node.value, origin)
