"""Components as parameters of components, from the recipe's line to the lock."""

import json
from pathlib import Path

import jsonschema
import pytest
import torch
import yaml

import echokit
from echokit.cli import exit_code
from echokit.errors import RecipeError
from echokit.recipe.explain import explain
from echokit.recipe.json_schema import recipe_schema
from echokit.recipe.validate import load_recipe
from echokit.results.lock import recipe_hash

NESTED = "augment: [{use: random_apply, p: 0.25, of: {use: random_apply, of: {use: gain, level: 0.2}}}]\n"


@pytest.mark.parametrize(
    ("line", "place", "code", "hint"),
    [
        ("{use: random_apply, of: gian}", "augment.0.of", "component.unknown", "gain"),
        ("{use: random_apply, of: 3}", "augment.0.of", "recipe.no_component", "rotate"),
        ("{use: random_apply}", "augment.0.of", "parameter.missing", ""),
        ("{use: random_apply, of: {use: gain, levl: 1}}", "augment.0.of.levl", "parameter.unknown", "level"),
        ("{use: random_apply, of: {use: gain, level: 9}}", "augment.0.of.level", "parameter.invalid", ""),
        (
            "{use: random_apply, of: {use: random_apply, of: {use: gain, level: 9}}}",
            "augment.0.of.of.level",
            "parameter.invalid",
            "",
        ),
    ],
)
def test_a_mistake_in_an_inner_component_has_its_line(tiny: Path, line: str, place: str, code: str, hint: str) -> None:
    number = len(tiny.read_text().splitlines()) + 1
    tiny.write_text(f"{tiny.read_text()}augment: [{line}]\n")
    with pytest.raises(RecipeError) as raised:
        load_recipe(tiny)
    (problem,) = raised.value.problems
    assert problem.code == code
    assert problem.where == f"{tiny}:{number}"
    assert problem.message.startswith(f"{place}: ")
    assert hint in (problem.hint or "")


def test_an_inner_component_is_built_explained_locked_and_hashed(tiny: Path) -> None:
    plain = load_recipe(tiny)
    tiny.write_text(tiny.read_text() + NESTED)
    recipe = load_recipe(tiny)
    (use,) = recipe.augment
    outer = use.build()
    assert (outer.p, outer.of.p, outer.of.of.level) == (0.25, 0.5, 0.2)
    assert use.to_dict()["of"]["of"] == {"use": "gain", "level": 0.2, "contrast": 0.1}
    assert [part.name for part in recipe.uses() if part.component.kind == "augmentation"] == [
        "random_apply",
        "random_apply",
        "gain",
    ]
    values = {each.key: each for each in explain(recipe)}
    assert values["augment.0.of.of.level"].value == 0.2
    assert use.code_hash() != use.component.code_hash()
    tiny.write_text(tiny.read_text().replace("level: 0.2", "level: 0.3"))
    other = load_recipe(tiny)
    hashes = {recipe_hash(each, [], "data") for each in (plain, recipe, other)}
    assert len(hashes) == 3


def test_the_schema_refers_to_the_kind(tiny: Path) -> None:
    schema = recipe_schema()
    tiny.write_text(tiny.read_text() + NESTED)
    recipe = yaml.safe_load(tiny.read_text())
    jsonschema.validate(recipe, schema)
    recipe["augment"][0]["of"]["of"]["level"] = 9
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(recipe, schema)


def test_show_names_the_kind(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["show", "random_apply"]) == 0
    assert "of: augmentation; required" in capsys.readouterr().out


def test_a_run_with_an_inner_component(tiny: Path, tmp_path: Path) -> None:
    tiny.write_text(tiny.read_text() + NESTED)
    run = echokit.run(tiny, out=tmp_path / "runs", set={"train.epochs": 1})
    parts = [part["name"] for part in run.lock.content["components"] if part["kind"] == "augmentation"]
    assert parts == ["random_apply", "random_apply", "gain"]
    again = echokit.run(run.path / "lock.yaml", out=tmp_path / "again")
    assert (again.path / "predictions.csv").read_bytes() == (run.path / "predictions.csv").read_bytes()
    assert json.loads((run.path / "metrics.json").read_text())


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_random_apply_changes_that_share_of_the_samples(p: float) -> None:
    from echokit.data.sampling.gain import Gain
    from echokit.data.sampling.random_apply import RandomApply

    video = torch.rand((400, 1, 1, 4, 4), generator=torch.Generator().manual_seed(0)) * 255
    after = RandomApply(of=Gain(level=0.5), p=p)({"video": video}, torch.Generator().manual_seed(1))["video"]
    changed = float((after != video).flatten(1).any(1).float().mean())
    assert changed == pytest.approx(p, abs=0.08)
