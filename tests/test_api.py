"""The Python functions: each is its command, and returns data frames."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import echokit
from echokit.cli import exit_code
from echokit.system.csv_cells import csv_text
from tests.conftest import TINY
from tests.data.video.make import write_dicom
from tests.expect import refused
from tests.tools.convert.make import fan_clip


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, phantom: Path) -> Path:
    """The folder of two finished runs, ``tiny`` and ``other``; only read by the tests."""
    folder = tmp_path_factory.mktemp("api")
    (folder / "tiny.yaml").write_text(TINY.format(root=phantom).replace("best_val_auroc", "last"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ECHOKIT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        for name in ("tiny", "other"):
            echokit.run(folder / "tiny.yaml", out=folder / "runs", set={"name": name, "seed": len(name)})
    return folder / "runs"


def test_predict_returns_what_its_command_prints(
    runs: Path, phantom: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    videos = sorted((phantom / "Videos").iterdir())[:2]
    (tmp_path / "broken.avi").write_bytes(b"no video")
    sources = [*videos, tmp_path / "broken.avi"]
    table = echokit.predict("tiny", sources, out=runs, overlays=tmp_path / "overlays")
    assert "1 of 3 videos could not be scored" in capfd.readouterr().err
    assert exit_code(["predict", "tiny", *map(str, sources), "--csv", "--out", str(runs)]) == 2
    assert csv_text(table) == capfd.readouterr().out
    assert table["case_id"].tolist() == [videos[0].stem, videos[1].stem, "broken"]
    assert table["y_score"].notna().tolist() == [True, True, False]
    assert (table["model_data"] == "PHANTOM DATA").all()
    assert sorted(path.name for path in (tmp_path / "overlays").iterdir()) == [f"{v.stem}.mp4" for v in videos]
    run = echokit.load_run(runs / "tiny")
    pd.testing.assert_frame_equal(run.predict(videos[0]), table[:1])


def test_evaluate_returns_what_its_command_prints(
    runs: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = echokit.load_run(runs / "tiny").path / "predictions.csv"
    table = echokit.evaluate(path, by=["fold"], metrics=["auroc", "accuracy"])
    asked = ["evaluate", str(path), "--by", "fold", "--metric", "auroc", "--metric", "accuracy", "--json"]
    capfd.readouterr()
    assert exit_code(asked) == 0
    printed = json.loads(capfd.readouterr().out)
    assert table["metric"].tolist() == [entry["metric"] for entry in printed]
    assert table["value"].fillna(-1).tolist() == [-1 if e["value"] is None else e["value"] for e in printed]
    assert table["definition"].tolist() == [entry["definition"] for entry in printed]
    assert (table["data"] == "PHANTOM DATA").all()
    assert {"n", "events", "baseline", "low", "high"} <= set(table.columns)
    foreign = tmp_path / "theirs.csv"
    foreign.write_text("died,risk\nyes,0.9\nno,0.2\nyes,0.6\nno,0.7\n")
    found = echokit.evaluate(foreign, positive="yes", columns={"y_true": "died", "y_score": "risk"})
    assert found.set_index("metric").loc["auroc", "value"] == 0.75
    assert "threshold 0.5" in capfd.readouterr().err, "an assumption is said"
    with refused("evaluator.needs_parameters"):
        echokit.evaluate(path, metrics=["subgroups"])


def test_compare_returns_the_frames_of_its_page(runs: Path, capfd: pytest.CaptureFixture[str]) -> None:
    comparison = echokit.compare("tiny", echokit.load_run(runs / "other"), out=runs)
    assert comparison.page == runs / "compare" / "tiny-other.html"
    assert comparison.page.is_file()
    assert list(comparison.table.columns) == ["tiny", "other"]
    capfd.readouterr()
    assert exit_code(["compare", "tiny", "other", "--out", str(runs), "--json"]) == 0
    printed = json.loads(capfd.readouterr().out)
    assert comparison.differences["metric"].tolist() == [d["metric"] for d in printed["pairs"][0]["differences"]]
    assert comparison.differences["value"].tolist() == [d["value"] for d in printed["pairs"][0]["differences"]]
    assert "seed" in comparison.recipe_differences.index
    assert len(repr(comparison)) < 200
    assert "PHANTOM DATA" in repr(comparison)
    assert "PHANTOM DATA" in comparison._repr_html_()
    with refused("compare.one_run"):
        echokit.compare("tiny", out=runs)


def test_mask_returns_a_row_a_video(phantom: Path, tmp_path: Path) -> None:
    video = sorted((phantom / "Videos").iterdir())[0]
    (tmp_path / "broken.avi").write_bytes(b"no video")
    table = echokit.mask([video, tmp_path / "broken.avi"], out=tmp_path / "masked", set={"threshold": 0.5})
    assert table["case_id"].tolist() == [video.stem, "broken"]
    assert table["problem"].notna().tolist() == [False, True]
    assert 0 < table["kept"][0] < 1
    assert Path(table["video"][0]).is_file()
    assert (tmp_path / "masked" / f"{video.stem}.png").is_file()
    with refused("mask.not_a_mask"):
        echokit.mask(video, out=tmp_path / "masked", method="resize")


def test_convert_returns_the_tables_of_the_dataset(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "studies").mkdir()
    for index, patient in enumerate(("A-1", "B-2", "C-3")):
        write_dicom(tmp_path / "studies" / f"{index}.dcm", fan_clip(index, 10), PatientID=patient)
    table = tmp_path / "outcomes.csv"
    table.write_text("patient_id;died\nA-1;1\nB-2;0\nD-4;0\n")
    dataset = echokit.convert(tmp_path / "studies", to=tmp_path / "data", table=table)
    assert dataset.files["status"].tolist() == ["converted"] * 3
    assert dataset.clips["FileName"].tolist() == dataset.files["case_id"].tolist()
    assert dataset.cohort is not None
    assert dataset.cohort["target"].tolist() == [1, 0]
    assert str(tmp_path / "data") in repr(dataset)
    assert len(repr(dataset).replace(str(tmp_path), "")) < 200
    said = capfd.readouterr()
    assert said.out == ""
    assert f"{table} have no study: line 4" in said.err


def test_a_run_has_a_short_repr(runs: Path) -> None:
    run = echokit.load_run(runs / "tiny")
    assert repr(run) == f"<Run {run.path}>"
    (runs / "half").mkdir(exist_ok=True)
    assert repr(echokit.Run(runs / "half")) == f"<Run {runs / 'half'}, not finished>"


def test_importing_echokit_imports_nothing_heavy() -> None:
    code = "import sys, echokit; print([m for m in ('numpy', 'pandas', 'torch', 'click') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
