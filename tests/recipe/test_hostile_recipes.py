"""Recipes that are folders, huge, deep or have impossible numbers are refused at once."""

import re
from pathlib import Path

import pytest

from echokit.errors import RecipeError
from echokit.recipe.compose import apply_override, find_recipe
from echokit.recipe.tree import Node, Origin
from echokit.recipe.validate import load_recipe
from echokit.recipe.yaml_file import parse_yaml
from tests.expect import command_error, mistakes, refused

EMPTY = Node({}, Origin("recipe.yaml"))


@pytest.mark.parametrize("command", [["run"], ["validate"], ["explain"], ["data", "prepare"]])
@pytest.mark.parametrize("folder", [".", "..", "/", "./", ""])
def test_a_folder_is_no_recipe(command: list[str], folder: str) -> None:
    error = command_error([*command, folder])
    assert error.code == "recipe.folder"
    assert repr(folder) in error.message


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "~no-user-of-this-name/x.yaml", "x\n", "\u202ex"])
def test_a_name_that_no_file_has_is_not_found(name: str) -> None:
    with refused("recipe.not_found"):
        find_recipe(name)


@pytest.mark.parametrize("number", ["9" * 5000, "-" + "9" * 900_000, str(2**64), str(2**63), "1e999", "-1e400"])
def test_a_number_beyond_64_bits_is_refused_with_its_line(number: str) -> None:
    with refused("yaml.number_too_large", "r.yaml:2") as caught:
        parse_yaml(f"a: 1\nseed: {number}\n", "r.yaml")
    assert len(str(caught.value)) < 1000
    with refused("yaml.number_too_large"):
        apply_override(EMPTY, f"seed={number}")


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63), 0])
def test_a_number_of_64_bits_is_read(number: int) -> None:
    assert parse_yaml(f"seed: {number}", "r.yaml").plain() == {"seed": number}


@pytest.mark.parametrize("levels", [31, 2000, 100_000])
def test_an_override_of_too_many_levels_is_refused(levels: int) -> None:
    with refused("override.too_deep", names=(f"{levels:,}",)) as caught:
        apply_override(EMPTY, "train." + ".".join(["a"] * (levels - 1)) + "=1")
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("index", ["9" * 5000, "\u00b2", "2", "-1", "1_0"])
def test_an_override_of_no_item_is_refused(index: str) -> None:
    tree = parse_yaml("preprocess: [trim, resize]", "r.yaml")
    with refused("override.bad_index"):
        apply_override(tree, f"preprocess.{index}.size=1")


MEGABYTE = 990_000
LARGE = {
    "list": "a: [" + "1," * (MEGABYTE // 2) + "]",
    "mapping": "\n".join(f"k{number}: 1" for number in range(80_000)),
    "documents": "---\na: 1\n" * 100_000,
    "aliases": "a: &a [1]\nb: [" + "*a," * (MEGABYTE // 3) + "]",
    "nested lists": "[" * MEGABYTE,
    "nested mappings": "{a: " * (MEGABYTE // 4),
}


@pytest.mark.parametrize("name", LARGE)
def test_a_large_file_is_refused_before_it_is_parsed_whole(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of values that are composed is bounded, whatever the size of the file."""
    from echokit.recipe import yaml_file

    composed = 0

    class Counting(yaml_file._Loader):
        def compose_node(self, parent: object, index: object) -> object:  # type: ignore[override]
            nonlocal composed
            composed += 1
            return super().compose_node(parent, index)  # type: ignore[arg-type]

    monkeypatch.setattr(yaml_file, "_Loader", Counting)
    with refused("yaml.too_many_values", names=("20,000",)) as caught:
        parse_yaml(LARGE[name], "r.yaml")
    assert re.fullmatch(r"r\.yaml:\d+", str(caught.value.where))
    assert composed <= 2 * yaml_file.MAX_NODES + 2


def test_open_braces_are_read_in_linear_time() -> None:
    """Each of 200,000 openings once searched the rest of the text for its end."""
    text = "${A:-" * 200_000
    assert parse_yaml(f"a: '{text}'", "r.yaml").plain() == {"a": text}


def test_a_message_shortens_what_it_quotes(tiny: Path) -> None:
    tiny.write_text(tiny.read_text().replace("use: two_stream", "use: " + "resnet" * 100_000))
    with pytest.raises(RecipeError) as caught:
        load_recipe(tiny)
    assert [code for code, _ in mistakes(caught.value)] == ["component.unknown"]
    assert len(str(caught.value)) < 2000


def test_of_many_mistakes_the_first_are_shown(tiny: Path) -> None:
    tiny.write_text(tiny.read_text() + "evaluate: [" + ", ".join(f"none{number}" for number in range(2000)) + "]\n")
    with pytest.raises(RecipeError) as caught:
        load_recipe(tiny)
    assert len(caught.value.problems) == 2000
    assert "and 1,950 more" in str(caught.value)


@pytest.mark.parametrize("key", ["data.root", "data.exclude", "model.weights", "name", "evaluate"])
def test_a_nul_is_refused_wherever_it_stands(key: str, tiny: Path) -> None:
    with refused("yaml.nul"):
        load_recipe(tiny, (f'{key}="a\\0b"',))


def test_a_long_chain_of_recipes_is_refused(tiny: Path, tmp_path: Path) -> None:
    for number in range(2000):
        (tmp_path / f"r{number}.yaml").write_text(f"extends: r{number + 1}.yaml\n")
    with refused("recipe.too_many_extends", "r31.yaml"):
        load_recipe(tmp_path / "r0.yaml")


@pytest.mark.parametrize(
    "change",
    [
        "data={use: phantom, cases: 10000000000}",
        "clip.frames=10000000000",
        "clip.period=10000000000",
        "clip={frames: 4, start: even, clips: 10000000000}",
        "clip={frames: 4, start: even, test_clips: 10000000000}",
        "model.backbone.width=10000000000",
        "train.epochs=10000000000",
        "train.batch_size=10000000000",
        "train.phases=[{name: a, train: [head], epochs: 1, copies: 10000000000}]",
        "controls={permutations: 5, permutation_repeats: 10000000000}",
    ],
)
def test_a_size_that_no_computer_has_is_refused(change: str, tiny: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(tiny, (change,))
    assert {code for code, _ in mistakes(caught.value)} == {"parameter.invalid"}
    assert "10000000000" in str(caught.value)
