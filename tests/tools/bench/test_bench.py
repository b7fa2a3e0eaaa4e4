"""Benchmark suites: cells, tables, failures and reuse of results."""

import importlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from echokit.cli import exit_code
from echokit.errors import EchokitError, RecipeError
from echokit.tools.bench.cell import read_result
from echokit.tools.bench.difference import compare_tables, read_table
from echokit.tools.bench.execute import cells_of, options_of
from echokit.tools.bench.measures import MEASURES, measure_named
from echokit.tools.bench.suite import SCALES, flat_overrides, read_suite, shipped_suites
from tests.expect import mistakes, refused

SUITE = """
suite: trial
title: A trial
scales:
  tiny: {{seeds: [0, 1], set: {{train: {{epochs: 1}}}}}}
columns: [test.accuracy, test.auroc, parameters, epochs, published.test.auroc, difference.test.auroc]
published: {{table: stage1_published, source: a study, columns: {{test.auroc: auroc}}}}
rows:
  - name: plain
    label: Plain
    recipe: {recipe}
    published: {{backbone: resnet18, input_size: 56, class_weighted: false}}
  - {{name: narrow, recipe: {recipe}, set: {{model: {{backbone: {{width: 2}}}}}}}}
  - {{name: broken, recipe: {recipe}, set: {{data: {{root: {absent}}}}}}}
paired:
  - {{question: "Is wider better?", pairs: [[narrow, plain]]}}
"""


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, phantom: Path) -> Iterator[Path]:
    """A folder with the results of a suite, one row of which fails."""
    from tests.conftest import TINY

    folder = tmp_path_factory.mktemp("bench")
    (folder / "tiny.yaml").write_text(TINY.format(root=phantom))
    (folder / "trial.yaml").write_text(SUITE.format(recipe="tiny.yaml", absent=folder / "absent"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ECHOKIT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        assert exit_code(["bench", str(folder / "trial.yaml"), "--out", str(folder / "out")]) == 2
        yield folder


def table(folder: Path) -> dict[str, dict[str, object]]:
    content = json.loads((folder / "out" / "tiny" / "trial-tiny.json").read_text())
    return {row["name"]: row for row in content["rows"]}


@pytest.mark.slow
def test_a_row_has_mean_interval_and_published_value(bench: Path) -> None:
    values = table(bench)["plain"]["values"]
    auroc = values["test.auroc"]
    assert auroc["seed_sd"] >= 0
    assert auroc["low"] <= auroc["number"] <= auroc["high"]
    assert auroc["n"] > auroc["events"] > 0
    assert values["epochs"]["number"] == 1
    assert values["published.test.auroc"]["number"] == 0.90


@pytest.mark.slow
def test_phantom_results_are_not_compared_with_published_ones(bench: Path) -> None:
    assert table(bench)["plain"]["values"]["difference.test.auroc"]["number"] is None
    text = (bench / "out" / "tiny" / "trial-tiny.md").read_text()
    assert text.startswith("# PHANTOM DATA: ")
    assert all(
        "PHANTOM DATA" in (bench / "out" / "tiny" / f"trial-tiny.{kind}").read_text() for kind in ("csv", "json")
    )


@pytest.mark.slow
def test_a_failed_cell_is_listed_and_the_table_is_written(bench: Path) -> None:
    rows = table(bench)
    assert "FileList.csv" in str(rows["broken"]["problem"])
    assert rows["narrow"]["problem"] is None
    text = (bench / "out" / "tiny" / "trial-tiny.md").read_text()
    assert "failed: broken" in text
    assert "FileList.csv" in text


@pytest.mark.slow
def test_a_question_is_answered_on_the_same_patients(bench: Path) -> None:
    content = json.loads((bench / "out" / "tiny" / "trial-tiny.json").read_text())
    [answer] = content["answers"]
    rows = table(bench)
    difference = rows["plain"]["values"]["test.auroc"]["number"] - rows["narrow"]["values"]["test.auroc"]["number"]
    assert answer["difference"] == pytest.approx(difference)
    assert answer["low"] <= answer["difference"] <= answer["high"]
    assert answer["seeds"] == 2


@pytest.mark.slow
@pytest.mark.slow
def test_only_changed_cells_are_run_again(bench: Path) -> None:
    cell = bench / "out" / "tiny" / "trial" / "plain" / "seed-0"
    before, text = read_result(cell), (bench / "out" / "tiny" / "trial-tiny.md").read_text()
    assert before is not None
    arguments = ["bench", str(bench / "trial.yaml"), "--out", str(bench / "out")]
    assert exit_code(arguments) == 2
    assert read_result(cell) == before
    assert (bench / "out" / "tiny" / "trial-tiny.md").read_text() == text
    suite = (bench / "trial.yaml").read_text()
    other = bench / "other.yaml"
    other.write_text(suite.replace("train: {epochs: 1}", "train: {epochs: 1, batch_size: 6}"))
    assert exit_code(["bench", str(other), "--out", str(bench / "out"), "--row", "plain", "--seed", "0"]) == 0
    after = read_result(cell)
    assert after is not None
    assert after.recipe_hash != before.recipe_hash
    assert exit_code([*arguments, "--row", "plain", "--seed", "0"]) == 0
    assert read_result(cell).recipe_hash == before.recipe_hash  # type: ignore[union-attr]


@pytest.mark.slow
def test_tables_are_compared_number_by_number(bench: Path, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = bench / "out" / "tiny" / "trial-tiny.json"
    assert exit_code(["bench-diff", str(path), str(path)]) == 0
    content = json.loads(path.read_text())
    content["rows"][0]["values"]["test.auroc"]["number"] = 2.0
    content["rows"][0]["values"]["parameters"]["number"] *= 2
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(content))
    assert exit_code(["bench-diff", str(path), str(changed)]) == 1
    output = capfd.readouterr().out
    assert "moved: plain test.auroc" in output
    assert "moved: plain parameters" in output
    with refused("bench.different_tables"):
        list(compare_tables(content, {**content, "scale": "small"}))
    changed.write_text("{}")
    assert exit_code(["bench-diff", str(path), str(changed)]) == 2
    with refused("bench.not_a_table", where="changed.json"):
        read_table(changed)


def test_a_number_without_an_interval_moves_by_a_tenth() -> None:
    def table_of(**values: float) -> dict[str, object]:
        rows = [{"name": "a", "values": {k: {"number": v} for k, v in values.items()}, "measured": None}]
        return {"suite": "s", "scale": "tiny", "data": None, "rows": rows}

    old, new = table_of(seconds=100.0, epochs=2.0, bits=1.0), table_of(seconds=111.0, epochs=2.1, cores=3.0)
    compared = {d.column: (d.old, d.new, d.verdict) for d in compare_tables(old, new)}
    assert compared == {
        "seconds": (100.0, 111.0, "moved"),
        "epochs": (2.0, 2.1, "within"),
        "bits": (1.0, None, "only in old"),
        "cores": (None, 3.0, "only in new"),
    }


def test_every_mistake_in_a_suite_has_a_code_and_a_line(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(
        "suite: bad\ntitle: Bad\nscales: {tiny: {}}\ncolumns: [test.auroc, latncy]\nrows:\n"
        "  - {name: one, recipe: ef_28, measure: decoding}\n  - {name: one, recipe: ef_28, weights_from: none}\n"
    )
    with pytest.raises(RecipeError) as caught:
        read_suite(str(bad), "tiny")
    assert mistakes(caught.value) == [
        ("suite.recipe_or_measure", f"{bad}:6"),
        ("suite.duplicate_row", f"{bad}:7"),
        ("suite.unknown_row", f"{bad}:7"),
        ("column.unknown", f"{bad}:4"),
    ]
    assert caught.value.problems[-1].hint == "did you mean 'latency'?"
    bad.write_text("suite: bad\ntitel: Bad\nscales: {tiny: {}}\nrows: []\n")
    with pytest.raises(RecipeError) as caught:
        read_suite(str(bad), "tiny")
    assert f"{bad}:2" in [problem.where for problem in caught.value.problems]
    assert "did you mean 'title'?" in [problem.hint for problem in caught.value.problems]
    with refused("suite.unknown") as unknown:
        read_suite("stage11", "tiny")
    assert unknown.value.hint == "did you mean 'stage1'?"


@pytest.mark.parametrize("name", shipped_suites())
def test_every_shipped_suite_is_valid_at_each_scale(name: str) -> None:
    from echokit.recipe.compose import find_recipe
    from echokit.recipe.validate import load_recipe
    from echokit.tools.bench.published import published_numbers

    scales = 0
    for scale in SCALES:
        try:
            suite = read_suite(name, scale)
        except EchokitError as error:
            assert error.code == "suite.unknown_scale"  # noqa: PT017
            continue
        scales += 1
        for cell in cells_of(suite, Path("out")).values():
            row, work = cell.row, cell.suite.work
            if row.measure:
                measure_named(row.measure)
                continue
            values = [*flat_overrides(work.set), *flat_overrides(row.set), ("seed", cell.seed)]
            load_recipe(find_recipe(str(row.recipe)), tuple(f"{k}={json.dumps(v)}" for k, v in values))
            published_numbers(cell.suite.settings.published, row)
    assert scales


def test_a_row_of_another_scale_runs_on_request() -> None:
    suite = read_suite("transfer", "tiny")
    usual = {key[1] for key in cells_of(suite, Path("out"))}
    requested = {key[1] for key in cells_of(suite, Path("out"), ["kinetics"])}
    full = {key[1] for key in cells_of(read_suite("transfer", "full"), Path("out"))}
    assert "kinetics" not in usual
    assert requested == {"kinetics"}
    assert full == usual | {"kinetics", "kinetics_random"}


@pytest.mark.slow
@pytest.mark.slow
def test_the_mask_columns_hold_kept_image_and_heart(bench: Path) -> None:
    suite = bench / "masked.yaml"
    suite.write_text(
        "suite: masked\ntitle: Masked\nscales: {tiny: {set: {train: {epochs: 1}}}}\ncolumns: [kept, heart_kept]\n"
        "rows:\n"
        "  - {name: bare, recipe: tiny.yaml}\n"
        "  - {name: fan, recipe: tiny.yaml, set: {preprocess: [sector_mask, {use: resize, size: 16}, optical_flow]}}\n"
        "  - {name: blind, recipe: tiny.yaml, set: {preprocess: [random_mask, {use: resize, size: 16}, optical_flow]}}\n"  # noqa: E501
    )
    assert exit_code(["bench", str(suite), "--out", str(bench / "out")]) == 0
    rows = {row["name"]: row["values"] for row in json.loads((bench / "out/tiny/masked-tiny.json").read_text())["rows"]}
    assert rows["bare"]["kept"]["number"] is None
    assert rows["fan"]["heart_kept"]["number"] > 0.95
    assert 0.1 < rows["blind"]["kept"]["number"] < rows["fan"]["kept"]["number"] <= 1
    assert rows["blind"]["heart_kept"]["number"] < rows["fan"]["heart_kept"]["number"]


@pytest.mark.parametrize("name", [name for name, where in MEASURES.items() if where.startswith("benchmarks.")])
def test_a_measure_accepts_the_options_of_the_suites(name: str) -> None:
    """Measures take minutes to run; only their signatures are checked here."""
    import inspect

    measure = measure_named(name)
    function = getattr(importlib.import_module(measure.module), measure.function)
    cells = [
        cell
        for suite in shipped_suites()
        for scale in read_suite(suite, "tiny").settings.scales
        for cell in cells_of(read_suite(suite, scale), Path("out")).values()
        if cell.row.measure == name
    ]
    assert cells, f"no suite uses {name}"
    for cell in cells:
        inspect.signature(function).bind(**options_of(cell), seed=cell.seed)


def test_ratios_include_slower_results() -> None:
    from echokit.tools.bench.write import ratio_table

    text = ratio_table(
        [
            {"what": "fast", "usual_way": "slowly", "ours": 0.01, "usual": 0.5, "asked": 30, "note": ""},
            {"what": "near", "usual_way": "slowly", "ours": 0.02, "usual": 0.5, "asked": 30, "note": ""},
            {"what": "slow", "usual_way": "fast", "ours": 2.0, "usual": 1.0, "asked": None, "note": ""},
        ]
    )
    fast, near, slow = text.splitlines()[-3:]
    assert "50x" in fast
    assert "| reached" in fast
    assert "25x" in near
    assert "**not reached**" in near
    assert "0.5x" in slow
    assert "slower" in slow


def test_published_observations_are_judged() -> None:
    from echokit.tools.bench.columns import Value
    from echokit.tools.bench.observations import judge
    from echokit.tools.bench.suite import Observation

    rows = {
        "k2": {"test.auroc": Value(0.6, 0.3, 0.8, fold_sd=0.3)},
        "k5": {"test.auroc": Value(0.7, 0.4, 0.9, fold_sd=0.2)},
        "k7": {"test.auroc": Value(None)},
    }
    labels = {name: name for name in rows}

    def verdict(**settings: object) -> str:
        observation = Observation(claim="c", column="test.auroc", **settings)  # type: ignore[arg-type]
        [judged] = judge([observation], rows, labels)
        return judged.verdict

    assert verdict(rows=["k2", "k5"], highest="k5") == "seen here; 1 of the 1 others lie inside its interval"
    assert verdict(rows=["k2", "k5"], highest="k2").startswith("not seen here: k5 is highest")
    assert verdict(rows=["k2", "k5"], along="rises") == "seen here"
    assert verdict(rows=["k2", "k5"], along="rises", of="fold_sd") == "not seen here"
    assert verdict(rows=["k2", "k7"], along="rises").startswith("cannot be judged")


def test_fold_columns_show_mean_and_sd() -> None:
    from echokit.evaluation.evaluation import Metric
    from echokit.tools.bench.columns import RowResults, column_named
    from echokit.tools.bench.write import field

    def metric(name: str, split: str, value: float) -> Metric:
        return Metric(metric=name, definition="", value=value, n=34, events=7, baseline=None, split=split)

    metrics = [metric("auroc_fold_mean", "test", 0.69), metric("auroc_fold_sd", "test", 0.329)]
    metrics += [metric("auroc_fold_mean", "train", 0.895), metric("auroc_fold_sd", "train", 0.059)]
    results = RowResults([metrics], [{}], published={"folds.test.auroc": (0.76, 0.434)})
    for spec, text in (
        ("folds.test.auroc", "0.690 ± 0.329"),
        ("gap.auroc", "0.205"),
        ("published.folds.test.auroc", "0.760 ± 0.434"),
    ):
        column = column_named(spec)
        assert field(column, column.value_of(results)) == text
