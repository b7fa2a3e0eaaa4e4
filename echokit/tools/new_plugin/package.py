"""Write the package of a new plugin from templates, atomically."""

from __future__ import annotations

import keyword
import os
import re
import shutil
import tempfile
from pathlib import Path
from string import Template

from echokit.errors import EchokitError, did_you_mean
from echokit.plugins.component import KINDS, with_article
from echokit.plugins.discovery import installed
from echokit.system.distribution import DISTRIBUTION, VERSION
from echokit.system.files import named_file

TEMPLATES = Path(__file__).with_name("templates")
NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
MAX_LENGTH = 40
OWN_INIT = ("dataset", "reader")
"""Kinds whose registration or case differs from that of the others."""
EXAMPLES = (*KINDS, "mask")

# The lines that use the component, added to a recipe that extends ef_56.
_STEPS = "preprocess:\n  - {use: trim, frames: 38}\n%s  - {use: resize, size: 56}\n  - optical_flow\n"
RECIPES = {
    "dataset": "data:\n  use: ${name}\n  root: data/${name}\n  fallback: null\n",
    "preprocessor": _STEPS % "  - ${name}\n",
    "mask": _STEPS % "  - ${name}\n",
    "sampler": "clip: {use: ${name}, frames: 38}\n",
    "augmentation": "augment: [${name}]\n",
    "backbone": "model: {use: two_stream, backbone: ${name}}\n",
    "fusion": "model: {use: ${name}, backbone: resnet18}\n",
    "objective": "objective: ${name}\n",
    "optimizer": "train:\n  optimizer: {use: ${name}, lr: 1.0e-4}\n",
    "scheduler": "train:\n  schedule: ${name}\n",
    "resampler": "resample: ${name}\n",
    "reader": (
        "data: {use: table, table: data/${name}.csv, fallback: null}  # a recipe names no reader: the content does\n"
        "target: {from: target, positive: died}\nresample: {use: holdout, test: 0.2, val: 0.2}\n"
    ),
    "evaluator": "evaluate: [accuracy, auroc, auprc, ${name}]\n",
    "threshold_rule": "evaluate: [accuracy, auroc, auprc, {use: sensitivity, threshold: ${name}}]\n",
    "calibrator": "objective: {use: cross_entropy, label_smoothing: 0.1, calibrate: ${name}}\n",
    "aggregator": "resample: {use: kfold, k: 5, val: 0.2}\nevaluate: [accuracy, auroc, kfold_mean_sd, ${name}]\n",
    "callback": "callbacks: [${name}]\n",
}


def write_package(kind: str, name: str, into: Path) -> Path:
    """Write a package with one component into the folder ``echokit-NAME``.

    Args:
        kind: ``mask``, or a kind of component in singular or plural.
        name: Name of the component in recipes: lower-case letters, digits and single underscores.
        into: An existing folder.

    Returns:
        The folder of the package.

    Raises:
        EchokitError: The kind or the name is not valid, the folder does not exist, or the package already exists.
    """
    word = _kind(kind)
    _check_name("preprocessor" if word == "mask" else word, name)
    if not into.is_dir():
        raise EchokitError("there is no such folder", where=str(into), code="folder.missing")
    folder = into / f"echokit-{name.replace('_', '-')}"
    if os.path.lexists(folder):
        raise EchokitError(
            "already exists and is not overwritten",
            hint="choose another name or folder",
            where=str(folder),
            code="folder.exists",
        )
    temporary = Path(tempfile.mkdtemp(prefix=".echokit-", dir=into))
    try:
        for path, text in package_files(word, name).items():
            (temporary / path).parent.mkdir(exist_ok=True)
            with named_file(folder / path):
                (temporary / path).write_text(text, encoding="utf-8")
        temporary.chmod(0o755)
        temporary.rename(folder)  # fails if a folder with content was created meanwhile
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def package_files(word: str, name: str) -> dict[str, str]:
    """Return the files of a package by their path in its folder.

    Args:
        word: ``mask``, or a kind of component.
        name: Name of the component.
    """
    dashed = name.replace("_", "-")
    words = {
        "name": name,
        "class_name": "".join(part.capitalize() for part in name.split("_")),
        "kind": word,
        "a_kind": with_article(word),
        "distribution": f"echokit-{dashed}",
        "package": f"echokit_{name}",
        "requirement": f"{DISTRIBUTION}>={VERSION}",
    }
    words["recipe"] = Template(RECIPES[word]).substitute(words)
    files = {
        "pyproject.toml": "pyproject.toml.txt",
        "README.md": "README.md.txt",
        f"{name}.yaml": "recipe.yaml.txt",
        f"{words['package']}/__init__.py": f"init_{word}.py.txt" if word in OWN_INIT else "init.py.txt",
        f"{words['package']}/{name}.py": f"{word}.py.txt",
        "tests/test_conformance.py": "test.py.txt",
    }
    return {
        path: Template((TEMPLATES / template).read_text(encoding="utf-8")).substitute(words)
        for path, template in files.items()
    }


def _kind(word: str) -> str:
    singular = word.removesuffix("s")
    if singular not in EXAMPLES:
        raise EchokitError(
            f"there is no kind of component {word!r}",
            hint=did_you_mean(singular, EXAMPLES) or f"the kinds are {', '.join(EXAMPLES)}",
            code="component.unknown_kind",
        )
    return singular


def _check_name(kind: str, name: str) -> None:
    if not NAME.fullmatch(name) or len(name) > MAX_LENGTH or keyword.iskeyword(name):
        raise EchokitError(
            f"{name!r} is not a valid name for a component",
            hint=f"use at most {MAX_LENGTH} lower-case letters, digits and single underscores, such as half_mask",
            code="component.bad_name",
        )
    existing = [c for c in installed().registry.components([kind]) if c.name == name]
    if existing:
        raise EchokitError(
            f"the {kind} {name!r} already exists, in the plugin {existing[0].plugin!r}",
            hint="choose another name",
            code="component.exists",
        )
    if name in {plugin.name for plugin in installed().plugins}:
        raise EchokitError(
            f"a plugin named {name!r} is already installed", hint="choose another name", code="plugin.exists"
        )
