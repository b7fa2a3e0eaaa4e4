from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echokit.errors import EchokitError, RecipeError
from echokit.recipe.compose import apply_override, compose, find_recipe, shipped_recipes
from echokit.recipe.explain import explain
from echokit.recipe.json_schema import recipe_schema
from echokit.recipe.tree import Origin, merge, node_of
from echokit.recipe.validate import check, load_recipe, with_fallback
from tests.expect import mistakes, refused

SHIPPED = shipped_recipes()


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def problems(path: Path, *overrides: str) -> list[EchokitError]:
    with pytest.raises(RecipeError) as raised:
        load_recipe(path, overrides)
    return list(raised.value.problems)


def test_the_nine_study_recipes_and_the_quickstart_are_shipped() -> None:
    rows = {f"ef_{size}{kind}" for size in (28, 56, 112) for kind in ("", "_weighted", "_resnet152")}
    assert rows | {"quickstart"} <= set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_recipes_are_valid_and_resolve_to_themselves(name: str) -> None:
    recipe = load_recipe(find_recipe(name))
    assert recipe.name == name
    again = check(node_of(recipe.to_dict(), Origin("again")))
    assert again.to_dict() == recipe.to_dict()


def test_study_recipes_have_the_published_epochs_and_batches() -> None:
    import csv

    for row in csv.DictReader((Path(__file__).parents[2] / "benchmarks/reference/stage1_published.csv").open()):
        kind = (
            "_weighted" if row["class_weighted"] == "true" else "_resnet152" if row["backbone"] == "resnet152" else ""
        )
        recipe = load_recipe(find_recipe(f"ef_{row['input_size']}{kind}"))
        assert recipe.backbone.name == row["backbone"]
        assert (recipe.train.epochs, recipe.train.batch_size) == (int(row["epochs"]), int(row["batch_size"]))
        assert recipe.objective.params["class_weights"] == ("balanced" if kind == "_weighted" else None)


def test_all_mistakes_are_reported_with_line_and_suggestion(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "bad.yaml",
        "extends: ef_112\nname: bad\nmodel: {backbone: {use: resnet81}}\ntrain:\n  epoch: 3\n  batch_size: many\n"
        "prepocess: []\n",
    )
    with pytest.raises(RecipeError) as raised:
        load_recipe(path)
    assert sorted(mistakes(raised.value)) == [
        ("component.unknown", f"{path}:3"),
        ("parameter.invalid", f"{path}:6"),
        ("parameter.unknown", f"{path}:5"),
        ("recipe.unknown_key", f"{path}:7"),
    ]
    text = str(raised.value)
    for expected in ("model.backbone.use: ", "'resnet18'", "train.epoch: ", "'epochs'", "prepocess: ", "'preprocess'"):
        assert expected in text


@pytest.mark.parametrize(
    ("override", "key", "code"),
    [
        ("model.backbone.use=resnet81", "model.backbone.use", "component.unknown"),
        ("preprocess.1.size=-3", "preprocess.1.size", "parameter.invalid"),
        ("preprocess.1.size=12.5", "preprocess.1.size", "parameter.invalid"),
        ("preprocess.1.size=true", "preprocess.1.size", "parameter.invalid"),
        ("train.optimizer.lr=high", "train.optimizer.lr", "parameter.invalid"),
        ("target.above=3", "target", "parameter.invalid"),
        ("seed=x", "seed", "recipe.wrong_type"),
        ("seed=-1", "seed", "recipe.out_of_range"),
        ("name=../up", "name", "recipe.bad_name"),
        ("data.exclude=3", "data.exclude", "recipe.wrong_type"),
        ("data.max_unreadable=2", "data.max_unreadable", "recipe.out_of_range"),
        ("data.fallback=[1]", "data.fallback", "recipe.wrong_type"),
        ("data.fallback.cases=none", "data.cases", "parameter.invalid"),
        ("evaluate=auroc", "evaluate", "recipe.wrong_type"),
        ("track=[excel]", "track.0", "recipe.unknown_tracker"),
        ("clip.period=2", "clip.period", "clip.period_with_flow"),
        ("clip={frames: null, seconds: 2, fps: 30}", "clip.fps", "clip.frame_rate"),
        ("preprocess=[optical_flow, {use: resize, size: 28}]", "preprocess.1", "preprocess.order"),
        ("preprocess=[{use: resize, size: 28}]", "model", "model.missing_stream"),
        ("data.root=null", "data.root", "parameter.invalid"),
        ("model.weights=kinetics400", "model.weights", "weights.unknown"),
        ("model.weights=run:ef_56#2", "model.weights", "parameter.invalid"),
    ],
)
def test_a_wrong_value_is_reported_with_its_origin(override: str, key: str, code: str) -> None:
    [problem] = problems(find_recipe("ef_112"), override)
    assert problem.code == code
    assert problem.message.startswith(key)
    origin = str(problem.where)
    assert origin == f"--set {override}" or "ef_112.yaml:" in origin or "ef.yaml:" in origin


