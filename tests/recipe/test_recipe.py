from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echokit.errors import EchokitError, RecipeError
from echokit.recipe.check import check, load_recipe, with_fallback
from echokit.recipe.compose import apply_override, compose, find_recipe, shipped_recipes
from echokit.recipe.explanation import explain
from echokit.recipe.json_schema import recipe_schema
from echokit.recipe.tree import Origin, merge, node_of

SHIPPED = shipped_recipes()


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def problems(path: Path, *overrides: str) -> list[str]:
    with pytest.raises(RecipeError) as raised:
        load_recipe(path, overrides)
    return [str(problem) for problem in raised.value.problems]


def test_the_nine_rows_and_the_quickstart_are_shipped() -> None:
    rows = {f"ef_{size}{kind}" for size in (28, 56, 112) for kind in ("", "_weighted", "_resnet152")}
    assert rows | {"quickstart"} <= set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_recipes_are_valid_and_resolve_to_themselves(name: str) -> None:
    recipe = load_recipe(find_recipe(name))
    assert recipe.name == name
    again = check(node_of(recipe.plain(), Origin("again")))
    assert again.plain() == recipe.plain()


def test_stage_1_rows_have_the_published_epochs_and_batches() -> None:
    import csv

    for row in csv.DictReader((Path(__file__).parents[2] / "benchmarks/reference/stage1_published.csv").open()):
        kind = (
            "_weighted" if row["class_weighted"] == "true" else "_resnet152" if row["backbone"] == "resnet152" else ""
        )
        recipe = load_recipe(find_recipe(f"ef_{row['input_size']}{kind}"))
        assert recipe.backbone.name == row["backbone"]
        assert (recipe.train.epochs, recipe.train.batch_size) == (int(row["epochs"]), int(row["batch_size"]))
        assert recipe.objective.params["class_weights"] == ("balanced" if kind == "_weighted" else None)


def test_all_mistakes_at_once_with_line_and_suggestion(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "bad.yaml",
        "extends: ef_112\nname: bad\nmodel: {backbone: {use: resnet81}}\ntrain:\n  epoch: 3\n  batch_size: many\n"
        "prepocess: []\n",
    )
    found = problems(path)
    assert len(found) == 4
    text = "\n".join(found)
    assert f"{path}:3: model.backbone.use: there is no backbone 'resnet81'" in text
    assert "did you mean 'resnet18'?" in text
    assert f"{path}:5: train.epoch: unknown parameter 'epoch'" in text
    assert "did you mean 'epochs'?" in text
    assert f"{path}:6: train.batch_size:" in text
    assert f"{path}:7: prepocess: unknown key" in text


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("model.backbone.use=resnet81", "there is no backbone"),
        ("preprocess.1.size=-3", "size: "),
        ("preprocess.1.size=12.5", "size: "),
        ("preprocess.1.size=true", "size: "),
        ("train.optimizer.lr=high", "lr"),
        ("target.above=3", "one cut-off"),
        ("seed=x", "seed"),
        ("name=../up", "name"),
        ("data.max_unreadable=2", "max_unreadable"),
        ("data.fallback=[1]", "fallback"),
        ("data.fallback.cases=none", "cases"),
        ("evaluate=auroc", "list"),
        ("clip.period=2", "period"),
        ("clip={frames: null, seconds: 2, fps: 30}", "each clip keeps its own rate"),
        ("preprocess=[optical_flow, {use: resize, size: 28}]", "changes the frames after"),
        ("preprocess=[{use: resize, size: 28}]", "needs the stream 'flow'"),
        ("data.root=null", "root"),
        ("model.weights=kinetics400", "no library has weights of 'resnet18'"),
        ("model.weights=run:ef_56#2", "write run:NAME"),
    ],
)
def test_a_wrong_value_is_said_with_its_origin(override: str, said: str) -> None:
    (found,) = problems(find_recipe("ef_112"), override)
    assert said in found
    assert f"--set {override}" in found or "ef_112.yaml" in found or "ef.yaml" in found


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("objective={use: cross_entropy, label_smoothing: 0.1, focal: 2.0}", "objective: label_smoothing"),
        ("clip={frames: null, start: random}", "clip: start: random has no meaning where frames is null"),
        ("clip={frames: 48}", "clip: a window spans 48 frames, and trim leaves 38"),
    ],
)
def test_what_contradicts_itself_is_said_when_the_recipe_is_checked(override: str, said: str) -> None:
    [problem] = problems(find_recipe("ef_112"), "preprocess.0.frames=38", override)
    assert said in problem


