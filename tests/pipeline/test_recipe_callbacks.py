"""Callbacks that a recipe names: they follow a run, and stop it the same way whenever it is interrupted."""

import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from echokit import load_run
from echokit.cli import exit_code
from echokit.errors import RecipeError
from echokit.pipeline.run import run as run_request
from echokit.pipeline.session import RunRequest
from echokit.plugins.discovery import installed
from echokit.recipe.json_schema import recipe_schema
from echokit.recipe.validate import load_recipe
from echokit.results.lock import recipe_hash
from echokit.results.run import Run, changed_files, read_notes
from echokit.system.stop_signals import Interrupted
from echokit.training.callback import NoCallback
from tests.expect import command_error, mistakes
from tests.plugins.test_discovery import install

REGISTER = """
from echokit import hookimpl

@hookimpl
def echokit_components(register):
    for name in ("AfterEpoch", "AfterStep", "Patience", "Failing", "Watching", "Lying", "Answering"):
        register.callback(name.lower(), f"lab_callbacks.callbacks:{{name}}")
    register.callback("no_base", "lab_callbacks.callbacks:NoBase")

@hookimpl
def echokit_run_end(run):
    pass
"""
CALLBACKS = '''
import json
from pathlib import Path
from typing import Annotated, Literal
from pydantic import Field
from echokit import Callback, Stop


class AfterEpoch(Callback):
    """Stop.

    Args:
        epoch: After this epoch.
        fold: Of this fold; null stops all of them.
    """

    def __init__(self, *, epoch: Annotated[int, Field(ge=1)] = 1, fold: int | None = None) -> None:
        self.epoch = epoch
        self.fold = fold

    def on_epoch_end(self, record):
        here = self.fold in (None, record["fold"]) and record["epoch"] == self.epoch
        return Stop(f"epoch {self.epoch}\\nis enough") if here else None


class AfterStep(Callback):
    """Stop.

    Args:
        step: After this step.
    """

    def __init__(self, *, step: int = 2) -> None:
        self.step = step

    def on_step_end(self, progress):
        return Stop("a step is enough") if progress.step == self.step else None


class Patience(Callback):
    """Stop after three epochs of all that it remembers."""

    def __init__(self) -> None:
        self.epochs = []

    def on_epoch_end(self, record):
        self.epochs.append(record["epoch"])
        return Stop(f"seen {self.epochs}") if len(self.epochs) == 3 else None


class Failing(Callback):
    """Fail.

    Args:
        event: In this event.
    """

    def __init__(self, *, event: str = "on_epoch_end") -> None:
        def fail(*arguments):
            raise RuntimeError("no server\\nat all")
        setattr(self, event, fail)


class Watching(Callback):
    """Write what it hears."""

    only_watches = True

    def check(self):
        self.note("check")

    def note(self, *what):
        with (Path(__file__).parents[1] / "told.jsonl").open("a") as file:
            file.write(json.dumps(what) + "\\n")

    def on_run_start(self, run):
        self.run = run
        self.note("run", (run.path / "lock.yaml").is_file())

    def on_fold_start(self, fold, history):
        self.note("fold", fold, len(history))

    def on_step_end(self, progress):
        self.note("step", progress.step)

    def on_epoch_end(self, record):
        self.note("epoch", record["epoch"], record.get("stopped"))
        record.clear()

    def on_fold_end(self, fold, history):
        self.note("end of fold", fold, len(history))

    def on_run_end(self, run, error):
        self.note("end", run.complete, error and error.code)


class Lying(Callback):
    """Stop, although it says that it only watches."""

    only_watches = True

    def on_epoch_end(self, record):
        return Stop("no")


class Answering(Callback):
    """Answer what no callback may.

    Args:
        answer: What to answer.
    """

    def __init__(self, *, answer: Literal[True, "empty", "open"] = True) -> None:
        self.answer = answer

    def on_run_start(self, run):
        self.file = open(__file__) if self.answer == "open" else None

    def on_epoch_end(self, record):
        return True if self.answer is True else Stop("  ")


class NoBase:
    """No callback."""
'''
BITS = ("predictions.csv", "metrics.json", "checkpoints/fold-0/best/model.safetensors")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("ECHOKIT_PLUGINS", "lab_callbacks")
    install(folder, "lab_callbacks", REGISTER)
    (folder / "lab_callbacks" / "callbacks.py").write_text(CALLBACKS)
    installed.cache_clear()
    yield folder
    installed.cache_clear()
    for name in [name for name in sys.modules if name.startswith("lab_callbacks")]:
        sys.modules.pop(name)


def run(recipe: Path, out: Path, *arguments: str) -> Run:
    assert exit_code(["run", str(recipe), "--out", str(out), *arguments]) == 0
    return load_run(out / "tiny")


def setting(*values: str) -> list[str]:
    return [word for value in values for word in ("--set", value)]


