"""An evaluator, built in or of a plugin, selects the epoch and ends a phase."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import yaml

from echokit.errors import RecipeError
from echokit.plugins.discovery import installed
from echokit.recipe.validate import load_recipe
from echokit.results.run import Run
from tests.evaluation import partial_auroc
from tests.expect import command_error, mistakes
from tests.pipeline.conftest import run
from tests.pipeline.test_preflight import refused_by_all
from tests.plugins.test_discovery import install

LAB = """
from echokit import hookimpl

@hookimpl
def echokit_components(register):
    register.evaluator("pauroc", "{name}.metric:PartialAuroc", summary="partial AUROC")
    register.evaluator("pair", "{name}.metric:Pair", summary="two numbers")
    register.evaluator("limited", "{name}.metric:Limited", summary="without a default")
"""
MORE = """

class Pair(PartialAuroc):
    '''Two metrics, though it says that it is one.'''

    def __call__(self, predictions):
        from echokit import Evaluation

        return Evaluation(super().__call__(predictions).metrics * 2)


class Limited(PartialAuroc):
    '''Partial AUROC whose limit has to be given.'''

    def __init__(self, *, max_fpr: float) -> None:
        super().__init__(max_fpr=max_fpr)
"""


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The evaluator of a laboratory, installed."""
    site = tmp_path / "site"
    install(site, "lab_metric", LAB)
    (site / "lab_metric" / "metric.py").write_text(Path(partial_auroc.__file__).read_text() + MORE)
    monkeypatch.syspath_prepend(str(site))
    installed.cache_clear()
    yield "lab_metric"
    installed.cache_clear()


def history(run: Run) -> list[dict]:
    lines = (run.path / "history.jsonl").read_text().splitlines()
    return [record for line in lines if "epoch" in (record := json.loads(line))]


def with_keep(recipe: Path, keep: str, *more: str) -> Path:
    text = recipe.read_text().replace("keep: best_val_auroc", ", ".join((f"keep: {keep}", *more)))
    recipe.write_text(text)
    return recipe


def test_a_plugins_metric_selects_the_epoch_and_stops_the_phase(tiny: Path, tmp_path: Path, lab: str) -> None:
    with_keep(tiny, "val_pauroc", "early_stop: {metric: val_pauroc, patience: 1, by: 2}")
    evaluate = "evaluate: [auroc, {use: pauroc, max_fpr: 0.5}]\n"
    tiny.write_text(tiny.read_text().replace("epochs: 2", "epochs: 5") + evaluate)
    done = run(tiny, tmp_path / "runs")
    records = history(done)
    assert len(records) == 2  # the second is no improvement of 2
    values = [record["val_pauroc"] for record in records]
    selected = yaml.safe_load((done.path / "lock.yaml").read_text())
    assert [part["plugin"] for part in selected["components"] if part["name"] == "pauroc"] == [lab]
    rows = json.loads((done.path / "metrics.json").read_text())
    [in_evaluation] = [row["value"] for row in rows if row["metric"] == f"{lab}:pauroc" and row["split"] == "val"]
    assert in_evaluation == max(values)  # of the same epoch, by patient, with the parameter of the entry


def test_its_component_is_used_only_if_it_selects(tiny: Path, lab: str) -> None:
    names = {}
    for keep in ("best_val_auroc", "val_auprc", "val_pauroc", "val_lab_metric:pauroc"):
        loaded = load_recipe(tiny, (f"train.keep={keep}",))
        used = [use.component.full_name for use in loaded.uses() if use.component.kind == "evaluator"]
        names[keep] = used[3:]
        assert used[:3] == ["accuracy", "auroc", "auprc"]
    assert names == {
        "best_val_auroc": [],
        "val_auprc": [],  # it is in evaluate
        "val_pauroc": ["lab_metric:pauroc"],
        "val_lab_metric:pauroc": ["lab_metric:pauroc"],
    }


