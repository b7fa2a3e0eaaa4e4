"""The main job, end to end, on real files and a model that trains in seconds."""

import json
import os
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from echokit import load_run, read_video, write_video
from echokit.cli import exit_code
from echokit.page.content import predictions_of
from echokit.pipeline.cohort_stage import load_cohort, prepare_clips
from echokit.pipeline.inference.predictor import Predictor
from echokit.recipe.check import load_recipe
from echokit.run_directory import Run

FILES = ["lock.yaml", "cohort.csv", "history.jsonl", "predictions.csv", "metrics.json", "curves.json", "summary.md"]
PLOTS = ["roc.png", "pr.png", "confusion.png", "learning_curves.png"]


def run(recipe: Path, out: Path, *arguments: str) -> Run:
    assert exit_code(["run", str(recipe), "--out", str(out), *arguments]) == 0
    return load_run(out / "tiny")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, phantom: Path) -> Run:
    """One finished run, only read by the tests."""
    from tests.conftest import TINY

    folder = tmp_path_factory.mktemp("finished")
    (folder / "tiny.yaml").write_text(TINY.format(root=phantom))
    before = os.environ.get("ECHOKIT_CACHE")
    os.environ["ECHOKIT_CACHE"] = str(tmp_path_factory.getbasetemp() / "cache")
    try:
        return run(folder / "tiny.yaml", folder / "runs")
    finally:
        if before is None:
            del os.environ["ECHOKIT_CACHE"]


def test_a_run_leaves_every_file_and_no_pickle(finished: Run) -> None:
    for name in FILES:
        assert (finished.path / name).stat().st_size > 0, name
    for name in PLOTS:
        assert (finished.path / "plots" / name).read_bytes().startswith(b"\x89PNG"), name
    kinds = {path.suffix for path in (finished.path / "checkpoints").rglob("*") if path.is_file()}
    assert kinds == {".safetensors", ".json", ".jsonl", ".csv"}
    assert not (finished.path / "checkpoints" / "fold-0" / "last").exists()


def test_predictions_cover_every_case_once_with_the_class_of_its_ef(finished: Run) -> None:
    table, cohort = finished.predictions, pd.read_csv(finished.path / "cohort.csv")
    assert len(table) == len(cohort) == 24
    merged = table.merge(cohort, on="case_id", suffixes=("", "_cohort"))
    assert (merged["y_true"] == (merged["ef"] < 50)).all()
    assert (merged["split"] == merged["split_cohort"]).all()
    assert table["y_score"].between(0, 1).all()
    assert "source" not in cohort.columns


def test_every_metric_has_n_events_baseline_definition_and_interval(finished: Run) -> None:
    metrics = json.loads((finished.path / "metrics.json").read_text())
    assert {metric["metric"] for metric in metrics} == {"accuracy", "auroc", "auprc"}
    for metric in metrics:
        assert metric["n"] > metric["events"] > 0
        assert metric["definition"]
        if metric["metric"] == "auprc" and metric["events"] < 20:
            assert metric["interval"].startswith("none below 20 events; permutation null")
        else:
            assert metric["low"] <= metric["value"] <= metric["high"]
        assert 0 < metric["baseline"] < 1


def test_everything_made_from_the_phantom_says_so(finished: Run) -> None:
    for name in FILES:
        assert "PHANTOM DATA" in (finished.path / name).read_text(), name
    assert finished.lock.phantom


def test_the_lock_holds_what_the_run_rests_on(finished: Run) -> None:
    content = finished.lock.content
    assert content["recipe"]["data"]["fallback"] is None
    assert content["recipe"]["train"]["optimizer"]["eps"] == 1e-8
    assert content["target"]["definition"] == "reduced: ef < 50"
    names = {(part["kind"], part["name"]) for part in content["components"]}
    assert {("preprocessor", "optical_flow"), ("backbone", "resnet18"), ("evaluator", "auroc")} <= names
    assert all(part["code"] for part in content["components"])
    assert content["environment"]["packages"]["torch"]
    assert content["compute"]["why"].startswith(content["compute"]["precision"])
    assert content["compute"]["memory"].startswith("channels_last_3d; ")


