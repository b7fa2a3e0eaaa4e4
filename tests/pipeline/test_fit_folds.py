"""Runs of several folds: each alone, in any order, or all in one go give the same files."""

from pathlib import Path

import pandas as pd
import pytest

from echokit import load_run
from echokit.cli import exit_code
from echokit.pipeline.fold_files import load_scores, save_scores, seal_fold
from echokit.results.run import Run
from tests.conftest import TINY

FOLDS = """
resample: {{use: kfold, k: 3}}
train: {{epochs: 1, batch_size: 8, keep: last, optimizer: {{lr: 1.0e-3}}}}
evaluate: [accuracy, auroc, brier]
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory, phantom: Path) -> Path:
    path = tmp_path_factory.mktemp("folds") / "tiny.yaml"
    path.write_text((TINY[: TINY.index("train:")] + FOLDS.lstrip()).format(root=phantom))
    return path


@pytest.fixture(scope="module")
def whole(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ECHOKIT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        assert exit_code(["run", str(recipe), "--out", str(recipe.parent / "runs")]) == 0
    return load_run(recipe.parent / "runs" / "tiny")


def test_single_folds_in_any_order_give_the_same_bits(
    recipe: Path, whole: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    common = ["run", str(recipe), "--out", str(tmp_path)]
    assert exit_code([*common, "--fold", "2"]) == 0
    said = capfd.readouterr().out
    assert "fold 2 is done" in said
    assert "--resume" in said
    run = load_run(tmp_path / "tiny")
    assert not run.complete
    assert exit_code([*common, "--fold", "0", "--resume"]) == 0
    before = {path: path.read_bytes() for path in run.path.rglob("fold-[02]/**/*") if path.is_file()}
    assert exit_code([*common, "--resume"]) == 0
    told = [line for line in capfd.readouterr().out.splitlines() if line.startswith("test ")]
    assert 1 <= len(told) <= 6
    assert all(line.startswith(("test AUROC", "test Accuracy", "test AUPRC", "test Brier")) for line in told), told
    assert {path: path.read_bytes() for path in before} == before
    assert load_run(tmp_path / "tiny").path == run.path
    for name in ("predictions.csv", "metrics.json", "curves.json", "cohort.csv"):
        assert (run.path / name).read_bytes() == (whole.path / name).read_bytes(), name


def test_every_fold_has_its_own_stamped_scores(whole: Run) -> None:
    parts = [pd.read_csv(whole.fold(number) / "predictions.csv") for number in range(3)]
    assert all((part["data"] == "PHANTOM DATA").all() for part in parts)
    assert sum(len(part) for part in parts) == len(whole.predictions) == 3 * 24


def test_unknown_fold_is_refused(recipe: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["run", str(recipe), "--out", str(tmp_path), "--fold", "3"]) == 2
    assert "the folds are 0 to 2" in capfd.readouterr().err


def test_saved_scores_are_loaded_to_the_bit_or_not_at_all(tmp_path: Path) -> None:
    table = pd.DataFrame({"case_id": ["01", "NA"], "patient_id": ["1", "1"], "split": ["train", "test"], "repeat": 0})
    expected = table.assign(fold=3, y_true=[0, 1])
    table = expected.assign(y_score=[0.1 + 0.2, 1 / 3])
    for phantom in (True, False):
        save_scores(tmp_path, table, phantom=phantom)
        assert isinstance(load_scores(tmp_path, expected), str)
        seal_fold(tmp_path)
        loaded = load_scores(tmp_path, expected)
        assert isinstance(loaded, pd.DataFrame)
        pd.testing.assert_frame_equal(loaded, table, check_exact=True)
    assert isinstance(load_scores(tmp_path, expected.iloc[:1]), str)
    assert load_scores(tmp_path / "nowhere", expected) is None
    for name, values in {"y_true": [1, 1], "split": "test", "fold": 2, "repeat": 1, "case_id": ["NA", "01"]}.items():
        assert name in str(load_scores(tmp_path, expected.assign(**{name: values})))
    (tmp_path / "predictions.csv").write_bytes(b"\xff\x00")
    assert isinstance(load_scores(tmp_path, expected), str)


def test_summary_has_folds_mean_sd_and_joined_metrics(whole: Run) -> None:
    names = {(metric.metric, metric.fold) for metric in whole.metrics if metric.split == "test"}
    assert {("auroc", 0), ("auroc", 1), ("auroc", 2)} <= names
    joined = {name for name, fold in names if fold is None}
    assert {"auroc_within_fold", "auroc_pooled", "auroc_fold_mean", "auroc_fold_sd", "accuracy_pooled"} <= joined
    text = (whole.path / "summary.md").read_text()
    assert "## Over all folds" in text
    assert "Are there enough patients? Too few even for a pilot: 24 patients (13 positive)" in text


@pytest.mark.parametrize("changes", [("train.batch_size=15",), ("train.batch_size=1",)])
def test_batch_norm_never_gets_a_batch_of_one_clip(
    recipe: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], changes: tuple[str, ...]
) -> None:
    """At 16 x 16 pixels and few frames a channel of the last stage has one value a clip."""
    small = ("preprocess=[{use: trim, frames: 4}, {use: resize, size: 16}, optical_flow]", "clip.frames=4")
    arguments = [part for change in (*small, *changes) for part in ("--set", change)]
    code = exit_code(["run", str(recipe), "--out", str(tmp_path), "--fold", "0", *arguments])
    if changes[0].endswith("=1"):
        assert code == 2
        assert "batch of one clip" in capfd.readouterr().err
    else:
        assert code == 0
