"""Checks before training: the dry run, and mistakes that stop a run before it opens a video."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch

from echokit.cli import exit_code
from echokit.errors import RecipeError
from echokit.models.echo_model import EchoModel
from echokit.models.input_shape import InputShape
from echokit.models.norm import raw
from echokit.pipeline.preflight import check_forward
from echokit.recipe.validate import load_recipe
from tests.expect import command_error, refused


def test_dry_run_counts_patients_sets_and_missing_videos(
    phantom: Path, tiny: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(phantom, tmp_path / "hearts")
    next((tmp_path / "hearts" / "Videos").glob("*.avi")).unlink()
    assert (
        exit_code(
            [
                "run",
                str(tiny),
                "--dry-run",
                "--set",
                f"data.root={tmp_path / 'hearts'}",
                "--set",
                "data.max_unreadable=0.1",
            ]
        )
        == 0
    )
    said = capfd.readouterr().err
    assert "24 cases of 24 patients in EchoNet-Dynamic layout" in said
    assert "train 16 (9 reduced), validation 4 (2 reduced), test 4 (2 reduced)" in said
    assert "note: 1 of 24 videos are missing" in said


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("model.backbone={use: timm, name: resnet81}", "timm has no model 'resnet81'"),
        ("train.l1={strength: 0.1, on: [staages.3]}", "the model has no part 'staages.3'"),
        ("train.phases=[{name: one, epochs: 1, train: [staages.3]}]", "the model has no part 'staages.3'"),
    ],
)
def test_impossible_model_is_refused_before_any_video(
    tiny: Path,
    tmp_path: Path,
    wrong: str,
    said: str,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ECHOKIT_CACHE", str(tmp_path / "cache"))
    short = () if "phases" in wrong else ("--set", "train.epochs=1")
    if not short:
        tiny.write_text(tiny.read_text().replace("epochs: 2, ", ""))
    for dry in (("--dry-run",), ()):
        assert exit_code(["run", str(tiny), "--out", str(tmp_path / "runs"), *short, *dry, "--set", wrong]) == 2
        assert said in capfd.readouterr().err
    assert not (tmp_path / "cache" / "store").exists()
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "wrong", ["train.l1={strength: 0.1, on: [staages.3]}", "resample={use: holdout, val: 0.0, test: 0.2}"]
)
def test_refused_run_leaves_no_directory(tiny: Path, tmp_path: Path, wrong: str) -> None:
    tiny.write_text(tiny.read_text().replace("clip: {frames: 12}", "clip: {frames: null}"))
    assert exit_code(["run", str(tiny), "--out", str(tmp_path / "runs"), "--set", wrong]) == 2
    assert not (tmp_path / "runs").exists()


COMMANDS = (["validate"], ["run", "--dry-run"], ["run"])


def refused_by_all(tiny: Path, out: Path, code: str, *changes: str, where: str | None = None) -> None:
    """Expect one refusal of validate, a dry run and a run, and nothing on disk."""
    sets = [part for change in changes for part in ("--set", change)]
    for command in COMMANDS:
        error = command_error([*command, str(tiny), "--out", str(out), *sets])
        problems = error.problems if isinstance(error, RecipeError) else (error,)
        assert [problem.code for problem in problems] == [code]
        assert where is None or str(problems[0].where).endswith(where)
    assert not out.exists()


@pytest.mark.parametrize("resampler", ["{use: kfold, k: 2}", "{use: holdout, val: 0.0}", "leave_pair_out"])
def test_a_rule_without_a_validation_set(tiny: Path, tmp_path: Path, resampler: str) -> None:
    changes = (f"resample={resampler}", "evaluate=[auroc]")
    refused_by_all(tiny, tmp_path / "runs", "train.no_validation", *changes, where="tiny.yaml:8")
    tiny.write_text(tiny.read_text().replace(", keep: best_val_auroc", ""))
    assert load_recipe(tiny, changes).train.keep == "last"
    assert load_recipe(tiny).train.keep == "best_val_auroc"
    early = (*changes, "train.early_stop={patience: 1}")
    refused_by_all(tiny, tmp_path / "runs", "train.no_validation", *early)


def test_too_many_missing_videos(phantom: Path, tiny: Path, tmp_path: Path) -> None:
    shutil.copytree(phantom, tmp_path / "hearts")
    next((tmp_path / "hearts" / "Videos").glob("*.avi")).unlink()
    root = f"data.root={tmp_path / 'hearts'}"
    refused_by_all(tiny, tmp_path / "runs", "data.too_many_missing", root)
    assert exit_code(["validate", str(tiny), "--set", root, "--set", "data.max_unreadable=0.1"]) == 0


def test_one_class_in_a_part(phantom: Path, tiny: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(phantom, tmp_path / "hearts")
    listing = tmp_path / "hearts" / "FileList.csv"
    table = pd.read_csv(listing)
    root = f"data.root={tmp_path / 'hearts'}"
    for split, said in (("VAL", "validation set of 1 of 1 folds"), ("TEST", "all 4 test cases")):
        table.assign(EF=table["EF"].where(table["Split"] != split, 20.0)).to_csv(listing, index=False)
        for command in COMMANDS[:2]:
            assert exit_code([*command, str(tiny), "--set", root]) == 0
            assert said in capfd.readouterr().err
    table.assign(EF=table["EF"].where(table["Split"] != "TRAIN", 20.0)).to_csv(listing, index=False)
    refused_by_all(tiny, tmp_path / "runs", "fold.one_class", root)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there(tiny: Path, tmp_path: Path) -> None:
    refused_by_all(tiny, tmp_path / "runs", "device.no_precision", "train.precision=tf32", where="train.precision")
    for command in COMMANDS:
        assert command_error([*command, str(tiny), "--device", "cuda"]).code == "device.no_cuda"


class Only(torch.nn.Module):
    """Take the one stream."""

    def forward(self, streams: dict[str, torch.Tensor]) -> torch.Tensor:
        return streams["video"]


def test_a_network_that_cannot_take_the_clips() -> None:
    shape = {"video": InputShape(1, 4, 8, 8)}
    for width in (256, 99):
        network = torch.nn.Sequential(Only(), torch.nn.Flatten(), torch.nn.Linear(width, 3))
        network.features = 3  # type: ignore[assignment]
        model = EchoModel(network, 1, {"video": raw(1)})
        if width == 256:
            check_forward(model, shape)
        else:
            with refused("model.cannot_take_clips", names=("4 frames of 8 x 8",)):
                check_forward(model, shape)


def test_validate_says_what_it_could_not_check(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ECHOKIT_CACHE", str(tmp_path / "cache"))
    tiny.write_text(tiny.read_text().replace("clip: {frames: 12}", "clip: {frames: null}"))
    missing = ("--set", "model.weights=run:none", "--set", "data={use: phantom, cases: 12}")
    for arguments, count in (((), 1), (missing[:2], 2), (missing, 2)):
        assert exit_code(["validate", str(tiny), "--out", str(tmp_path / "runs"), *arguments]) == 0
        assert capsys.readouterr().out.count("not checked: ") == count
    assert not (tmp_path / "cache" / "phantom").exists()
