"""Lock, folds and weights of a run belong together, and its results are what it wrote: or the command says so."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from echokit import load_run
from echokit.cli import exit_code
from echokit.results.run import Run
from tests.expect import command_error


@pytest.fixture(scope="module")
def other(two_folds: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of the same model with another seed."""
    out = tmp_path_factory.mktemp("other")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ECHOKIT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        assert (
            exit_code(["run", str(two_folds.path.parents[2] / "tiny.yaml"), "--out", str(out), "--set", "seed=1"]) == 0
        )
    return load_run(out / "tiny")


@pytest.fixture
def copy(two_folds: Run, tmp_path: Path) -> Run:
    return Run(Path(shutil.copytree(two_folds.path, tmp_path / "runs" / "tiny" / "copy")))


@pytest.fixture
def video(phantom: Path) -> str:
    return str(next((phantom / "Videos").iterdir()))


def missing_fold(run: Run, _: Run) -> None:
    shutil.rmtree(run.fold(1))


def copied_fold(run: Run, _: Run) -> None:
    shutil.rmtree(run.fold(1))
    shutil.copytree(run.fold(0), run.fold(1))


def added_fold(run: Run, _: Run) -> None:
    shutil.copytree(run.fold(0), run.fold(2))


def other_weights(run: Run, other: Run) -> None:
    shutil.copytree(other.fold(1) / "best", run.fold(1) / "best", dirs_exist_ok=True)


def other_fold(run: Run, other: Run) -> None:
    shutil.copytree(other.fold(1), run.fold(1), dirs_exist_ok=True)


def edited_lock(run: Run, _: Run) -> None:
    lock = run.path / "lock.yaml"
    lock.write_text(lock.read_text().replace("positive: reduced", "positive: normal"))


def lock_of_another(run: Run, other: Run) -> None:
    shutil.copy(other.path / "lock.yaml", run.path / "lock.yaml")


def lock_of_another_with_its_checksum(run: Run, other: Run) -> None:
    for name in ("lock.yaml", "checksums.json"):
        shutil.copy(other.path / name, run.path / name)


def edited_facts(run: Run, _: Run) -> None:
    file = run.fold(1) / "best" / "model.safetensors"
    content = file.read_bytes()
    file.write_bytes(re.sub(rb"(sizes\W+)\d", rb"\g<1>9", content))  # of the training classes
    assert file.read_bytes() != content


def edited_range(run: Run, _: Run) -> None:
    file = run.path / "quality.json"
    content = json.loads(file.read_text())
    file.write_text(json.dumps({**content, "likeness": -1.0}))


def no_checksums(run: Run, _: Run) -> None:
    (run.path / "checksums.json").unlink()


@pytest.mark.parametrize(
    ("damage", "code", "where"),
    [
        (missing_fold, "weights.no_checkpoint", "fold-1"),
        (copied_fold, "weights.other_fold", "fold-1/best/model.safetensors"),
        (added_fold, "run.strange_fold", "checkpoints"),
        (other_weights, "weights.other_run", "fold-1/best/model.safetensors"),
        (other_fold, "weights.other_run", "fold-1/best/model.safetensors"),
        (edited_lock, "run.damaged_file", "lock.yaml"),
        (lock_of_another, "run.damaged_file", "lock.yaml"),
        (lock_of_another_with_its_checksum, "weights.other_run", "fold-0/best/model.safetensors"),
        (edited_facts, "weights.damaged", "fold-1/best/model.safetensors"),
        (edited_range, "run.damaged_file", "quality.json"),
        (no_checksums, "run.damaged_file", "lock.yaml"),
    ],
)
def test_predict_refuses_what_does_not_belong_together(
    copy: Run, other: Run, video: str, damage: Callable[[Run, Run], None], code: str, where: str
) -> None:
    damage(copy, other)
    error = command_error(["predict", str(copy.path), video])
    assert (error.code, str(error.where).endswith(where)) == (code, True), error


@pytest.mark.parametrize("command", ["report", "compare", "predict"])
@pytest.mark.parametrize("name", ["metrics.json", "predictions.csv", "lock.yaml"])
def test_an_edited_result_is_noticed(
    copy: Run,
    two_folds: Run,
    video: str,
    tmp_path: Path,
    command: str,
    name: str,
) -> None:
    file = copy.path / name
    text = file.read_text()
    digit = next(match for match in re.finditer(r"0\.\d+|cases: \d+", text))
    file.write_text(text[: digit.end() - 1] + str((int(text[digit.end() - 1]) + 1) % 10) + text[digit.end() :])
    arguments = {"report": [], "compare": [str(two_folds.path), "--to", str(tmp_path / "p.html")], "predict": [video]}
    error = command_error([command, str(copy.path), *arguments[command]])
    assert (error.code, str(error.where).endswith(name)) == ("run.damaged_file", True), error


def test_report_names_edited_files_that_it_does_not_show(copy: Run, capfd: pytest.CaptureFixture[str]) -> None:
    with (copy.path / "summary.md").open("a") as file:
        file.write("a line\n")
    (copy.path / "plots" / "roc.png").unlink()
    (copy.fold(1) / "checksums.json").write_text("{}")
    assert exit_code(["report", str(copy.path)]) == 0
    warnings = [line for line in capfd.readouterr().err.splitlines() if "WARNING" in line]
    for name in ("summary.md", "roc.png", "fold-1/checksums.json"):
        assert any(name in line for line in warnings), name
    assert len(warnings) == 3


def test_an_intact_copy_is_used_anywhere(
    copy: Run, two_folds: Run, video: str, capfd: pytest.CaptureFixture[str]
) -> None:
    said = []
    for run in (copy, two_folds):
        assert exit_code(["predict", str(run.path), video, "--json"]) == 0
        said.append(capfd.readouterr().out)
    assert said[0] == said[1]
