"""Progress lines of training on a pipe."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from echokit.cli import screen as console
from echokit.cli.screen import Screen
from echokit.training.callback import StepProgress


def test_remaining_time_is_that_of_the_current_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 60.0, 120.0, 1000.0, 1060.0])
    monkeypatch.setattr(console, "SECONDS_PER_LINE", -1.0)
    monkeypatch.setattr(console.time, "monotonic", lambda: next(clock))
    out = io.StringIO()
    screen = Screen(Console(file=out, width=200))
    for step in (1, 2, 3):  # one minute each
        screen.on_step_end(StepProgress(1, 1, step, 4, 0.5, 1.0))
    for step in (1, 2):  # of the next fold
        screen.on_step_end(StepProgress(1, 1, step, 4, 0.5, 1.0))
    ends = [line.rpartition("clips/s")[2].strip() for line in out.getvalue().splitlines()]
    assert ends == [
        "",
        "2.0 min left of this training",
        "1.0 min left of this training",
        "",
        "2.0 min left of this training",
    ]


def test_validation_is_omitted_if_there_is_none() -> None:
    out = io.StringIO()
    screen = Screen(Console(file=out, width=200))
    record = {
        "fold": 0,
        "epoch": 1,
        "seconds": 60.0,
        "train_loss": 0.5,
        "train_accuracy": 0.75,
        "clips_per_second": 2.0,
    }
    screen.on_epoch_end({**record, "val_loss": None, "val_accuracy": None, "val_auroc": None})
    screen.on_epoch_end({**record, "val_loss": 0.25, "val_accuracy": 1.0, "val_auroc": None})
    assert out.getvalue().splitlines() == [
        "fold 0 epoch 1: loss 0.500, accuracy 0.750; 2.000 clips/s",
        "fold 0 epoch 1: loss 0.500, accuracy 0.750; validation loss 0.250, accuracy 1.000, AUROC undefined; "
        "2.000 clips/s",
    ]