def test_a_callback_stops_a_run_and_the_run_says_so(site: Path, tiny: Path, tmp_path: Path, capfd) -> None:
    chosen = setting("train.epochs=9", "callbacks=[{use: afterepoch, epoch: 2}]")
    stopped = run(tiny, tmp_path / "runs", *chosen)
    history = stopped.history
    assert [record["epoch"] for record in history] == [1, 2]
    assert [record.get("stopped") for record in history] == [None, "afterepoch: epoch 2 is enough"]
    assert "fold 0 stopped after epoch 2 by the callback afterepoch: epoch 2 is enough" in capfd.readouterr().err
    assert [note for note in read_notes(stopped) if "afterepoch: epoch 2 is enough" in note]
    assert "2 of 9 epochs" in (stopped.path / "summary.md").read_text()
    assert stopped.complete
    assert not changed_files(stopped)
    assert not (stopped.fold(0) / "last").exists()
    two = run(tiny, tmp_path / "two")
    for name in ("predictions.csv", "metrics.json"):
        assert (stopped.path / name).read_bytes() == (two.path / name).read_bytes(), name

    before = (stopped.path / "predictions.csv").read_bytes()
    assert run(tiny, tmp_path / "runs", "--resume", *chosen).history == history
    assert (stopped.path / "predictions.csv").read_bytes() == before
    error = command_error(
        ["run", str(tiny), "--out", str(tmp_path / "runs"), "--resume", *chosen, *setting("train.epochs=12")]
    )
    assert (error.code, error.where) == ("resume.stopped_early", "callbacks")
    error = command_error(["run", str(tiny), "--out", str(tmp_path / "runs"), "--resume", *setting("train.epochs=9")])
    assert error.code == "run.other_recipe"


class Interrupting(NoCallback):
    """Sends the signal of Ctrl-C after an epoch of a fold."""

    def __init__(self, fold: int, epoch: int) -> None:
        self.place = (fold, epoch)

    def on_epoch_end(self, record: Mapping[str, object]) -> None:
        if (record["fold"], record["epoch"]) == self.place:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("place", [(1, 2), pytest.param((0, 1), marks=pytest.mark.slow)])
def test_memory_of_a_callback_survives_a_resume_but_not_its_fold(
    site: Path, tiny: Path, tmp_path: Path, place: tuple[int, int]
) -> None:
    text = f"{tiny.read_text()}callbacks: [patience]\nresample: {{use: kfold, k: 2, val: 0.25}}\n"
    tiny.write_text(text.replace("epochs: 2", "epochs: 5"))
    whole = run(tiny, tmp_path / "whole")
    assert [(record["fold"], record.get("stopped")) for record in whole.history] == [
        (fold, said) for fold in (0, 1) for said in (None, None, "patience: seen [1, 2, 3]")
    ]
    request = RunRequest(load_recipe(tiny), tmp_path / "runs", callback=Interrupting(*place))
    with pytest.raises(Interrupted):
        run_request(request)
    resumed = run(tiny, tmp_path / "runs", "--resume")
    for name in ("predictions.csv", "metrics.json", *(f"checkpoints/fold-{k}/best/model.safetensors" for k in (0, 1))):
        assert (resumed.path / name).read_bytes() == (whole.path / name).read_bytes(), name
    said = [record.get("stopped") for record in resumed.history]
    assert said == [record.get("stopped") for record in whole.history]


def test_a_watcher_is_told_of_everything_and_changes_nothing(site: Path, tiny: Path, tmp_path: Path) -> None:
    plain = run(tiny, tmp_path / "plain")
    watched = run(tiny, tmp_path / "watched", *setting("callbacks=[watching]"))
    told = [json.loads(line) for line in (site / "told.jsonl").read_text().splitlines()]
    assert [one for one in told if one[0] != "step"] == [
        ["check"],
        ["run", True],
        ["fold", 0, 0],
        ["epoch", 1, None],
        ["epoch", 2, None],
        ["end of fold", 0, 2],
        ["end", True, None],
    ]
    assert told[3:5] == [["step", 1], ["step", 2]]
    for name in BITS:
        assert (plain.path / name).read_bytes() == (watched.path / name).read_bytes(), name
    assert plain.lock.recipe_hash == watched.lock.recipe_hash
    assert run(tiny, tmp_path / "plain", "--resume", *setting("track=[watching]")).path == plain.path


def test_the_lock_names_callbacks_and_plugins_with_hooks(site: Path, tiny: Path, tmp_path: Path) -> None:
    one = run(tiny, tmp_path / "one", *setting("callbacks=[{use: afterepoch, epoch: 1}]", "track=[watching]"))
    two = run(tiny, tmp_path / "two", *setting("callbacks=[{use: afterepoch, epoch: 2}]"))
    parts = [(part["name"], part["plugin"], part["version"]) for part in one.lock.content["components"]]
    assert parts[-2:] == [("afterepoch", "lab_callbacks", "1.2"), ("watching", "lab_callbacks", "1.2")]
    [hooks] = one.lock.content["hooks"]
    assert hooks["code"] == one.lock.content["components"][-1]["code"]
    assert (hooks["package"], hooks["version"], hooks["hooks"]) == ("lab_callbacks", "1.2", ["echokit_run_end"])
    assert one.lock.recipe_hash != two.lock.recipe_hash
    assert one.lock.recipe.callbacks[0].params == {"epoch": 1, "fold": None}
    assert [use.name for use in one.lock.recipe.track] == ["watching"]


