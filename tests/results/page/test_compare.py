"""``echokit compare`` on small runs of the same patients, and on runs that cannot be compared."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from echokit import load_run
from echokit.cli import exit_code
from echokit.results.page.run_comparison import compare_runs
from echokit.results.run import Run
from tests.conftest import TINY
from tests.expect import command_error
from tests.seal import reseal


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


def test_runs_are_compared_with_recipes_and_disagreements(
    runs: tuple[Run, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first, second, _ = runs
    page = tmp_path / "page.html"
    assert exit_code(["compare", str(first.path), str(second.path), "--to", str(page), "--json"]) == 0
    comparison = json.loads(capfd.readouterr().out)
    assert comparison["runs"] == ["plain", "narrow"]
    [pair] = comparison["pairs"]
    auroc = next(one for one in pair["differences"] if one["metric"] == "auroc")
    assert auroc["value"] == pytest.approx(second.metric("auroc").value - first.metric("auroc").value)  # type: ignore[operator]
    assert auroc["n"] == first.metric("auroc").n
    assert {row[0]: row[1:] for row in comparison["recipes"]} == {
        "seed": ["0", "1"],
        "model.backbone.width": ["4", "2"],
    }
    scores = [run.predictions[run.predictions["split"] == "test"].set_index("case_id")["y_score"] for run in runs[:2]]
    assert pair["disagreeing"] == int(((scores[0] >= 0.5) != (scores[1] >= 0.5)).sum())
    text = page.read_text()
    assert "PHANTOM DATA" in text
    assert text.count("<svg") == 2
    assert "http:" not in text


def test_cross_validated_runs_are_not_tested(
    runs: tuple[Run, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(["compare", str(runs[0].path), str(runs[2].path), "--to", str(tmp_path / "p.html"), "--json"]) == 0
    [pair] = json.loads(capfd.readouterr().out)["pairs"]
    assert pair["problem"]
    assert not pair["differences"]


def test_other_hearts_of_the_same_names_are_not_compared(runs: tuple[Run, ...], tmp_path: Path) -> None:
    other = shutil.copytree(runs[1].path, tmp_path / "runs" / "other" / "20260101-000000")
    table = (other / "predictions.csv").read_text().splitlines(keepends=True)
    column = next(line for line in table if not line.startswith("#")).strip().split(",").index("target")
    with (other / "predictions.csv").open("w") as file:
        for line in table:
            cells = line.rstrip("\n").split(",")
            if len(cells) > column and cells[column] != "target":
                cells[column] = str(float(cells[column]) + 0.5)
            file.write(",".join(cells) + "\n")
    reseal(other)
    [pair] = compare_runs([runs[0], Run(other)]).pairs
    n = runs[0].metric("auroc").n
    assert f" {n} of {n} " in str(pair.problem)
    assert (pair.differences, pair.disagreements, pair.cases) == ((), (), 0)


def test_metrics_are_listed_with_baselines_and_patients(runs: tuple[Run, ...]) -> None:
    rows = {name: cells for name, *cells in compare_runs(runs[:2]).metrics}
    metrics = [run.metric("auroc") for run in runs[:2]]
    assert [cell.partition(" ")[0] for cell in rows["AUROC"]] == [f"{m.value:.3f}" for m in metrics]
    assert rows["AUROC, baseline"] == ["0.500", "0.500"]
    assert rows["patients, positive"] == [f"{m.n}, {m.events}" for m in metrics]


def test_runs_with_other_cutoffs_are_not_compared(runs: tuple[Run, ...], tmp_path: Path) -> None:
    other = shutil.copytree(runs[1].path, tmp_path / "runs" / "other" / "20260101-000000")
    table = pd.read_csv(other / "predictions.csv")
    table["y_true"] = 1 - table["y_true"]
    table.to_csv(other / "predictions.csv", index=False)
    reseal(other)
    [pair] = compare_runs([runs[0], Run(other)]).pairs
    assert "class" in str(pair.problem)
    assert (pair.differences, pair.cases) == ((), 0)


def test_a_name_selects_the_newest_finished_run(
    runs: tuple[Run, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, stamp in (("first", "20260101-000000"), ("second", "20260102-000000"), ("third", "20260103-000000")):
        path = shutil.copytree(runs[0].path, tmp_path / "plain" / stamp)
        if name == "third":
            (path / "summary.md").unlink()
    (tmp_path / "plain" / "latest").symlink_to("20260103-000000")
    assert exit_code(["report", "plain", "--out", str(tmp_path)]) == 0
    screen = capfd.readouterr()
    assert "20260103-000000" in screen.err
    assert "20260102-000000" in screen.err
    assert "20260102-000000" in screen.out
    assert command_error(["report", str(tmp_path / "plain" / "20260103-000000")]).code == "run.unfinished"


def test_one_run_is_no_comparison(runs: tuple[Run, ...]) -> None:
    assert command_error(["compare", str(runs[0].path)]).code == "compare.one_run"
