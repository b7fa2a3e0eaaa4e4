"""Write the package of a new plugin from the templates, whole or not at all."""

from __future__ import annotations

import keyword
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from string import Template

from echokit import __version__
from echokit.errors import EchokitError, did_you_mean
from echokit.plugins import installed
from echokit.registry import KINDS, with_article

TEMPLATES = Path(__file__).with_name("templates")
NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
LONGEST = 40
WORDS = (*KINDS, "mask")

# How a recipe names the component: what is added to a recipe that extends ef_56.
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
    "resampler": "resample: ${name}\n",
    "evaluator": "evaluate: [accuracy, auroc, auprc, ${name}]\n",
}


@dataclass(frozen=True)
class Package:
    """A package that was written.

    Attributes:
        folder: Where it is.
        next_steps: Commands to type next.
    """

    folder: Path
    next_steps: tuple[str, ...]


def write_package(kind: str, name: str, into: Path) -> Package:
    """Write ``into/echokit-NAME``.

    Args:
        kind: ``mask``, or a kind of component in singular or plural.
        name: What recipes will call the component: small letters, digits and single underscores.
        into: An existing folder.

    Raises:
        EchokitError: The kind or the name can not be used, the folder is not there, or the package is already.
    """
    word = _kind(kind)
    _check_name("preprocessor" if word == "mask" else word, name)
    if not into.is_dir():
        raise EchokitError("there is no such folder", where=str(into))
    dashed = name.replace("_", "-")
    folder = into / f"echokit-{dashed}"
    if os.path.lexists(folder):
        raise EchokitError("is there already, and nothing is written over", where=str(folder))
    words = {
        "name": name,
        "class_name": "".join(part.capitalize() for part in name.split("_")),
        "kind": word,
        "a_kind": with_article(word),
        "register": "preprocessor" if word == "mask" else word,
        "mask": ", mask=True" if word == "mask" else "",
        "distribution": f"echokit-{dashed}",
        "package": f"echokit_{name}",
        "echokit": __version__,
    }
    words["recipe"] = Template(RECIPES[word]).substitute(words)
    files = {
        "pyproject.toml": "pyproject.toml.txt",
        "README.md": "README.md.txt",
        f"{name}.yaml": "recipe.yaml.txt",
        f"{words['package']}/__init__.py": "init_dataset.py.txt" if word == "dataset" else "init.py.txt",
        f"{words['package']}/{name}.py": f"{word}.py.txt",
        "tests/test_conformance.py": "test.py.txt",
    }
    temporary = Path(tempfile.mkdtemp(prefix=".echokit-", dir=into))
    try:
        for place, template in files.items():
            text = Template((TEMPLATES / template).read_text(encoding="utf-8")).substitute(words)
            (temporary / place).parent.mkdir(exist_ok=True)
            (temporary / place).write_text(text, encoding="utf-8")
        temporary.chmod(0o755)
        temporary.rename(folder)  # refused where somebody has made the folder meanwhile and put something in it
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return Package(folder, (f"pip install -e {folder}", f"echokit plugin check {name}", f"echokit show {name}"))


def _kind(word: str) -> str:
    singular = word.removesuffix("s")
    if singular not in WORDS:
        raise EchokitError(
            f"there is no kind of component {word!r}",
            hint=did_you_mean(singular, WORDS) or f"the kinds are {', '.join(WORDS)}",
        )
    return singular


def _check_name(kind: str, name: str) -> None:
    if not NAME.fullmatch(name) or len(name) > LONGEST or keyword.iskeyword(name):
        raise EchokitError(
            f"{name!r} can not name a component",
            hint=f"use small letters, digits and single underscores, at most {LONGEST}, such as half_mask",
        )
    taken = [c for c in installed().registry.components([kind]) if c.name == name]
    if taken:
        raise EchokitError(
            f"the {kind} {name!r} is there already, from the plugin {taken[0].plugin!r}", hint="choose another name"
        )
    if name in {plugin.name for plugin in installed().plugins}:
        raise EchokitError(f"a plugin named {name!r} is installed already", hint="choose another name")