def test_a_window_may_be_longer_than_what_trim_left_where_resample_makes_frames() -> None:
    steps = "preprocess=[{use: trim, frames: 38}, {use: resample, fps: 100}, {use: resize, size: 112}, optical_flow]"
    assert load_recipe(find_recipe("ef_112"), (steps, "clip={frames: 48}")).clip.params["frames"] == 48


def test_a_changed_use_replaces_the_whole_mapping_and_a_bare_name_takes_parameters() -> None:
    def node(data: Any) -> Any:
        return node_of(data, Origin("f"))

    base = node({"m": {"use": "a", "x": 1, "deep": {"p": 1, "q": 2}}, "items": [1, 2], "bare": "a"})
    over = node({"m": {"use": "b", "y": 2}, "items": [3], "bare": {"z": 1}})
    assert merge(base, over).plain() == {
        "m": {"use": "b", "y": 2},
        "items": [3],
        "bare": {"use": "a", "z": 1},
    }
    same = node({"m": {"use": "a", "deep": {"q": 3}}})
    assert merge(base, same).plain()["m"] == {"use": "a", "x": 1, "deep": {"p": 1, "q": 3}}


@pytest.mark.parametrize("text", ["no_equals", "=3", "a..b=1", "preprocess.9.size=3", "preprocess.x=3"])
def test_a_malformed_override_is_said(text: str) -> None:
    with pytest.raises(EchokitError):
        apply_override(compose(find_recipe("ef_112")), text)


def test_overrides_reach_into_lists_and_keep_the_rest() -> None:
    recipe = load_recipe(find_recipe("ef_112"), ("preprocess.1.size=56", "train.optimizer.lr=1e-3"))
    assert [use.name for use in recipe.preprocess] == ["trim", "resize", "optical_flow"]
    assert recipe.preprocess[1].params["size"] == 56
    assert recipe.train.optimizer.lr == 1e-3
    assert recipe.train.optimizer.use == "adam"


def test_extends_in_a_circle_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", "extends: b.yaml\n")
    path = write(tmp_path, "b.yaml", "extends: a.yaml\n")
    with pytest.raises(EchokitError, match="extends itself"):
        load_recipe(path)


def test_extends_that_is_not_there_names_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, "a.yaml", "name: a\nextends: ef_113\n")
    with pytest.raises(EchokitError, match="no recipe 'ef_113'") as raised:
        load_recipe(path)
    assert raised.value.where == f"{path}:2"


def test_the_fallback_takes_the_place_of_the_data_with_what_it_sets() -> None:
    recipe = with_fallback(load_recipe(find_recipe("ef_112")))
    assert recipe.data.name == "phantom"
    assert recipe.fallback is None
    assert recipe.train.batch_size == 4


def test_explain_tells_where_each_value_comes_from(tmp_path: Path) -> None:
    path = write(tmp_path, "mine.yaml", "extends: ef_112\nname: mine\n")
    rows = {row.key: row for row in explain(load_recipe(path, ("train.epochs=3",)))}
    assert rows["name"].origin == f"{path}:2"
    assert (rows["train.epochs"].value, rows["train.epochs"].origin) == (3, "--set train.epochs=3")
    assert rows["target.below"].origin.endswith("base/ef.yaml:26") or "base/ef.yaml:" in rows["target.below"].origin
    assert rows["train.optimizer.eps"].origin == "default"
    assert "ef_112.yaml:" in rows["preprocess.2.use"].origin


def test_the_json_schema_knows_every_component() -> None:
    import json

    text = json.dumps(recipe_schema())
    for name in ("resnet152", "motion_mask", "study_rule", "at_or_below"):
        assert name in text


@settings(max_examples=300, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["use", "data", "x"]), inner, max_size=3)
        ),
        max_leaves=8,
    ),
    st.sampled_from(["name", "seed", "data", "target", "preprocess", "clip", "augment", "model", "objective", "train"]),
)
def test_any_value_anywhere_gives_a_recipe_or_said_mistakes(value: Any, key: str) -> None:
    plain = load_recipe(find_recipe("ef_112")).plain()
    try:
        recipe = check(node_of({**plain, key: value}, Origin("wild")))
    except RecipeError as error:
        said = [problem.where for problem in error.problems]
    else:
        said = [recipe.name]
    assert all(said)
    assert said


def test_a_key_without_a_value_is_empty_and_not_missing(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("name: a\nobjective: [1]\ntrain:\n")
    with pytest.raises(RecipeError) as error:
        load_recipe(tmp_path / "a.yaml")
    said = str(error.value)
    assert "a.yaml:3: train: the key 'train' is empty" in said
    assert "the key 'model' is missing" in said
    assert "name an objective here" in said
