"""Checks of callbacks: two folds of made-up epochs, in a run with a lock."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from echokit.pipeline.callbacks import RunCallbacks, started_callbacks
from echokit.plugins.component_config import ComponentConfig
from echokit.recipe.validate import load_recipe
from echokit.results.lock import make_lock
from echokit.results.run import LOCK, Run
from echokit.testing.case import Skip, Subject, require
from echokit.training.callback import Callback, StepProgress, only_watches

EPOCHS, STEPS = 12, 3
_RECIPE = """
name: checked
data: {use: phantom, cases: 6}
target: {from: ef, positive: reduced, below: 50}
model: {use: two_stream, backbone: resnet18}
train: {epochs: 12}
preprocess: [optical_flow]
callbacks: [%s]
"""
_DATA = {"name": "phantom", "phantom": True, "fingerprint": "0" * 32, "cases": 6, "unreadable": 0}

Records = Sequence[dict[str, Any]]


def check_is_a_callback(subject: Subject) -> None:
    """Its class is derived from echokit.Callback."""
    require(issubclass(subject.component.load(), Callback), "its class is not derived from echokit.Callback")


def check_follows_a_run(subject: Subject) -> None:
    """It follows runs that improve or get worse, lack a validation set, or fail."""
    with _run(subject) as run:
        _stops(subject, run, [_history(fold, trend) for fold, trend in enumerate(_TRENDS)])
    with _run(subject) as run, started_callbacks([_use(subject)], run):
        pass


def check_stops_at_the_same_epoch_after_a_resume(subject: Subject) -> None:
    """A run that is resumed stops after the same epoch, however fast the machine."""
    _require_deciding(subject)
    with _run(subject) as run:
        for trend in _TRENDS:
            whole = _stops(subject, run, [_history(0, trend)])
            for before in range(EPOCHS):
                if whole[0] is None or before < whole[0]:
                    resumed = _stops(subject, run, [_history(0, trend, seconds=2.5)], before)
                    require(
                        resumed == whole,
                        f"it stopped after epoch {whole[0]}, and after epoch {resumed[0]} in a run that was resumed "
                        f"after {before} epochs: answer from the records alone, not from steps, time or chance",
                    )


def check_stops_each_fold_by_itself(subject: Subject) -> None:
    """A fold stops after the same epoch, whatever happened in the folds before it."""
    _require_deciding(subject)
    with _run(subject) as run:
        for first in _TRENDS:
            for second in _TRENDS:
                alone = _stops(subject, run, [_history(1, second)])
                after = _stops(subject, run, [_history(0, first), _history(1, second)])[1:]
                require(
                    alone == after,
                    f"fold 1 stopped after epoch {alone[0]} by itself, and after epoch {after[0]} when fold 0 came "
                    "first: keep what it remembers in the object, not in its class or module",
                )


def _require_deciding(subject: Subject) -> None:
    if only_watches(subject.component.load()):
        raise Skip("it only watches")


def _use(subject: Subject) -> ComponentConfig:
    return ComponentConfig(subject.component, subject.values)


@contextmanager
def _run(subject: Subject) -> Iterator[Run]:
    """Write a run that has just started, with the callback in its recipe."""
    with tempfile.TemporaryDirectory(prefix="echokit-check-") as folder:
        recipe = Path(folder) / "checked.yaml"
        recipe.write_text(_RECIPE % json.dumps(_use(subject).to_dict()), encoding="utf-8")
        run = Run(Path(folder) / "run")
        run.path.mkdir()
        make_lock(load_recipe(recipe), _DATA, {}).write(run.path / LOCK)
        yield run


def _stops(subject: Subject, run: Run, histories: Sequence[Records], before: int = 0) -> list[int | None]:
    """Tell a callback of a run; return the epoch after which each fold was stopped.

    Args:
        subject: The callback.
        run: Where it is.
        histories: The epochs of each fold.
        before: Number of epochs that the first fold has already, as in a resumed run.
    """
    stops: list[int | None] = []
    with started_callbacks([_use(subject)], run) as named:
        callbacks = RunCallbacks(named=named)
        for history in histories:
            fold = history[0]["fold"]
            callbacks.on_fold_start(fold, history[:before])
            stopped = None
            for record in history[before:]:
                epoch = record["epoch"]
                for step in range(1, STEPS + 1):
                    if stopped is None and callbacks.on_step_end(
                        StepProgress(epoch, EPOCHS, step, STEPS, record["train_loss"], record["clips_per_second"])
                    ):
                        stopped = epoch
                if callbacks.judge_epoch(record) or stopped:
                    stopped = epoch
                callbacks.on_epoch_end(record)
                if stopped:
                    break
            callbacks.on_fold_end(fold, history[:stopped])
            stops.append(stopped)
            before = 0
    return stops


_TRENDS = (0.05, -0.05, 0.0, None)
"""How the validation changes with each epoch; None is a fold without a validation set."""


def _history(fold: int, trend: float | None, seconds: float = 1.0) -> Records:
    """Make the records of a fold."""
    records = []
    for epoch in range(1, EPOCHS + 1):
        value = None if trend is None else min(max(0.55 + trend * (epoch - 1), 0.0), 1.0)
        validation = {"val_loss": value if value is None else 1 - value, "val_accuracy": value, "val_auroc": value}
        train = {"train_loss": 1.0 / epoch, "train_accuracy": 0.5 + 0.04 * epoch}
        place: dict[str, Any] = {"fold": fold, "epoch": epoch, "phase": "all"}
        speed = {"lr": 1e-3, "seconds": seconds, "clips_per_second": 8.0 / seconds}
        records.append({**place, **train, **validation, **speed})
    return records
