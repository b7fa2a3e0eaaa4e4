"""A callback that stops a training stops it at the same place, with the same bits, however often it is interrupted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from echokit.system.checksums import checksum_problem
from echokit.system.stop_signals import Interrupted
from echokit.training.callback import StepProgress, Stop

from .blobs import RecordingCallback, Tiny, bits, train
from .test_longer import Shorter

STEPS = 5  # of an epoch
PHASES = [{"name": "head", "train": ["head"], "epochs": 2}, {"name": "all", "epochs": 2}]


class Stopping(RecordingCallback):
    """Stops after a step or after an epoch, and may be interrupted before."""

    def __init__(self, epoch: int, step: int | None = None, interrupted_at: int | None = None) -> None:
        super().__init__(interrupted_at)
        self.place = (epoch, step)
        self.judged: list[int] = []

    def on_step_end(self, progress: StepProgress) -> Stop | None:
        super().on_step_end(progress)
        return Stop("step: enough") if (progress.epoch, progress.step) == self.place else None

    def judge_epoch(self, record: Mapping[str, object]) -> Stop | None:
        assert "stopped" not in record
        self.judged.append(int(str(record["epoch"])))
        return Stop("epoch: enough") if (record["epoch"], None) == self.place else None


@pytest.mark.parametrize(("place", "at"), [((2, None), at) for at in range(1, 2 * STEPS)] + [((2, 3), 7), ((2, 3), 8)])
def test_an_interrupted_training_stops_with_the_same_bits(
    tmp_path: Path, place: tuple[int, int | None], at: int
) -> None:
    train(tmp_path / "whole", callback=Stopping(*place))
    with pytest.raises(Interrupted):
        train(tmp_path / "resumed", callback=Stopping(*place, interrupted_at=at))
    train(tmp_path / "resumed", resume=True, callback=Stopping(*place), model=Tiny(seed=99))
    assert bits(tmp_path / "resumed") == bits(tmp_path / "whole")
    _, history = bits(tmp_path / "whole")
    assert [record.get("stopped") for record in history] == [None, "step: enough" if place[1] else "epoch: enough"]
    assert not (tmp_path / "whole" / "last").exists()
    assert checksum_problem(tmp_path / "whole", "history.jsonl") is None


def test_a_step_ends_the_epoch_at_once_and_it_is_validated(tmp_path: Path) -> None:
    callback = Stopping(2, 3)
    result = train(tmp_path, callback=callback)
    assert len(callback.steps) == STEPS + 3
    assert callback.judged == [1, 2]
    assert result.history[-1]["val_loss"] is not None
    [warning] = [text for text in callback.warnings if "step: enough" in text]
    assert "epoch 2" in warning


@pytest.mark.parametrize(("epochs", "more"), [(3, 3), (3, 5), (2, 5)])
def test_a_stopped_training_is_not_continued_by_a_resume(tmp_path: Path, epochs: int, more: int) -> None:
    """Nor with more epochs, even if the stop came in the last one."""
    train(tmp_path, epochs=epochs, metadata={"recipe": "short"}, callback=Stopping(2))
    before = bits(tmp_path)
    longer = {"extends": Shorter({"epochs": epochs}).extends(tmp_path)} if more > epochs else {}
    callback = RecordingCallback()
    metadata = {"recipe": "long" if longer else "short"}
    train(tmp_path, epochs=more, resume=True, callback=callback, metadata=metadata, **longer)
    assert not callback.steps
    assert bits(tmp_path) == before
    assert checksum_problem(tmp_path, "history.jsonl") is None


@pytest.mark.parametrize(("epoch", "names"), [(1, ["head"]), (2, ["head", "head"]), (3, ["head", "head", "all"])])
def test_a_stop_ends_all_phases(tmp_path: Path, epoch: int, names: list[str]) -> None:
    result = train(tmp_path, epochs=4, phases=PHASES, callback=Stopping(epoch))
    assert [record["phase"] for record in result.history] == names
    callback = RecordingCallback()
    again = train(tmp_path, epochs=4, phases=PHASES, resume=True, callback=callback)
    assert (again.history, callback.steps) == (result.history, [])
