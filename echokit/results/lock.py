"""The lock of a run: recipe, data, code and environment, to reproduce it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from echokit.errors import DataError, EchokitError, RecipeError
from echokit.plugins.component import Component, plugin_hash
from echokit.plugins.component_config import ComponentConfig
from echokit.plugins.discovery import NOTEBOOK, installed
from echokit.plugins.hookspecs import RUN_HOOKS
from echokit.recipe.compose import apply_override
from echokit.recipe.recipe import Recipe
from echokit.recipe.validate import check, load_recipe
from echokit.recipe.yaml_file import read_yaml
from echokit.system.checksums import checksum, write_checksums
from echokit.system.distribution import VERSION
from echokit.system.environment import environment
from echokit.system.files import write_bytes
from echokit.system.hashing import content_hash, digest
from echokit.system.phantom_mark import STAMP

LOCK_VERSION = 1
COMPUTED = {
    "device": "the device",
    "precision": "the number format",
    "threads": "the number of threads",
    "processes": "the number of processes",
}
"""What the last digits of a result depend on, of the ``compute`` of a lock, and its name in a sentence."""


@dataclass(frozen=True)
class Lock:
    """The content of ``lock.yaml``.

    Attributes:
        content: The content as written.
        recipe: The resolved recipe, which never falls back.
    """

    content: Mapping[str, Any]
    recipe: Recipe

    @property
    def phantom(self) -> bool:
        """Whether the data are synthetic."""
        return bool(self.content["data"]["phantom"])

    @property
    def stamp(self) -> str | None:
        """The stamp of every output (PHANTOM DATA), or None."""
        return STAMP if self.phantom else None

    @property
    def pretrained_stamp(self) -> str | None:
        """The warning about starting weights that were trained on phantoms, or None."""
        weights = self.content.get("weights")
        return str(weights["stamp"]) if weights and weights["phantom"] else None

    @property
    def recipe_hash(self) -> str:
        """Hash of the resolved recipe, its components, its data and its seed."""
        return str(self.content["recipe_hash"])

    @property
    def extended(self) -> list[Mapping[str, Any]]:
        """What the run was before more epochs were added, the oldest first."""
        return list(self.content.get("extended", ()))

    def write(self, path: Path) -> None:
        """Write the lock as YAML, after its checksum: no run has a lock without one."""
        text = yaml.safe_dump(dict(self.content), sort_keys=False, allow_unicode=True, width=110)
        head = f"# {STAMP}: synthetic hearts, no patient\n" if self.phantom else ""
        content = (head + text).encode()
        write_checksums(path.parent, {path.name: checksum(content)})
        write_bytes(path, content)


def make_lock(
    recipe: Recipe,
    data: Mapping[str, Any],
    compute: Mapping[str, Any],
    weights: Mapping[str, Any] | None = None,
    readers: Iterable[Component] = (),
) -> Lock:
    """Create the lock of a recipe, its data and this machine.

    Args:
        recipe: As it runs: the fallback replaces an absent dataset.
        data: ``name, phantom, fingerprint, cases`` and counts.
        compute: Device, precision and why.
        weights: Description of the starting weights, with the hash ``content``; None for random weights.
        readers: The readers of plugins that read videos of the data; no recipe names them.
    """
    resolved = replace(recipe, fallback=None)
    components = [*map(_use, resolved.uses()), *map(_component, readers)]
    content = {
        "lock": LOCK_VERSION,
        "echokit": VERSION,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "recipe_hash": recipe_hash(
            resolved, components, str(data["fingerprint"]), str(weights["content"]) if weights else None
        ),
        "data": dict(data),
        "target": {"positive": recipe.target.positive, "definition": recipe.target.definition},
        "seed": recipe.seed,
        "weights": dict(weights) if weights else None,
        "compute": dict(compute),
        "components": components,
        **({"hooks": hooks} if (hooks := list(_hooks())) else {}),
        "environment": environment(),
        "recipe": resolved.to_dict(),
    }
    return Lock(content, resolved)


def recipe_hash(recipe: Recipe, components: list[dict[str, Any]], fingerprint: str, weights: str | None = None) -> str:
    """Hash what determines the result: no path, device, environment or time.

    Args:
        recipe: As it runs.
        components: As in the lock.
        fingerprint: Fingerprint of the data.
        weights: Hash of the starting weights, which replaces their path.
    """
    used = len(list(recipe.uses()))
    recipe = recipe.without_watchers()  # they are the last of those used; readers follow
    components = [*components[: len(list(recipe.uses()))], *components[used:]]
    plain = recipe.to_dict(ComponentConfig.identity)
    if not plain["callbacks"]:
        del plain["callbacks"]  # so that a recipe without them has the hash of earlier versions
    if recipe.weights is not None:
        plain["model"]["weights"]["use"] = weights
    data = {key: plain["data"][key] for key in plain["data"] if key not in data_paths(recipe) | {"fallback", "exclude"}}
    if recipe.exclude is not None:
        data["exclude"] = content_hash(Path(recipe.exclude))
    content = {**{key: value for key, value in plain.items() if key not in ("name", "report", "track")}, "data": data}
    codes = [{key: part[key] for key in ("kind", "name", "plugin", "code")} for part in components]
    return digest({"recipe": content, "components": codes, "data": fingerprint})


def data_paths(recipe: Recipe) -> set[str]:
    """Return the dataset's parameters that are paths: a hash has their content."""
    fields = type(recipe.data.values).model_fields
    return {name for name, field in fields.items() if _is_path(field.json_schema_extra)}


