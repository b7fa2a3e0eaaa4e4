"""The hooks of a run: when they are called, and that a failing one does not end the run."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import echokit
from echokit.pipeline.callbacks import RunHooks
from echokit.plugins.discovery import installed
from echokit.results.run import Run
from tests.plugins.test_discovery import install

TELLING = """
import json
from pathlib import Path
from echokit import Section, hookimpl

def note(what):
    with (Path(__file__).parents[1] / "told.jsonl").open("a") as file:
        file.write(json.dumps(what) + "\\n")

@hookimpl
def echokit_run_start(run):
    note(["start", (run.path / "lock.yaml").is_file(), run.complete])

@hookimpl
def echokit_epoch_end(record):
    note(["epoch", record["epoch"]])

@hookimpl
def echokit_run_end(run, error):
    note(["end", run.complete, None if error is None else str(error)])

@hookimpl
def echokit_report_section(run):
    return Section("What the lab adds", f"Accuracy again: {{run.metric('accuracy').n}} patients.")
"""
RAISING = """
from echokit import hookimpl

@hookimpl
def echokit_run_start():
    raise RuntimeError("no server\\nat all")

@hookimpl
def echokit_epoch_end():
    raise SystemExit(3)

@hookimpl
def echokit_run_end():
    raise KeyError("x")

@hookimpl
def echokit_report_section():
    return "a text"
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("ECHOKIT_PLUGINS", "lab_telling,lab_raising")
    install(folder, "lab_telling", TELLING)
    install(folder, "lab_raising", RAISING)
    installed.cache_clear()
    yield folder
    installed.cache_clear()
    for name in ("lab_telling", "lab_raising"):
        sys.modules.pop(name, None)


def test_hooks_are_called_and_a_failing_one_is_reported_once(site: Path, tiny: Path, tmp_path: Path) -> None:
    run = echokit.run(tiny, out=tmp_path / "runs")
    assert run.complete
    told = [json.loads(line) for line in (site / "told.jsonl").read_text().splitlines()]
    assert told == [["start", True, False], ["epoch", 1], ["epoch", 2], ["end", True, None]]
    summary = (run.path / "summary.md").read_text()
    assert "## What the lab adds\n\nAccuracy again: " in summary
    for hook, cause in (
        ("echokit_run_start", "raised RuntimeError: no server at all"),
        ("echokit_epoch_end", "raised SystemExit: 3"),
        ("echokit_report_section", "returned str, not a Section"),
    ):
        line = f"the hook {hook} of the plugin lab_raising {cause}; the run continued without it"
        assert summary.count(line) == 1


def test_end_hook_gets_the_error_of_a_failed_run(site: Path, tmp_path: Path) -> None:
    hooks = RunHooks(Run(tmp_path / "run"), installed())
    with pytest.raises(ZeroDivisionError), hooks.run_hooks():
        raise ZeroDivisionError("as planned")
    told = [json.loads(line) for line in (site / "told.jsonl").read_text().splitlines()]
    assert told == [["start", False, False], ["end", False, "as planned"]]
    assert hooks.problems[-1].startswith("the hook echokit_run_end of the plugin lab_raising raised KeyError")
