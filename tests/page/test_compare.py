"""``echokit compare`` on two small runs of the same patients, and on runs that can not be compared."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from echokit import load_run
from echokit.cli import exit_code
from echokit.run_directory import Run
from tests.conftest import TINY


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, phantom: Path) -> tuple[Run, ...]:
    """A run, one with another width and seed, and one in folds."""
    folder = tmp_path_factory.mktemp("compare")
    text = TINY.format(root=phantom)
    changes = {
        "plain": [],
        "narrow": ["--set", "model.backbone.width=2", "--set", "seed=1"],
        "folds": ["--set", 'resample={"use": "kfold", "k": 2}', "--set", "train.keep=last"],
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ECHOKIT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        for name, change in changes.items():
            (folder / f"{name}.yaml").write_text(text.replace("name: tiny", f"name: {name}"))
            assert exit_code(["run", str(folder / f"{name}.yaml"), "--out", str(folder / "runs"), *change]) == 0
    return tuple(load_run(folder / "runs" / name) for name in changes)


def test_runs_are_compared_in_pairs_with_their_recipes_and_disagreements(
    runs: tuple[Run, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first, second, _ = runs
    page = tmp_path / "page.html"
    assert exit_code(["compare", str(first.path), str(second.path), "--to", str(page), "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["runs"] == ["plain", "narrow"]
    [pair] = found["pairs"]
    auroc = next(one for one in pair["differences"] if one["metric"] == "auroc")
    assert auroc["value"] == pytest.approx(second.metric("auroc").value - first.metric("auroc").value)  # type: ignore[operator]
    assert auroc["n"] == first.metric("auroc").n
    assert {row[0]: row[1:] for row in found["recipes"]} == {
        "seed": ["0", "1"],
        "model.backbone.width": ["4", "2"],
    }
    scores = [run.predictions[run.predictions["split"] == "test"].set_index("case_id")["y_score"] for run in runs[:2]]
    assert pair["disagreeing"] == int(((scores[0] >= 0.5) != (scores[1] >= 0.5)).sum())
    text = page.read_text()
    assert "PHANTOM DATA" in text
    assert text.count("<svg") == 2
    assert "http:" not in text


def test_folds_stand_beside_each_other_and_are_not_tested(
    runs: tuple[Run, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(["compare", str(runs[0].path), str(runs[2].path), "--to", str(tmp_path / "p.html"), "--json"]) == 0
    [pair] = json.loads(capfd.readouterr().out)["pairs"]
    assert pair["problem"]
    assert not pair["differences"]


def test_other_hearts_of_the_same_names_are_not_compared(
    runs: tuple[Run, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    other = shutil.copytree(runs[1].path, tmp_path / "runs" / "other" / "20260101-000000")
    table = (other / "predictions.csv").read_text().splitlines(keepends=True)
    column = next(line for line in table if not line.startswith("#")).strip().split(",").index("target")
    with (other / "predictions.csv").open("w") as file:
        for line in table:
            cells = line.rstrip("\n").split(",")
            if len(cells) > column and cells[column] != "target":
                cells[column] = str(float(cells[column]) + 0.5)
            file.write(",".join(cells) + "\n")
    assert exit_code(["compare", str(runs[0].path), str(other), "--to", str(tmp_path / "p.html")]) == 0
    said = capfd.readouterr().out
    assert "they were tested on other hearts" in said
    assert "called differently" not in said
    assert "patients, events" in said
    assert "AUROC without information" in said


def test_runs_with_other_cutoffs_are_not_compared(
    runs: tuple[Run, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    other = shutil.copytree(runs[1].path, tmp_path / "runs" / "other" / "20260101-000000")
    table = pd.read_csv(other / "predictions.csv")
    table["y_true"] = 1 - table["y_true"]
    table.to_csv(other / "predictions.csv", index=False)
    assert exit_code(["compare", str(runs[0].path), str(other), "--to", str(tmp_path / "p.html")]) == 0
    said = capfd.readouterr().out
    assert "are of another class there: the cut-offs or the outcomes differ" in said
    assert "other hearts" not in said


def test_by_its_name_the_newest_run_that_finished_is_meant(
    runs: tuple[Run, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, stamp in (("first", "20260101-000000"), ("second", "20260102-000000"), ("third", "20260103-000000")):
        path = shutil.copytree(runs[0].path, tmp_path / "plain" / stamp)
        if name == "third":
            (path / "summary.md").unlink()
    (tmp_path / "plain" / "latest").symlink_to("20260103-000000")
    assert exit_code(["report", "plain", "--out", str(tmp_path)]) == 0
    said = capfd.readouterr()
    assert "20260103-000000, did not finish: taking 20260102-000000" in said.err
    assert "20260102-000000" in said.out
    assert exit_code(["report", str(tmp_path / "plain" / "20260103-000000")]) == 2


def test_one_run_is_no_comparison(runs: tuple[Run, ...], capfd: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["compare", str(runs[0].path)]) == 2
    assert "two runs" in capfd.readouterr().err