@pytest.mark.parametrize(
    ("override", "mentioned"),
    [
        ("objective={use: cross_entropy, label_smoothing: 0.1, focal: 2.0}", ("label_smoothing",)),
        ("clip={frames: null, start: random}", ("start", "frames")),
        ("clip={frames: 48}", ("48", "38")),
    ],
)
def test_contradicting_parameters_are_reported(override: str, mentioned: tuple[str, ...]) -> None:
    [problem] = problems(find_recipe("ef_112"), "preprocess.0.frames=38", override)
    assert problem.message.startswith(f"{override.partition('=')[0]}: ")
    assert all(text in problem.message for text in mentioned)


def test_a_window_may_exceed_the_trim_if_frames_are_resampled() -> None:
    steps = "preprocess=[{use: trim, frames: 38}, {use: resample, fps: 100}, {use: resize, size: 112}, optical_flow]"
    assert load_recipe(find_recipe("ef_112"), (steps, "clip={frames: 48}")).clip.params["frames"] == 48


def test_merging_replaces_other_components_and_expands_names() -> None:
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


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("no_equals", "override.malformed"),
        ("=3", "override.malformed"),
        ("a..b=1", "override.malformed"),
        ("preprocess.9.size=3", "override.bad_index"),
        ("preprocess.x=3", "override.bad_index"),
    ],
)
def test_a_malformed_override_is_refused(text: str, code: str) -> None:
    with refused(code, where=f"--set {text}"):
        apply_override(compose(find_recipe("ef_112")), text)


def test_overrides_change_single_items_of_lists() -> None:
    recipe = load_recipe(find_recipe("ef_112"), ("preprocess.1.size=56", "train.optimizer.lr=1e-3"))
    assert [use.name for use in recipe.preprocess] == ["trim", "resize", "optical_flow"]
    assert recipe.preprocess[1].params["size"] == 56
    assert recipe.train.optimizer.lr == 1e-3
    assert recipe.train.optimizer.use == "adam"


def test_circular_extends_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", "extends: b.yaml\n")
    path = write(tmp_path, "b.yaml", "extends: a.yaml\n")
    with refused("recipe.circular_extends", where="b.yaml"):
        load_recipe(path)


def test_a_missing_extended_recipe_names_the_line(tmp_path: Path) -> None:
    path = write(tmp_path, "a.yaml", "name: a\nextends: ef_113\n")
    with refused("recipe.not_found", where=f"{path}:2"):
        load_recipe(path)


def test_the_fallback_replaces_the_data_and_its_settings() -> None:
    recipe = with_fallback(load_recipe(find_recipe("ef_112")))
    assert recipe.data.name == "phantom"
    assert recipe.fallback is None
    assert recipe.train.batch_size == 8


def test_explain_lists_the_origin_of_each_value(tmp_path: Path) -> None:
    path = write(tmp_path, "mine.yaml", "extends: ef_112\nname: mine\n")
    rows = {row.key: row for row in explain(load_recipe(path, ("train.epochs=3",)))}
    assert rows["name"].origin == f"{path}:2"
    assert (rows["train.epochs"].value, rows["train.epochs"].origin) == (3, "--set train.epochs=3")
    assert "base/ef.yaml:" in rows["target.below"].origin
    assert rows["train.optimizer.eps"].origin == "default"
    assert "ef_112.yaml:" in rows["preprocess.2.use"].origin


def test_the_json_schema_lists_components_and_their_parameters() -> None:
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
def test_any_value_gives_a_recipe_or_mistakes_with_places(value: Any, key: str) -> None:
    plain = load_recipe(find_recipe("ef_112")).to_dict()
    try:
        recipe = check(node_of({**plain, key: value}, Origin("wild")))
    except RecipeError as error:
        places = [where for _, where in mistakes(error)]
    else:
        places = [recipe.name]
    assert places
    assert all(places)


def test_a_key_without_a_value_is_empty_not_missing(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("name: a\nobjective: [1]\ntrain:\n")
    reported = [(problem.message.partition(":")[0], problem.code) for problem in problems(tmp_path / "a.yaml")]
    assert ("train", "recipe.empty_key") in reported
    assert ("model", "recipe.missing_key") in reported
    assert ("objective", "recipe.no_component") in reported
