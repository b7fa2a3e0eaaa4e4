"""Hostile recipes: each is refused as a mistake of the user, at once, in a message of readable length."""

import itertools
import random
from pathlib import Path

import pytest
import yaml

from echokit.cli import exit_code
from echokit.errors import EchokitError
from echokit.recipe.explain import explain
from echokit.recipe.validate import load_recipe
from tests.slow.campaign import Campaign

pytestmark = pytest.mark.slow

LONGEST = 20_000
"""Characters of a message: fifty mistakes, each with the names that are known."""

VALUES = (
    "null",
    "true",
    "''",
    "[]",
    "{}",
    "-1",
    "0",
    "1e308",
    "-1e308",
    "1e-320",
    ".nan",
    ".inf",
    "1e999",
    "9" * 5000,
    "2" + "0" * 18,
    "18446744073709551616",
    "'${'",
    "'${A'",
    "'${HOME}'",
    '"\\0"',
    '"\\ud800"',
    '"\\u202Eabc"',
    "'../../x'",
    "/dev/zero",
    ".",
    "x" * 5000,
    "[[[]]]",
    "{use: x}",
    "{use: {use: x}}",
    "{use: [x]}",
    "{'': ''}",
    "[null]",
    "!!python/name:os.system x",
    "&a [*a]",
    "*a",
    "'echokit:resize'",
    "':'",
    "'a:'",
    "':resize'",
    "'run:../..'",
    "run:#fold-9",
    "'=1+1'",
    "'<script>'",
    "2001-01-01",
    "0x10",
    "1_000",
    "+1",
    "١",
)
CODES = range(98, 122)
KEYS = [
    "name",
    "seed",
    "data",
    "data.use",
    "data.root",
    "data.exclude",
    "data.fallback",
    "data.max_unreadable",
    "target",
    "target.from",
    "target.below",
    "preprocess",
    "preprocess.0",
    "preprocess.1.size",
    "clip",
    "clip.frames",
    "clip.use",
    "augment",
    "model",
    "model.use",
    "model.backbone",
    "model.backbone.width",
    "model.weights",
    "objective",
    "resample",
    "train",
    "train.epochs",
    "train.batch_size",
    "train.optimizer",
    "train.optimizer.lr",
    "train.schedule",
    "train.phases",
    "train.keep",
    "evaluate",
    "report",
    "track",
    "controls",
    "extends",
]


def try_recipe(path: Path, overrides: tuple[str, ...] = ()) -> None:
    """Load and explain a recipe, or see that it is refused as it should be."""
    try:
        explain(load_recipe(path, overrides))
    except EchokitError as error:
        if error.code == "unspecified" or len(str(error)) >= LONGEST:
            raise AssertionError(f"{error.code}, {len(str(error)):,} characters") from None


def test_values_where_they_do_not_belong(tiny: Path) -> None:
    campaign = Campaign("values of a recipe")
    for key, value in itertools.product(KEYS, VALUES):
        with campaign.attempt(f"{key}={value[:40]}"):
            try_recipe(tiny, (f"{key}={value}",))
    campaign.finish(at_least=1500)


def test_files_that_are_no_recipe(tiny: Path, tmp_path: Path) -> None:
    campaign = Campaign("files that are no recipe")
    text = tiny.read_text()
    contents: dict[str, bytes] = {
        "empty": b"",
        "binary": bytes(range(256)) * 100,
        "UTF-16": text.encode("utf-16"),
        "byte order mark": b"\xef\xbb\xbf" + text.encode(),
        "carriage returns": text.replace("\n", "\r").encode(),
        "tabs": text.replace(" ", "\t").encode(),
        "1 MB of lists": b"a: [" + b"1," * 490_000 + b"]",
        "1 MB of depth": b"[" * 990_000,
        "1 MB of keys": b"".join(b"k%d: 1\n" % number for number in range(80_000)),
        "1 MB of words": text.encode() + b"evaluate: [" + b"auroc " * 160_000 + b"]",
        "1 MB of a name": text.replace("two_stream", "two_stream" * 90_000).encode(),
        "1 MB of braces": b"name: '" + b"${A:-" * 190_000 + b"'",
        "1 MB of documents": b"---\na: 1\n" * 100_000,
        "aliases of aliases": b"a: &a [1,1]\n"
        + b"".join(b"%c: &%c [*%c,*%c]\n" % (*[c] * 2, *[c - 1] * 2) for c in CODES),
        "more than 1 MB": b"#" * 1_000_001,
    }
    for name, content in contents.items():
        with campaign.attempt(name):
            path = tmp_path / "hostile.yaml"
            path.write_bytes(content)
            try_recipe(path)
    for size in range(0, len(text), 7):
        with campaign.attempt(f"cut at {size}"):
            path.write_text(text[:size])
            try_recipe(path)
    dice = random.Random(15)
    for number in range(300):
        with campaign.attempt(f"three bytes changed, number {number}"):
            changed = bytearray(text.encode())
            for _ in range(3):
                changed[dice.randrange(len(changed))] = dice.randrange(256)
            path.write_bytes(changed)
            try_recipe(path)
    campaign.finish(at_least=300)


def test_command_lines(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    campaign = Campaign("command lines with hostile recipes")
    lock = tmp_path / "lock.yaml"
    lock.write_text(yaml.safe_dump({"lock": 1, "recipe": 3, "recipe_hash": None}))
    recipes = [".", "..", "/", "", "./", "/dev/null", "/dev/zero", "x" * 5000, "\u202ex", "~", str(tmp_path), str(lock)]
    overrides = ["", "=", "a", ".", "a.=1", "=1", ".".join("a" * 2000) + "=1", "preprocess.99=1", "a=[" * 40]
    overrides.append("seed=" + "9" * 5000)
    commands = (["validate"], ["explain"], ["run"], ["data", "prepare"])
    lines = [[*command, recipe] for command in commands for recipe in recipes]
    lines += [["validate", str(tiny), "--set", override] for override in overrides]
    for line in lines:
        with campaign.attempt(f"{line}"[:80]):
            code = exit_code(line)
            errors = capsys.readouterr().err
            assert code == 2
            assert "error" in errors.lower()
            assert len(errors) < LONGEST
    campaign.finish(at_least=50)
