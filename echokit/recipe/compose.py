"""Composition of one tree: the recipe that is extended, the recipe itself, then the command line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from echokit.errors import EchokitError, did_you_mean, shortened
from echokit.recipe.tree import Node, Origin, merge, node_of, override
from echokit.recipe.yaml_file import MAX_DEPTH, parse_yaml, read_yaml
from echokit.system.files import is_file, is_folder


def recipes_folder() -> Path:
    """Return the folder of the shipped recipes, installed or in a checkout."""
    package = Path(__file__).parents[1]
    inside = package / "recipes"
    return inside if inside.is_dir() else package.parent / "recipes"


def shipped_recipes() -> list[str]:
    """List the names of the shipped recipes, without their bases."""
    return sorted(path.stem for path in recipes_folder().glob("*.yaml"))


def find_recipe(name: str, beside: Path | None = None) -> Path:
    """Find a recipe by path, or by the name of a shipped one.

    Args:
        name: ``path/to/recipe.yaml`` or ``ef_112``.
        beside: The file that extends it; its folder is searched first.

    Raises:
        EchokitError: There is no such recipe.
    """
    names = shipped_recipes()
    where = str(beside) if beside else None
    choice = f"give a path, or one of {', '.join(names)}"
    path = Path(name)
    candidates = [beside.parent / path if beside else path]
    if name.startswith("~"):
        candidates = [_expanded(path)]
    if path.name and not path.is_absolute():
        candidates.append(recipes_folder() / (path if path.suffix else path.with_suffix(".yaml")))
    for candidate in candidates:
        if is_file(candidate):
            return candidate
    if is_folder(candidates[0]):
        raise EchokitError(
            f"{shortened(name)!r} is a folder, not a recipe", hint=choice, where=where, code="recipe.folder"
        )
    lock = Path("runs") / name / "latest" / "lock.yaml"
    if beside is None and is_file(lock):
        raise EchokitError(
            f"there is no recipe {name!r}, but a run of that name",
            hint=f"give the recipe's file, or {lock}",
            code="recipe.not_found",
        )
    raise EchokitError(
        f"there is no recipe {shortened(name)!r}",
        hint=did_you_mean(path.stem, names) or choice,
        where=where,
        code="recipe.not_found",
    )


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:  # there is no such user
        return path


def compose(path: Path, overrides: Iterable[str] = ()) -> Node:
    """Read a recipe, merge it over those that it extends, and apply the overrides.

    Args:
        path: The recipe.
        overrides: ``a.b=value`` each; the value is YAML.

    Raises:
        EchokitError: A file is missing or not strict YAML, ``extends`` is circular, or an override is malformed.
    """
    tree = _extended(path, ())
    for text in overrides:
        tree = apply_override(tree, text)
    return tree


def _extended(path: Path, seen: tuple[Path, ...]) -> Node:
    path = Path(path)
    if len(seen) > MAX_DEPTH:
        message = f"more than {MAX_DEPTH} recipes extend one another"
        raise EchokitError(message, where=str(path), code="recipe.too_many_extends")
    if path.resolve() in seen:
        chain = " -> ".join(p.name for p in (*seen, path))
        raise EchokitError("the recipe extends itself", hint=chain, where=str(path), code="recipe.circular_extends")
    tree = read_yaml(path)
    if not isinstance(tree.value, dict):
        raise EchokitError("a recipe is a mapping of keys to values", where=str(tree.origin), code="recipe.no_mapping")
    keys = dict(tree.value)
    parent = keys.pop("extends", None)
    tree = Node(keys, tree.origin)
    if parent is None or parent.value is None:
        return tree
    if not isinstance(parent.value, str):
        raise EchokitError("extends names one recipe", where=str(parent.origin), code="recipe.bad_extends")
    try:
        base = find_recipe(parent.value, beside=path)
    except EchokitError as error:
        raise EchokitError(error.message, hint=error.hint, where=str(parent.origin), code=error.code) from None
    return merge(_extended(base, (*seen, path.resolve())), tree)


def apply_override(tree: Node, text: str) -> Node:
    """Apply one override ``a.b=value`` to a tree.

    Raises:
        EchokitError: There is no ``=``, or the value is not YAML.
    """
    key, equals, value = text.partition("=")
    origin = Origin(shortened(f"--set {text}"))
    path = key.strip().split(".")
    if not equals or not all(path):
        hint = "for example --set train.epochs=3"
        raise EchokitError("expected key.path=value", hint=hint, where=str(origin), code="override.malformed")
    if len(path) > MAX_DEPTH:
        message = f"the key has {len(path):,} levels; a recipe has at most {MAX_DEPTH}"
        raise EchokitError(message, where=str(origin), code="override.too_deep")
    parsed = parse_yaml(value or "null", str(origin))
    return override(tree, path, node_of(parsed.plain(), origin))