def test_the_hash_leaves_out_watchers_and_no_other_component(site: Path, tiny: Path) -> None:
    watched = load_recipe(tiny, ("callbacks=[watching, afterepoch]", "track=[tensorboard]"))
    plain = load_recipe(tiny, ("callbacks=[afterepoch]",))
    both = [
        [{"kind": use.component.kind, "name": use.name, "plugin": "p", "code": use.name} for use in recipe.uses()]
        for recipe in (watched, plain)
    ]
    reader = {"kind": "reader", "name": "lab", "plugin": "p", "code": "1"}
    hashes = [recipe_hash(recipe, [*parts, reader], "f") for recipe, parts in zip((watched, plain), both, strict=True)]
    assert hashes[0] == hashes[1] != recipe_hash(plain, both[1], "f")


EVENTS = ("on_run_start", "on_fold_start", "on_step_end", "on_epoch_end", "on_fold_end", "on_run_end")


@pytest.mark.parametrize("event", ["check", *EVENTS])
def test_a_failing_callback_ends_the_run_with_its_name(site: Path, tiny: Path, tmp_path: Path, event: str) -> None:
    chosen = setting(f"callbacks=[{{use: failing, event: {event}}}, watching]", "train.epochs=1")
    error = command_error(["run", str(tiny), "--out", str(tmp_path / "runs"), *chosen])
    assert error.code == "callback.failed"
    assert str(error.where).startswith("lab_callbacks/callbacks.py:")
    for name in ("'failing'", "'lab_callbacks'", event, "RuntimeError: no server at all"):
        assert name in str(error)
    ends = [json.loads(line) for line in (site / "told.jsonl").read_text().splitlines()] if event != "check" else []
    if event not in ("check", "on_run_start"):  # what heard of the start hears of the end
        assert ends[-1] == ["end", event == "on_run_end", None if event == "on_run_end" else "callback.failed"]


@pytest.mark.parametrize(
    ("callbacks", "code", "names"),
    [
        ("[lying]", "callback.only_watches", ("'lying'", "on_epoch_end")),
        ("[{use: answering, answer: true}]", "callback.bad_answer", ("'answering'", "True")),
        ("[{use: answering, answer: empty}]", "callback.bad_answer", ("'answering'",)),
        ("[{use: answering, answer: open}]", "callback.failed", ("'answering'", "__deepcopy__")),
    ],
)
def test_a_wrong_answer_is_refused(
    site: Path, tiny: Path, tmp_path: Path, callbacks: str, code: str, names: tuple[str, ...]
) -> None:
    chosen = setting(f"callbacks={callbacks}", "train.epochs=1")
    error = command_error(["run", str(tiny), "--out", str(tmp_path / "runs"), *chosen])
    assert error.code == code
    assert not [name for name in names if name not in str(error)]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("callbacks: afterepoch", "recipe.wrong_type"),
        ("callbacks: [afterepch]", "component.unknown"),
        ("callbacks: [{use: afterepoch, epoch: 0}]", "parameter.invalid"),
        ("callbacks: [{use: afterepoch, epochs: 1}]", "parameter.unknown"),
        ("callbacks: [no_base]", "callback.no_base"),
        ("track: [afterepoch]", "recipe.unknown_tracker"),
        ("track: [[watching]]", "recipe.unknown_tracker"),
    ],
)
def test_mistakes_are_found_with_their_line(site: Path, tiny: Path, line: str, code: str) -> None:
    tiny.write_text(f"{tiny.read_text()}{line}\n")
    with pytest.raises(RecipeError) as caught:
        load_recipe(tiny)
    assert mistakes(caught.value) == [(code, f"{tiny}:{len(tiny.read_text().splitlines())}")]


def test_the_schema_has_the_callbacks(site: Path) -> None:
    properties = recipe_schema()["properties"]
    names, *schemas = properties["callbacks"]["items"]["anyOf"]
    assert {"afterepoch", "tensorboard"} <= set(names["enum"])
    [one] = [schema for schema in schemas if schema.get("title") == "afterepoch"]
    assert one["properties"]["epoch"]["minimum"] == 1
    assert properties["track"]["items"]["enum"] == ["lying", "mlflow", "tensorboard", "wandb", "watching"]


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        ("controls={permutations: 3}", True),
        ("controls={single_frame: true}", True),
        ("controls={predicted_ef: true}", False),
        ("resample={use: nested, search: {model.dropout: [0.0, 0.5]}}", True),
    ],
)
def test_heads_that_are_trained_together_ask_no_callback(site: Path, tiny: Path, change: str, refused: bool) -> None:
    tiny.write_text(f"{tiny.read_text()}callbacks: [watching, afterepoch]\n")
    if not refused:
        load_recipe(tiny, (change,))
        return
    with pytest.raises(RecipeError) as caught:
        load_recipe(tiny, (change, "train.keep=last"))
    line = len(tiny.read_text().splitlines())
    assert ("train.not_in_batched_heads", f"{tiny}:{line}") in mistakes(caught.value)
