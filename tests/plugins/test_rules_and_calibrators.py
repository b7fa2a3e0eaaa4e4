"""A threshold rule and a calibrator of a plugin, from the recipe's line to `predict`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest
import yaml

import echokit
from echokit.cli import exit_code
from echokit.errors import RecipeError
from echokit.evaluation.predictions import Predictions
from echokit.pipeline.inference.predictor import Predictor
from echokit.plugins.discovery import installed
from echokit.recipe.explain import explain
from echokit.recipe.json_schema import recipe_schema
from echokit.recipe.validate import load_recipe
from echokit.results.lock import recipe_hash
from echokit.system.hashing import package_hash
from echokit.testing import check_plugin
from tests.expect import command_error

HOOKS = """
from echokit import hookimpl

@hookimpl
def echokit_components(register):
    register.threshold_rule("costs", "lab_rules.code:Costs", summary="lowest cost")
    register.threshold_rule("middle", "lab_rules.code:Middle", summary="median")
    register.threshold_rule("quantile", "lab_rules.code:Quantile", summary="quantile")
    register.threshold_rule("endless", "lab_rules.code:Endless", summary="broken")
    register.calibrator("isotonic", "lab_rules.code:Isotonic", summary="isotonic regression")
    register.calibrator("upside_down", "lab_rules.code:UpsideDown", summary="broken")
"""

CODE = """
from typing import Annotated

import numpy as np
from pydantic import Field

from echokit import Uncalibrated, ValidationScores


class Costs:
    '''Lowest cost.

    Args:
        missed: Cost of a missed patient.
        alarm: Cost of a false alarm.
    '''

    def __init__(self, *, missed: Annotated[float, Field(gt=0)] = 5.0, alarm: float = 1.0) -> None:
        self.missed, self.alarm = missed, alarm

    def __call__(self, y, score):
        if len(np.unique(y)) < 2:
            raise ValueError("one class")
        thresholds = np.unique(score)[::-1]
        positive = score >= thresholds[:, None]
        cost = self.missed * (~positive & (y == 1)).sum(1) + self.alarm * (positive & (y == 0)).sum(1)
        return float(thresholds[np.argmin(cost)])