def test_the_same_recipe_and_its_lock_give_the_same_bits(finished: Run, tmp_path: Path) -> None:
    again = run(finished.path / "lock.yaml", tmp_path / "again")
    assert again.lock.recipe_hash == finished.lock.recipe_hash
    for name in ("predictions.csv", "metrics.json", "curves.json", "cohort.csv"):
        assert (again.path / name).read_bytes() == (finished.path / name).read_bytes(), name


def test_clips_that_a_failing_disk_changed_cost_the_run_nothing_and_are_counted(
    finished: Run, tiny: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    clips = prepare_clips(load_cohort(load_recipe(tiny))).clips.paths[:5]
    for path in clips:
        before, whole = path.stat(), path.read_bytes()
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    again = run(tiny, tmp_path / "again")
    assert (again.path / "predictions.csv").read_bytes() == (finished.path / "predictions.csv").read_bytes()
    assert "- 5 prepared clips had changed since they were written" in (again.path / "summary.md").read_text()
    assert capfd.readouterr().err.count("was made anew, the same bits") == 5
    clips[0].write_bytes(b"")
    assert exit_code(["data", "prepare", str(tiny)]) == 0
    said = capfd.readouterr()
    assert "1 prepared clips had changed" in said.err
    assert "24 clips are ready: 1 made now, 23 were there" in said.out


def test_videos_that_are_padded_are_counted(tiny: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    changes = ["--set", "preprocess.0.frames=24", "--set", "clip.frames=22", "--set", "train.epochs=1"]
    made = run(tiny, tmp_path, *changes)
    lengths = prepare_clips(load_cohort(made.lock.recipe)).clips.lengths
    short = int((lengths < 22).sum())
    assert 0 < short < 24
    said = f"{short} of 24 videos are too short for a clip of 22 frames: blank frames were added to them"
    assert said in capfd.readouterr().err
    assert f"- {said}" in (made.path / "summary.md").read_text()


def test_a_rerun_with_other_code_or_another_version_says_so(
    finished: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    import yaml

    content = yaml.safe_load((finished.path / "lock.yaml").read_text())
    for part in content["components"]:
        if part["name"] == "optical_flow":
            part["version"] = "0.0.1"
        if part["name"] == "auroc":
            part["code"] = "0" * 32
    lock = tmp_path / "lock.yaml"
    lock.write_text(yaml.safe_dump(content, sort_keys=False))
    run(lock, tmp_path / "again")
    said = capfd.readouterr().err
    assert "differs from the lock: the preprocessor optical_flow has changed since the lock: echokit 0.0.1 then" in said
    assert "the evaluator auroc has changed since the lock" in said
    assert "with other code" in said
    assert said.count("has changed since the lock") == 2


def test_another_seed_gives_other_scores(finished: Run, tiny: Path, tmp_path: Path) -> None:
    other = run(tiny, tmp_path / "other", "--set", "seed=1")
    assert other.lock.recipe_hash != finished.lock.recipe_hash
    assert not other.predictions["y_score"].equals(finished.predictions["y_score"])


def test_a_dry_run_tells_patients_parts_and_what_is_missing(
    phantom: Path, tiny: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(phantom, tmp_path / "hearts")
    next((tmp_path / "hearts" / "Videos").glob("*.avi")).unlink()
    assert exit_code(["run", str(tiny), "--dry-run", "--set", f"data.root={tmp_path / 'hearts'}"]) == 0
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
def test_a_model_that_can_not_be_is_refused_before_any_video_is_opened(
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
def test_a_run_that_can_not_begin_leaves_no_directory(tiny: Path, tmp_path: Path, wrong: str) -> None:
    tiny.write_text(tiny.read_text().replace("clip: {frames: 12}", "clip: {frames: null}"))
    assert exit_code(["run", str(tiny), "--out", str(tmp_path / "runs"), "--set", wrong]) == 2
    assert not (tmp_path / "runs").exists()


def test_data_without_the_mark_carries_no_stamp(
    phantom: Path, tiny: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    real = tmp_path / "real"
    shutil.copytree(phantom, real)
    (real / "PHANTOM_DATA.json").unlink()
    made = run(tiny, tmp_path / "runs", "--set", f"data.root={real}", "--set", "train.epochs=1")
    assert "phantom" not in "".join(capfd.readouterr()).lower()
    for name in FILES[1:]:
        assert "phantom" not in (made.path / name).read_text().lower(), name
    assert not made.lock.phantom


def test_the_fallback_is_used_only_when_the_root_is_absent_and_nobody_named_it(
    tiny: Path, phantom: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fallback = "data.fallback={use: phantom, cases: 12, ef: wide, set: {train: {epochs: 1}}}"
    assert exit_code(["run", str(tiny), "--dry-run", "--set", fallback]) == 0
    assert "24 cases" in capfd.readouterr().err
    absent = tmp_path / "absent.yaml"
    absent.write_text(tiny.read_text().replace(str(phantom), f'"${{HEARTS:-{tmp_path / "absent"}}}"'))
    assert exit_code(["run", str(absent), "--dry-run", "--set", fallback]) == 0
    said = capfd.readouterr().err
    assert "12 cases" in said
    assert "PHANTOM DATA" in said
    assert exit_code(["run", str(absent), "--dry-run", "--set", "data.fallback=null"]) == 2
    assert "FileList.csv" in capfd.readouterr().err
    wrong = f"data.root={tmp_path / 'wrong'}"
    assert exit_code(["run", str(absent), "--dry-run", "--set", fallback, "--set", wrong]) == 2
    assert f"--set {wrong} names it" in capfd.readouterr().err
    monkeypatch.setenv("HEARTS", str(tmp_path / "wrong"))
    assert exit_code(["run", str(absent), "--dry-run", "--set", fallback]) == 2
    assert "wrong does not exist\n  hint: HEARTS names it: correct it" in capfd.readouterr().err
    monkeypatch.setenv("HEARTS", str(phantom))
    assert exit_code(["run", str(absent), "--dry-run", "--set", fallback]) == 0
    assert "24 cases" in capfd.readouterr().err
    (tmp_path / "empty").mkdir()
    assert (
        exit_code(["run", str(tiny), "--dry-run", "--set", fallback, "--set", f"data.root={tmp_path / 'empty'}"]) == 2
    )


def test_a_lock_of_other_data_is_refused(
    finished: Run, phantom: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    shutil.copytree(phantom, other)
    table = pd.read_csv(other / "FileList.csv")
    table["EF"] = table["EF"].round(1)
    table.to_csv(other / "FileList.csv", index=False)
    lock = tmp_path / "lock.yaml"
    lock.write_text((finished.path / "lock.yaml").read_text().replace(str(phantom), str(other)))
    assert exit_code(["run", str(lock), "--out", str(tmp_path)]) == 2
    assert "not those that the lock was made from" in capfd.readouterr().err


@pytest.mark.parametrize("damage", ["truncated", "text", "missing"])
def test_bad_files_are_listed_and_too_many_stop_the_run(
    damage: str, phantom: Path, tiny: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "damaged"
    shutil.copytree(phantom, root)
    cases = pd.read_csv(root / "FileList.csv")
    victim = root / "Videos" / f"{cases['FileName'][cases['Split'] == 'TRAIN'].iloc[0]}.avi"
    if damage == "missing":
        victim.unlink()
    else:
        victim.write_bytes(victim.read_bytes()[:100] if damage == "truncated" else b"this is no video at all\n" * 20)
    arguments = ["--set", f"data.root={root}", "--set", "train.epochs=1"]
    assert exit_code(["run", str(tiny), "--out", str(tmp_path), *arguments]) == 2
    assert victim.stem in capfd.readouterr().err
    made = run(tiny, tmp_path, *arguments, "--set", "data.max_unreadable=0.1")
    assert len(made.predictions) == 23
    assert f"unreadable: {victim.stem}" in (made.path / "summary.md").read_text()


def test_a_run_that_finished_is_resumed_to_itself_and_a_changed_recipe_is_not(
    tiny: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first = run(tiny, tmp_path, "--set", "train.epochs=1")
    scores = (first.path / "predictions.csv").read_bytes()
    again = run(tiny, tmp_path, "--set", "train.epochs=1", "--resume")
    assert again.path == first.path
    assert (again.path / "predictions.csv").read_bytes() == scores
    assert exit_code(["run", str(tiny), "--out", str(tmp_path), "--resume"]) == 2
    assert "another recipe" in capfd.readouterr().err


def test_one_fold_alone_trains_and_does_not_evaluate(tiny: Path, tmp_path: Path) -> None:
    made = run(tiny, tmp_path, "--fold", "0", "--set", "train.epochs=1")
    assert (made.fold(0) / "best" / "model.safetensors").is_file()
    assert not made.complete
    assert exit_code(["run", str(tiny), "--out", str(tmp_path), "--fold", "7"]) == 2


def test_a_random_holdout_divides_by_patient_and_class(tiny: Path, tmp_path: Path) -> None:
    made = run(tiny, tmp_path, "--set", "resample=holdout", "--set", "train.epochs=1")
    counts = made.predictions.groupby("split")["y_true"].agg(["size", "sum"])
    assert set(counts.index) == {"train", "val", "test"}
    assert (counts["sum"] > 0).all()
    assert (counts["sum"] < counts["size"]).all()


def test_predict_gives_the_same_score_as_the_run(
    finished: Run, phantom: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    row = finished.predictions.iloc[-1]
    video = phantom / "Videos" / f"{row['case_id']}.avi"
    for _ in range(2):
        assert exit_code(["predict", str(finished.path), str(video), "--json"]) == 0
        answer = json.loads(capfd.readouterr().out)
        assert answer["data"] == "PHANTOM DATA"
        assert answer["predictions"][0]["case_id"] == row["case_id"]
        assert answer["predictions"][0]["score"] == pytest.approx(row["y_score"], abs=1e-6)


def test_predict_pads_whole_clips_as_the_run_did_and_refuses_longer_ones(tiny: Path, tmp_path: Path) -> None:
    recipe = (
        tiny.read_text().replace("{use: trim, frames: 12}, ", "").replace("clip: {frames: 12}", "clip: {frames: null}")
    )
    tiny.write_text(recipe)
    made = run(tiny, tmp_path, "--set", "train.epochs=1")
    videos = Path(made.lock.recipe.data.params["root"]) / "Videos"
    scores = made.predictions.set_index("case_id")["y_score"].to_dict()
    predictor = Predictor(made, "cpu")
    answers = list(predictor([(case, videos / f"{case}.avi") for case in scores]))
    assert len({answer.frames for answer in answers}) > 1
    assert {answer.case_id: answer.score for answer in answers} == pytest.approx(scores, abs=1e-6)
    from pydicom.examples import get_path

    [longer] = predictor([("longer", Path(get_path("ybr_color")))])
    assert longer.score is None
    assert longer.problem == "its window has 30 frames, and the longest clip of the run's cohort 24"


def test_predict_scores_the_real_dicom_under_a_pseudonym(finished: Run, capfd: pytest.CaptureFixture[str]) -> None:
    from pydicom.examples import get_path

    assert exit_code(["predict", str(finished.path), str(get_path("ybr_color"))]) == 0
    said = capfd.readouterr().out
    assert "PHANTOM DATA" in said
    assert "case-" in said
    assert "examples_ybr_color" not in said


def test_predict_lists_what_it_can_not_read_and_scores_the_rest(
    finished: Run, phantom: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.avi").write_text("no video")
    shutil.copy(next((phantom / "Videos").iterdir()), tmp_path / "heart.avi")
    assert exit_code(["predict", str(finished.path), str(tmp_path), "--csv"]) == 2
    out, err = capfd.readouterr()
    lines = out.splitlines()
    assert lines[1].startswith("heart,0.")
    assert lines[2].startswith("text,,")
    assert "1 of 2 videos could not be scored" in err


def test_predict_needs_a_finished_run_that_is_there(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.avi").write_text("x")
    assert exit_code(["predict", str(tmp_path / "nothing"), str(tmp_path / "x.avi")]) == 2
    assert "there is no run" in capfd.readouterr().err


def test_predict_scores_an_mp4_and_says_that_a_truncated_avi_is_damaged(
    finished: Run, phantom: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    video = next((phantom / "Videos").iterdir())
    clip = read_video(video)
    write_video(tmp_path / "heart.mp4", clip.frames, clip.fps or 30.0)
    assert exit_code(["predict", str(finished.path), str(tmp_path / "heart.mp4")]) == 0
    content = video.read_bytes()
    (tmp_path / "short.avi").write_bytes(content[: len(content) // 4])
    assert exit_code(["predict", str(finished.path), str(tmp_path / "short.avi"), "--json"]) == 2
    out, err = capfd.readouterr()
    assert "damaged, scored on the frames that are left: short" in err
    assert "decoded" in out


def test_new_videos_and_pages_are_called_where_the_run_called_its_test_cases(finished: Run, tmp_path: Path) -> None:
    copy = shutil.copytree(finished.path, tmp_path / "runs" / "tiny" / "ruled")
    entries = json.loads((copy / "metrics.json").read_text())
    for entry in entries:
        entry["threshold"] = 0.37 if entry["metric"] == "accuracy" else entry["threshold"]
    (copy / "metrics.json").write_text(json.dumps(entries))
    assert Predictor(finished, "cpu").threshold == 0.5
    assert Predictor(Run(copy), "cpu").threshold == 0.37
    assert predictions_of(Run(copy)).threshold == 0.37


def test_where_folds_chose_different_thresholds_a_mean_score_is_called_at_their_mean(
    finished: Run, tmp_path: Path, phantom: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(finished.path, tmp_path / "runs" / "tiny" / "folds")
    entries = json.loads((copy / "metrics.json").read_text())
    folds = [
        {**entry, "fold": fold, "threshold": threshold}
        for entry in entries
        for fold, threshold in ((0, 0.2), (1, 0.4))
        if entry["metric"] == "accuracy" and entry["split"] == "test"
    ]
    (copy / "metrics.json").write_text(json.dumps(folds))
    assert Predictor(Run(copy), "cpu").threshold == pytest.approx(0.3)
    assert exit_code(["predict", str(copy), str(next((phantom / "Videos").glob("*.avi")))]) == 0
    assert "from 0.3, the mean of 2 folds' thresholds (0.2 to 0.4)" in capfd.readouterr().out


def test_a_lock_is_explained_and_validated_as_it_is_run(finished: Run, capsys: pytest.CaptureFixture[str]) -> None:
    lock = str(finished.path / "lock.yaml")
    assert exit_code(["validate", lock, "--set", "train.epochs=7"]) == 0
    assert exit_code(["explain", lock]) == 0
    assert re.search(r"^train.epochs +2 +", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.parametrize("command", ["validate", "explain", "run"])
def test_the_name_of_a_run_where_a_recipe_is_meant_is_told(
    finished: Run, tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(finished.path, tmp_path / "runs" / "mine" / "latest")
    assert exit_code([command, "mine"]) == 2
    said = capsys.readouterr().err
    assert "there is no recipe 'mine', but a run of that name" in said
    assert "runs/mine/latest/lock.yaml" in said