def _is_path(extra: object) -> bool:
    return isinstance(extra, dict) and extra.get("format") == "path"


def _use(use: ComponentConfig) -> dict[str, Any]:
    files = use.files()
    return {**_component(use.component), **({"files": files} if files else {})}


def _component(component: Component) -> dict[str, Any]:
    plugin = installed().plugin(component.plugin)
    return {
        "kind": component.kind,
        "name": component.name,
        "plugin": plugin.name,
        "package": plugin.package,
        "version": plugin.version,
        "code": component.code_hash(),
        **({"plugin_file": plugin.file} if plugin.file else {}),
    }


def _hooks() -> Iterator[dict[str, Any]]:
    """Describe the plugins whose hooks a run calls.

    No recipe names them, and no result depends on them.
    """
    for plugin in installed().plugins:
        if hooks := [hook for hook in plugin.hooks if hook in RUN_HOOKS]:
            code = plugin_hash(plugin.name, plugin.module)
            facts = {"plugin": plugin.name, "package": plugin.package, "version": plugin.version, "code": code}
            yield {**facts, **({"plugin_file": plugin.file} if plugin.file else {}), "hooks": hooks}


def changes_since(lock: Lock) -> Iterator[str]:
    """Describe which components of a lock have another code now.

    A reader of a plugin may also be missing: no recipe names it.

    Raises:
        DataError: A file that a component uses has changed, or cannot be read.
    """
    now = [_use(use) for use in lock.recipe.uses()]
    readers = {(c.plugin, c.name): c for c in installed().registry.registered("reader")}
    for part in lock.content["components"]:
        if part["kind"] == "reader":
            reader = readers.get((part["plugin"], part["name"]))
            if reader is not None:
                now.append(_component(reader))
            else:
                yield (
                    f"the reader {part['name']} read videos of the run and is not installed: "
                    f"{part['package']} {part['version']}"
                )
    yield from _component_changes(lock.content["components"], now)


def _component_changes(before: list[dict[str, Any]], now: list[dict[str, Any]]) -> Iterator[str]:
    earlier: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for part in before:
        earlier.setdefault((part["kind"], part["plugin"], part["name"]), []).append(part)
    for part in now:
        same_name = earlier.get((part["kind"], part["plugin"], part["name"]))
        if not same_name:  # an override has added it
            continue
        was = same_name.pop(0)
        if list(was.get("files", {}).values()) != list(part.get("files", {}).values()):
            raise DataError(
                f"the {part['kind']} {part['name']!r} used other files when the lock was written",
                hint="restore the content of " + ", ".join(part.get("files", was.get("files", {}))),
                where=next(iter(part.get("files", {})), None),
                code="lock.other_file",
            )
        if any(was[key] != part[key] for key in ("package", "version", "code")):
            same = "" if was["version"] != part["version"] else ", with other code"
            yield (
                f"the {part['kind']} {part['name']} has changed since the lock: "
                f"{was['package']} {was['version']} then, {part['package']} {part['version']} now{same}"
            )


def is_lock(path: Path) -> bool:
    """Return whether a YAML file is a lock, not a recipe."""
    tree = read_yaml(path)
    return isinstance(tree.value, dict) and {"lock", "recipe", "recipe_hash"} <= set(tree.value)


def recipe_of(path: Path, overrides: tuple[str, ...] = ()) -> Recipe:
    """Read a recipe from its own file or from a lock.

    Raises:
        EchokitError: The file cannot be read.
        RecipeError: The recipe is not valid; the error lists all mistakes.
    """
    return read_lock(path, overrides).recipe if is_lock(path) else load_recipe(path, overrides)