class Middle:
    '''Median.'''

    def __call__(self, y, score):
        if len(np.unique(y)) < 2:
            raise ValueError("one class")
        return float(np.sort(score)[len(score) // 2])


class Quantile:
    '''Quantile.

    Args:
        share: Share of patients below the threshold.
    '''

    def __init__(self, *, share: Annotated[float, Field(ge=0, lt=1)] = 0.5) -> None:
        self.share = share

    def __call__(self, y, score):
        if len(np.unique(y)) < 2:
            raise ValueError("one class")
        return float(np.quantile(score, self.share))


class Endless:
    '''Broken.'''

    def __call__(self, y, score):
        return float("inf")


class Isotonic:
    '''Isotonic regression.

    Args:
        fewest: Fewest patients.
    '''

    definition = "isotonic regression"

    def __init__(self, *, fewest: int = 15) -> None:
        self.fewest = fewest

    def fit(self, patients: ValidationScores):
        if len(patients.score) < self.fewest or len(set(patients.y_true)) < 2:
            return Uncalibrated(f"fewer than {self.fewest} patients")
        from sklearn.isotonic import IsotonicRegression

        model = IsotonicRegression(y_min=0, y_max=1).fit(patients.score, patients.y_true)
        return {"x": model.X_thresholds_.tolist(), "y": model.y_thresholds_.tolist()}

    def apply(self, fitted, score):
        return np.interp(score, fitted["x"], fitted["y"])


class UpsideDown(Isotonic):
    '''Broken.'''

    def apply(self, fitted, score):
        return 1 - super().apply(fitted, score)
"""

RULES = """
evaluate:
  - auroc
  - {use: sensitivity, threshold: {use: costs, missed: 9}}
  - {use: specificity, threshold: middle}
  - {use: specificity, threshold: sensitivity_at_0.90}
  - {use: npv, threshold: quantile_0.5}
objective: {use: cross_entropy, label_smoothing: 0.1, calibrate: {use: isotonic, fewest: 16}}
resample: {use: holdout, val: 0.6, test: 0.2}
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Install a plugin with rules and calibrators."""
    folder = tmp_path / "site"
    (folder / "lab_rules").mkdir(parents=True)
    (folder / "lab_rules" / "__init__.py").write_text(HOOKS)
    (folder / "lab_rules" / "code.py").write_text(CODE)
    info = folder / "lab_rules-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lab_rules\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[echokit]\nlab_rules = lab_rules\n")
    monkeypatch.syspath_prepend(str(folder))
    package_hash.cache_clear()
    installed.cache_clear()
    yield folder
    installed.cache_clear()
    for name in ("lab_rules", "lab_rules.code"):
        sys.modules.pop(name, None)


@pytest.fixture
def recipe(tiny: Path, site: Path) -> Path:
    tiny.write_text(tiny.read_text() + RULES)
    return tiny


def test_they_are_explained_hashed_and_in_the_schema(recipe: Path) -> None:
    loaded = load_recipe(recipe)
    lines = recipe.read_text().splitlines()
    values = {each.key: each for each in explain(loaded)}
    costs = values["evaluate.1.threshold.missed"]
    line = next(number for number, text in enumerate(lines, 1) if "missed: 9" in text)
    assert (costs.value, costs.origin) == (9.0, f"{recipe}:{line}")
    assert values["evaluate.2.threshold"].value == "lab_rules:middle"
    assert values["evaluate.3.threshold"].value == "sensitivity_at_0.90"
    assert values["evaluate.4.threshold"].value == "lab_rules:quantile_0.5"
    assert values["objective.calibrate.fewest"].value == 16
    kinds = [(use.component.kind, use.name) for use in loaded.uses()]
    for part in (("threshold_rule", "costs"), ("threshold_rule", "sensitivity_at"), ("calibrator", "isotonic")):
        assert part in kinds
    others = (("missed: 9", "missed: 8"), ("fewest: 16", "fewest: 17"), ("at_0.90", "at_0.91"))
    hashes = {recipe_hash(loaded, [], "data")}
    for old, new in others:
        changed = recipe.with_name("changed.yaml")
        changed.write_text(recipe.read_text().replace(old, new))
        hashes.add(recipe_hash(load_recipe(changed), [], "data"))
    assert len(hashes) == 1 + len(others)
    schema = recipe_schema()
    plain = yaml.safe_load(recipe.read_text())
    jsonschema.validate(plain, schema)
    for key, bad in (("evaluate", [{"use": "sensitivity", "threshold": {"use": "costs", "missed": 0}}]),):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**plain, key: bad}, schema)


@pytest.mark.parametrize(
    ("threshold", "place", "code", "hint"),
    [
        ("youdn", "threshold", "component.unknown", "youden"),
        ("sensitivity_at", "threshold", "parameter.missing", ""),
        ("true", "threshold", "recipe.no_component", "youden"),
        ("sensitivity_at_1.5", "threshold", "parameter.invalid", ""),
        ("{use: sensitivity_at, sensitivity: 2}", "threshold.sensitivity", "parameter.invalid", ""),
        ("{use: costs, mised: 1}", "threshold.mised", "parameter.unknown", "missed"),
        ("[1]", "threshold", "recipe.no_component", "youden"),
    ],
)
def test_a_mistake_has_file_and_line(recipe: Path, threshold: str, place: str, code: str, hint: str) -> None:
    recipe.write_text(recipe.read_text().replace("threshold: middle", f"threshold: {threshold}"))
    line = next(number for number, text in enumerate(recipe.read_text().splitlines(), 1) if threshold in text)
    with pytest.raises(RecipeError) as raised:
        load_recipe(recipe)
    (problem,) = raised.value.problems
    assert (problem.code, problem.where) == (code, f"{recipe}:{line}"), problem.message
    assert problem.message.startswith(f"evaluate.2.{place}: ")
    assert hint in (problem.hint or "")


def test_a_calibrator_of_estimates_is_refused_by_a_classifier(recipe: Path) -> None:
    with pytest.raises(RecipeError) as raised:
        load_recipe(recipe, ("objective.calibrate=normal",))
    assert [problem.code for problem in raised.value.problems] == ["objective.no_estimate"]


@pytest.mark.slow
def test_a_run_evaluates_and_predicts_with_them(recipe: Path, phantom: Path, tmp_path: Path) -> None:
    from echokit.phantom.write_echonet_dynamic import write_phantom

    write_phantom(tmp_path / "many", cases=80, seed=5, ef="wide", frames=(20, 24), workers=1)
    recipe.write_text(recipe.read_text().replace(str(phantom), str(tmp_path / "many")))
    run = echokit.run(recipe, out=tmp_path / "runs", set={"train.epochs": 1})
    parts = {(part["kind"], part["name"]): part for part in run.lock.content["components"]}
    for kind, name in (("threshold_rule", "costs"), ("threshold_rule", "middle"), ("calibrator", "isotonic")):
        assert (parts[kind, name]["plugin"], parts[kind, name]["version"]) == ("lab_rules", "1.2")
        assert parts[kind, name]["code"]
    saved = json.loads((run.fold(0) / "calibration.json").read_text())["calibration"]
    assert list(saved) == ["method", "x", "y", "n", "events"]
    assert saved["method"] == "lab_rules:isotonic"
    table = run.predictions
    assert "score_is" not in table
    assert table["y_score"].between(0, 1).all()
    assert f"isotonic regression, fitted on {saved['n']} validation patients" in (run.path / "summary.md").read_text()

    val = Predictions(table[table["split"] == "val"]).per_patient()
    component = installed().registry.get("threshold_rule", "costs").load()
    metrics = [m for m in run.metrics if m.split == "test"]
    (sensitivity,) = (m for m in metrics if m.metric == "sensitivity")
    assert min(val.y_true.sum(), len(val) - val.y_true.sum()) >= 20
    assert sensitivity.threshold == component(missed=9.0)(val.y_true, val.y_score)
    assert "chosen by lab_rules:costs (missed 9.0, alarm 1.0) on the validation set" in sensitivity.definition
    names = [m.metric for m in metrics]
    assert names == ["auroc", "sensitivity", "specificity", "specificity_at_sensitivity_at_0.90", "npv"]
    (npv,) = (m for m in metrics if m.metric == "npv")
    assert "chosen by lab_rules:quantile_0.5 on the validation set" in npv.definition

    predictor = Predictor(run, "cpu")
    row = table[table["split"] == "test"].iloc[0]
    (answer,) = predictor([(row["case_id"], tmp_path / "many" / "Videos" / f"{row['case_id']}.avi")])
    assert answer.score == pytest.approx(row["y_score"], abs=1e-4)
    again = echokit.run(run.path / "lock.yaml", out=tmp_path / "again")
    for name in ("predictions.csv", "metrics.json", "checkpoints/fold-0/calibration.json"):
        assert (again.path / name).read_bytes() == (run.path / name).read_bytes()

    broken = ["run", str(recipe), "--out", str(tmp_path / "bad"), "--set"]
    error = command_error([*broken, "objective.calibrate=upside_down"])
    assert error.code == "calibrator.bad_probability"
    assert "'lab_rules:upside_down'" in error.message
    error = command_error([*broken, "evaluate.2.threshold=endless"])
    assert error.code == "threshold_rule.not_finite"
    assert "lab_rules:endless" in error.message


def test_the_checks_pass_the_good_and_name_the_bad(site: Path) -> None:
    failed = {(result.component, result.check) for result in check_plugin("lab_rules") if result.outcome == "failed"}
    assert {component for component, _ in failed} == {"threshold_rule.endless", "calibrator.upside_down"}
    assert ("threshold_rule.endless", "gives a threshold among the scores") in failed
    assert ("calibrator.upside_down", "gives probabilities in the order of the scores") in failed


def test_list_and_show_have_them(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["list", "threshold_rules"]) == 0
    assert "costs" in capsys.readouterr().out
    assert exit_code(["show", "sensitivity"]) == 0
    assert "threshold: number, or threshold_rule, or string, or null" in capsys.readouterr().out
    assert exit_code(["show", "cross_entropy"]) == 0
    assert "calibrate: calibrator, or null" in capsys.readouterr().out


def test_evaluators_in_python_take_rules(site: Path) -> None:
    from echokit.evaluation.evaluate_folds import evaluate_folds
    from echokit.evaluation.metrics.sensitivity import Sensitivity

    rng = np.random.default_rng(0)
    parts = []
    for split in ("val", "test"):
        y = np.arange(60) % 2
        names = [f"{split}{i}" for i in range(60)]
        keys = {"case_id": names, "patient_id": names, "split": split, "repeat": 0, "fold": 0}
        parts.append(pd.DataFrame(keys).assign(y_true=y, y_score=0.3 * y + 0.5 * rng.random(60)))
    rule = installed().registry.get("threshold_rule", "middle").load()()
    for given in (rule, "middle"):
        evaluators = [("sensitivity", Sensitivity(threshold=given))]
        evaluation = evaluate_folds(Predictions(pd.concat(parts)), evaluators, seed=0)
        test = next(metric for metric in evaluation.metrics if metric.split == "test")
        assert "chosen by lab_rules:middle on the validation set" in test.definition
