"""The fallback makes a run smaller, says what it changes, and changes nothing that somebody asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from echokit.recipe.compose import find_recipe, shipped_recipes
from echokit.recipe.fallback import changed_settings
from echokit.recipe.recipe import Recipe
from echokit.recipe.validate import load_recipe, with_fallback

EF_112 = ["ef_112", "ef_112_weighted", "ef_112_resnet152"]


def both(name: str, *overrides: str) -> tuple[Recipe, Recipe]:
    recipe = load_recipe(find_recipe(name), overrides)
    return recipe, with_fallback(recipe)


@pytest.mark.parametrize("name", EF_112)
def test_the_fallback_of_112_pixels_has_a_narrow_network(name: str) -> None:
    recipe, smaller = both(name)
    assert smaller.data.name == "phantom"
    assert smaller.backbone.name == recipe.backbone.name
    changed = changed_settings(recipe, smaller)
    width = changed["model.backbone.width"]
    assert (width["recipe"], width["this_run"] < 64) == (64, True)
    assert changed["train.batch_size"]["recipe"] == recipe.train.batch_size
    assert not [key for key in changed if key.startswith(("preprocess", "data", "target"))]


@pytest.mark.parametrize("name", shipped_recipes())
def test_real_data_change_no_setting_of_a_shipped_recipe(name: str) -> None:
    recipe = load_recipe(find_recipe(name))
    assert changed_settings(recipe, recipe) == {}
    assert name.startswith("quick") or recipe.fallback is not None


def test_the_study_s_training_is_that_of_real_data() -> None:
    recipe, _ = both("ef_112")
    assert (recipe.backbone.params["width"], recipe.train.epochs, recipe.train.batch_size) == (64, 7, 16)


def test_what_the_command_line_gives_wins_over_the_fallback() -> None:
    _, smaller = both("ef_112", "train.epochs=9", "model.backbone.width=12", "train.optimizer={use: adamw, lr: 3.0e-4}")
    assert (smaller.train.epochs, smaller.train.batch_size) == (9, 8)
    assert smaller.backbone.params["width"] == 12
    assert (smaller.train.optimizer.use, smaller.train.optimizer.lr) == ("adamw", 3e-4)


def test_another_network_is_not_exchanged_by_the_fallback(tmp_path: Path) -> None:
    _, smaller = both("ef_112", "model.backbone.use=x3d_s")
    assert smaller.backbone.name == "x3d_s"
    mine = tmp_path / "mine.yaml"
    mine.write_text("extends: ef_112\nname: mine\nmodel: {backbone: x3d_s}\ntrain: {batch_size: 2}\n")
    _, smaller = both(str(mine))
    assert smaller.backbone.name == "x3d_s"
    assert smaller.train.batch_size == 8  # a file's value is what the fallback is there to change


def test_set_for_the_fallback_alone_still_works() -> None:
    recipe, smaller = both("ef_112", "data.fallback.set.train.epochs=1", "data.fallback.cases=24")
    assert (recipe.train.epochs, smaller.train.epochs) == (7, 1)
    assert smaller.data.params["cases"] == 24