def read_lock(path: Path, overrides: tuple[str, ...] = ()) -> Lock:
    """Read a lock; its recipe is validated against what is installed now.

    Args:
        path: ``lock.yaml``.
        overrides: Changes of its recipe, as ``key=value``.

    Raises:
        EchokitError: The file cannot be read, was written by a newer echokit, or needs a plugin that is not here.
        RecipeError: The recipe is not valid with what is installed.
    """
    tree = read_yaml(path, environment={})
    plain = tree.plain()
    if not isinstance(plain, dict) or plain.get("lock") != LOCK_VERSION or "recipe" not in plain:
        raise EchokitError("is not a lock of this version of echokit", where=str(path), code="lock.unknown_version")
    inner = tree.at(("recipe",))
    for text in overrides:
        inner = apply_override(inner, text)
    try:
        return Lock(plain, check(inner))
    except RecipeError as invalid:
        if any(problem.code == "component.no_plugin" for problem in invalid.problems):
            _refuse_missing_plugins(plain["components"], path)
        raise


def lock_to_repeat(path: Path, overrides: tuple[str, ...] = ()) -> Lock | None:
    """Read a lock that a run repeats; None if the file is a recipe.

    Raises:
        EchokitError: As `read_lock`; or a plugin that read its videos is not here. No recipe names a reader, so nothing
            else would say why no video can be read.
        RecipeError: The recipe is not valid with what is installed.
    """
    if not is_lock(path):
        return None
    lock = read_lock(path, overrides)
    _refuse_missing_plugins([part for part in lock.content["components"] if part["kind"] == "reader"], path)
    return lock


def _refuse_missing_plugins(components: list[dict[str, Any]], path: Path) -> None:
    """Say which plugins of a lock are not here, and how to get them.

    Raises:
        EchokitError: One is not.
    """
    registry = installed().registry
    missing = {part["plugin"]: part for part in components if part["plugin"] not in registry.plugins}
    if missing:
        raise EchokitError(
            "; ".join(registry.absent.get(name) or _described(part) for name, part in missing.items()),
            hint="; ".join(_remedy(part) for name, part in missing.items() if name not in registry.absent) or None,
            where=str(path),
            code="lock.no_plugin",
        )


def _described(part: Mapping[str, Any]) -> str:
    if part["plugin"] == NOTEBOOK:
        return f"needs the {part['kind']} {part['name']!r}, which a notebook registered (its hash: {part['code']})"
    if part.get("plugin_file"):
        return f"needs the plugin of the file {part['plugin_file']} (its hash: {part['code']})"
    return f"needs the plugin {part['plugin']!r}, which is not installed: {part['package']} {part['version']}"


def _remedy(part: Mapping[str, Any]) -> str:
    """Say what makes a plugin of a lock available."""
    if part["plugin"] == NOTEBOOK:
        return f"first run its cell: echokit.register.{part['kind']}({part['name']!r}, ...)"
    if file := part.get("plugin_file"):
        return f"add --plugin {file}, or in Python first echokit.register.file({file!r})"
    return f"pip install {part['package']}=={part['version']}"


def differences(old: Lock, new: Lock) -> Iterator[str]:
    """Describe what differs between a rerun and its lock.

    Raises:
        DataError: The data are not those of the lock.
    """
    before, after = old.content["data"], new.content["data"]
    if before["fingerprint"] != after["fingerprint"]:
        raise DataError(
            "the data are not those of the lock",
            hint=f"the lock has {before['cases']} cases of {before['name']} ({before['fingerprint'][:12]}), "
            f"found {after['cases']} of {after['name']} ({after['fingerprint'][:12]})",
            code="lock.other_data",
        )
    old_weights, new_weights = ((lock.content.get("weights") or {}).get("content") for lock in (old, new))
    if old_weights != new_weights:
        raise DataError(
            "the starting weights are not those of the lock",
            hint=f"their hash was {str(old_weights)[:12]} and is {str(new_weights)[:12]}",
            where="model.weights",
            code="lock.other_weights",
        )
    yield from _component_changes(old.content["components"], new.content["components"])
    yield from machine_differences(old, new)


def machine_differences(old: Lock, new: Lock) -> Iterator[str]:
    """Describe differences of the machine that change the last digits of results."""
    before, after = old.content["environment"]["packages"], new.content["environment"]["packages"]
    then = {name: old.content["compute"].get(name) for name in COMPUTED}
    now = {name: new.content["compute"].get(name) for name in COMPUTED}
    for name, value in {**before, **then}.items():
        other = {**after, **now}.get(name)
        if other != value:
            yield f"{COMPUTED.get(name, name)} was {value} and is {other}: results may differ in the last digits"
