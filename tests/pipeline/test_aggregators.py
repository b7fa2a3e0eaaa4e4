"""Aggregators in a recipe: named beside the metrics, explained, validated."""

from pathlib import Path

import jsonschema
import pytest
import yaml

from echokit import RecipeError
from echokit.cli import exit_code
from echokit.recipe.explain import explain
from echokit.recipe.json_schema import recipe_schema
from echokit.recipe.validate import load_recipe

FOLDS = "resample: {use: kfold, k: 2, val: 0.25}\n"


def test_a_recipe_names_them_beside_the_metrics(tiny: Path) -> None:
    tiny.write_text(tiny.read_text() + FOLDS + "evaluate: [auroc, {use: kfold_mean_sd}, kfold_within]\n")
    recipe = load_recipe(tiny)
    assert [use.name for use in recipe.evaluators] == ["auroc"]
    assert [use.name for use in recipe.aggregators] == ["kfold_mean_sd", "kfold_within"]
    kinds = [use.component.kind for use in recipe.uses()]
    assert kinds[-3:] == ["evaluator", "aggregator", "aggregator"]
    assert {each.key: each.value for each in explain(recipe)}["evaluate.1.use"] == "kfold_mean_sd"
    schema, plain = recipe_schema(), yaml.safe_load(tiny.read_text())
    jsonschema.validate(plain, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**plain, "evaluate": ["kfold_median"]}, schema)


@pytest.mark.parametrize(
    ("evaluate", "code", "hint"),
    [
        ("[auroc, kfold_meansd]", "component.unknown", "'kfold_mean_sd'"),
        ("[aurocc, kfold_mean_sd]", "component.unknown", "'auroc'"),
        ("[kfold_mean_sd]", "recipe.no_metric", "auroc"),
        ("[auroc, {use: kfold_mean_sd, ddof: 0}]", "parameter.unknown", ""),
        ("[auroc, motion_mask]", "component.unknown", "evaluators are"),
    ],
)
def test_a_mistake_has_its_line(tiny: Path, evaluate: str, code: str, hint: str) -> None:
    number = len(tiny.read_text().splitlines()) + 1
    tiny.write_text(f"{tiny.read_text()}evaluate: {evaluate}\n{FOLDS}")
    with pytest.raises(RecipeError) as raised:
        load_recipe(tiny)
    (problem,) = raised.value.problems
    assert (problem.code, problem.where) == (code, f"{tiny}:{number}")
    assert hint in (problem.hint or "")


def test_validate_says_that_one_fold_has_nothing_to_combine(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny.write_text(tiny.read_text() + "evaluate: [auroc, kfold_mean_sd]\n")
    assert exit_code(["validate", str(tiny)]) == 0
    said = capsys.readouterr()
    assert any("one fold" in line and "kfold_mean_sd" in line for line in (said.out + said.err).splitlines())