@pytest.mark.parametrize("keep", ["val_auprc", "val_brier"])
def test_a_built_in_metric_selects_the_epoch(tiny: Path, tmp_path: Path, keep: str) -> None:
    done = run(with_keep(tiny, keep), tmp_path / "runs", "--set", "evaluate=[auprc, brier]")
    values = [record[keep] for record in history(done)]
    rows = json.loads((done.path / "metrics.json").read_text())
    [evaluated] = [row["value"] for row in rows if row["split"] == "val" and f"val_{row['metric']}" == keep]
    assert evaluated == (min(values) if keep == "val_brier" else max(values))


@pytest.mark.slow
def test_resume_gives_the_same_history(tiny: Path, tmp_path: Path, lab: str) -> None:
    with_keep(tiny, "val_pauroc")
    whole = run(tiny, tmp_path / "whole")
    tiny.write_text(tiny.read_text().replace("epochs: 2", "epochs: 1"))
    run(tiny, tmp_path / "longer")
    longer = run(tiny, tmp_path / "longer", "--resume", "--set", "train.epochs=2")

    def values(of: Run) -> list[tuple[float, float]]:
        return [(record["val_loss"], record["val_pauroc"]) for record in history(of)]

    assert values(longer) == values(whole)


def test_undefined_on_a_fold_of_one_class(
    phantom: Path, tiny: Path, tmp_path: Path, lab: str, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(phantom, tmp_path / "hearts")
    listing = tmp_path / "hearts" / "FileList.csv"
    table = pd.read_csv(listing)
    table.assign(EF=table["EF"].where(table["Split"] != "VAL", 20.0)).to_csv(listing, index=False)
    done = run(with_keep(tiny, "val_pauroc"), tmp_path / "runs", "--set", f"data.root={tmp_path / 'hearts'}")
    assert [record["val_pauroc"] for record in history(done)] == [None, None]
    assert "val_pauroc is undefined on the validation set of 1 of 1 folds" in capfd.readouterr().err
    assert "val_pauroc is undefined" in (done.path / "summary.md").read_text()


@pytest.mark.parametrize(
    ("keep", "code"),
    [
        ("best_val_pauroc", "parameter.invalid"),
        ("val_no_such", "component.unknown"),
        ("val_calibration", "train.not_one_number"),
        ("val_subgroups", "train.not_one_number"),
        ("val_limited", "train.metric_parameters"),
        ("val_pair", "train.not_one_number"),
        ("val_mae", "train.metric_undefined"),
    ],
)
def test_what_cannot_select_an_epoch_is_refused_before_training(
    tiny: Path, tmp_path: Path, lab: str, keep: str, code: str
) -> None:
    refused_by_all(with_keep(tiny, keep), tmp_path / "runs", code, where="tiny.yaml:8")


def test_a_threshold_of_the_validation_set_is_refused(tiny: Path, tmp_path: Path) -> None:
    changes = ("evaluate=[{use: sensitivity, threshold: youden}]",)
    with_keep(tiny, "val_sensitivity")
    refused_by_all(tiny, tmp_path / "runs", "train.metric_threshold", *changes, where="tiny.yaml:8")
    twice = ("evaluate=[sensitivity, {use: sensitivity, threshold: 0.3}]",)
    refused_by_all(tiny, tmp_path / "runs", "train.metric_parameters", *twice, where="tiny.yaml:8")
    fixed = load_recipe(tiny, ("evaluate=[{use: sensitivity, threshold: 0.3}]",))
    assert fixed.epoch_metrics["val_sensitivity"].params == {"threshold": 0.3}


def test_a_resampler_without_validation(tiny: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(with_keep(tiny, "val_auprc"), ("resample={use: kfold, k: 2}",))
    assert [code for code, _ in mistakes(caught.value)] == ["train.no_validation"]


def test_an_estimate_selects_the_epoch_of_a_regression(tiny: Path, tmp_path: Path) -> None:
    done = run(
        with_keep(tiny, "val_mae", "early_stop: {metric: val_rmse, patience: 5}"),
        tmp_path / "runs",
        "--set",
        "objective=ef_regression",
    )
    for record in history(done):
        assert 0 < record["val_mae"] <= record["val_rmse"]
    error = command_error(["validate", str(tiny), "--set", "train.keep=val_brier", "--set", "objective=ef_regression"])
    assert error.code == "train.metric_undefined"
