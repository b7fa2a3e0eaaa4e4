"""A training that is stopped anywhere and resumed gives the same bits as one that was never stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from echokit.errors import EchokitError
from echokit.system.stop_signals import Interrupted
from tests.expect import refused

from .blobs import CASES, FOLD, Blobs, RecordingCallback, Tiny, bits, train

STEPS = 5  # of an epoch: 18 training cases in batches of 4, the last of 2
DAMAGED = ("checkpoint.damaged", "weights.damaged", "weights.not_found", "weights.unreadable")


@pytest.fixture(scope="module")
def never_stopped(tmp_path_factory) -> tuple[dict[str, bytes], list[dict]]:
    directory = tmp_path_factory.mktemp("whole")
    train(directory, keep="last")
    return bits(directory)


@pytest.mark.parametrize("at", range(1, 3 * STEPS + 1))
def test_resume_after_a_stop_at_any_step_gives_the_same_bits(tmp_path, never_stopped, at):
    with pytest.raises(Interrupted) as stopped:
        train(tmp_path, keep="last", callback=RecordingCallback(at))
    assert stopped.value.exit_code == 130
    callback = RecordingCallback()
    train(tmp_path, keep="last", resume=True, callback=callback, model=Tiny(seed=99))
    assert len(callback.steps) == 3 * STEPS - at
    assert bits(tmp_path) == never_stopped
    assert (tmp_path / "last").exists()  # more epochs can follow


def test_resume_after_two_stops_in_one_epoch_gives_the_same_bits(tmp_path, never_stopped):
    for resume, at in ((False, 6), (True, 2)):
        with pytest.raises(Interrupted):
            train(tmp_path, keep="last", resume=resume, callback=RecordingCallback(at, signal.SIGTERM))
    train(tmp_path, keep="last", resume=True)
    assert bits(tmp_path) == never_stopped


def test_signal_during_validation_stops_the_training(tmp_path):
    class Signalling(Blobs):
        def read(self, case, frames):
            if case == FOLD.val[0]:
                os.kill(os.getpid(), signal.SIGTERM)
            return super().read(case, frames)

    train(tmp_path / "whole")
    with pytest.raises(Interrupted) as stopped:
        train(tmp_path / "stopped", clips=Signalling(CASES))
    assert stopped.value.exit_code == 143
    train(tmp_path / "stopped", resume=True)
    assert bits(tmp_path / "stopped") == bits(tmp_path / "whole")


def test_signal_after_the_last_step_stops_a_finished_fold(tmp_path, never_stopped):
    with pytest.raises(Interrupted):
        train(tmp_path, keep="last", callback=RecordingCallback(3, after="epoch"))
    assert bits(tmp_path) == never_stopped


def test_resume_of_a_finished_training_runs_no_step(tmp_path):
    first, again = Tiny(), Tiny(seed=5)
    done = train(tmp_path, model=first)
    callback = RecordingCallback()
    result = train(tmp_path, model=again, resume=True, callback=callback)
    assert not callback.steps
    assert result == done
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))


@pytest.mark.parametrize("call", [2, 9, 17])
def test_killed_training_resumes_with_the_same_bits(tmp_path, never_stopped, call):
    code = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from pathlib import Path
from training.blobs import train
sync, calls = os.fsync, []
def kill_or_sync(descriptor):
    calls.append(descriptor)
    if len(calls) == {call}:
        os.kill(os.getpid(), signal.SIGKILL)
    sync(descriptor)
os.fsync = kill_or_sync
train(Path({str(tmp_path)!r}), keep="last")
"""
    child = subprocess.run([sys.executable, "-c", code], env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False)
    assert child.returncode == -signal.SIGKILL
    train(tmp_path, keep="last", resume=True)
    assert bits(tmp_path) == never_stopped


def test_earlier_training_is_not_overwritten(tmp_path):
    with pytest.raises(Interrupted):
        train(tmp_path, callback=RecordingCallback(7))
    with refused("fold.already_trained", where=str(tmp_path)):
        train(tmp_path)


@pytest.mark.parametrize(
    ("change", "named"), [({"seed": 8}, "seed"), ({"epochs": 4}, "settings"), ({"metadata": {}}, "metadata")]
)
@pytest.mark.parametrize("finished", [True, False])
def test_resume_refuses_the_checkpoint_of_another_training(tmp_path, change, named, finished):
    if finished:
        train(tmp_path)
    else:
        with pytest.raises(Interrupted):
            train(tmp_path, callback=RecordingCallback(3))
    with refused("checkpoint.other_training") as error:
        train(tmp_path, resume=True, **change)
    assert named in error.value.message


@pytest.mark.parametrize("file", ["model.safetensors", "optimizer.safetensors", "state.json"])
@pytest.mark.parametrize("how", ["cut", "flipped", "missing"])
def test_damaged_checkpoint_is_refused(tmp_path, file, how):
    with pytest.raises(Interrupted):
        train(tmp_path, callback=RecordingCallback(3))
    path = tmp_path / "last" / file
    content = bytearray(path.read_bytes())
    if how == "missing":
        path.unlink()
    elif how == "cut":
        path.write_bytes(content[: len(content) // 2])
    else:
        content[-20] ^= 1
        path.write_bytes(content)
    with pytest.raises(EchokitError) as error:
        train(tmp_path, resume=True)
    assert error.value.code in DAMAGED


def test_no_file_is_a_pickle(tmp_path):
    with pytest.raises(Interrupted):
        train(tmp_path, callback=RecordingCallback(8))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".safetensors", ".json", ".jsonl"}
    assert len(files) == 6
    for path in files:
        content = path.read_bytes()
        if path.suffix == ".safetensors":
            content = content[8 : 8 + int.from_bytes(content[:8], "little")]  # the header, which is JSON
        for text in content.splitlines() if path.suffix == ".jsonl" else [content]:
            json.loads(text)


EVERYTHING = {
    "optimizer": {"use": "sgd", "lr": 0.02, "momentum": 0.9}, "schedule": {"use": "cosine", "unit": "step"},
    "ema": {"decay": 0.9}, "accumulate": 2, "batch_size": 2, "layer_decay": 0.8,
    "l1": {"strength": 1e-4}, "early_stop": {"patience": 3},
}  # fmt: skip


OPTIMIZERS = ("sgd", "lamb", "lion", "adan", "muon", "nadam", "rprop", "nesterovw", "madgrad", "radam")


@pytest.mark.parametrize("use", OPTIMIZERS)
def test_every_kind_of_optimizer_resumes_with_the_same_bits(tmp_path, use):
    changes = {"optimizer": {"use": use, "lr": 0.01}, "epochs": 2, "keep": "last"}
    train(tmp_path / "whole", **changes)
    with pytest.raises(Interrupted):
        train(tmp_path / "stopped", callback=RecordingCallback(7), **changes)
    train(tmp_path / "stopped", resume=True, model=Tiny(seed=9), **changes)
    assert bits(tmp_path / "stopped") == bits(tmp_path / "whole")


@pytest.mark.parametrize("changes", [EVERYTHING, {**EVERYTHING, "optimizer": {"use": "lamb", "lr": 0.02}}])
@pytest.mark.parametrize("at", [1, 5, 7, 12])
def test_all_settings_together_resume_with_the_same_bits(tmp_path, changes, at):
    train(tmp_path / "whole", **changes)
    with pytest.raises(Interrupted):
        train(tmp_path / "stopped", callback=RecordingCallback(at), **changes)
    train(tmp_path / "stopped", resume=True, model=Tiny(seed=9), **changes)
    assert bits(tmp_path / "stopped") == bits(tmp_path / "whole")
