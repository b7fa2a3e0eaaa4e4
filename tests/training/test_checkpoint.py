"""A checkpoint is the old one or the new one, wherever the writer is killed."""

from __future__ import annotations

import os
import shutil

import pytest
import torch
from torch import nn

from echokit.training.checkpoints.checkpoint_files import (
    MODEL,
    OPTIMIZER,
    find_checkpoint,
    load_state,
    load_tensors,
    remove_checkpoint,
    save_checkpoint,
)
from tests.expect import refused


class CutOffError(BaseException):
    """Simulates a kill: echokit does not catch it."""


def save(directory, number):
    model = nn.Linear(2, 2)
    nn.init.constant_(model.weight, number)
    optimizer = {"mean": torch.full((3,), float(number))}
    save_checkpoint(
        directory, "last", model=model.state_dict(), state={"n": number}, metadata={"n": number}, optimizer=optimizer
    )


def number_of(directory):
    """Read the number of a checkpoint, on which all of its files must agree."""
    checkpoint = find_checkpoint(directory, "last")
    if checkpoint is None:
        return None
    numbers = {
        load_state(checkpoint)["n"],
        int(load_tensors(checkpoint, MODEL)["weight"][0, 0]),
        int(load_tensors(checkpoint, OPTIMIZER)["mean"][0]),
    }
    assert len(numbers) == 1
    return numbers.pop()


OPERATIONS = [(os, "fsync"), (os, "rename"), (os, "replace"), (shutil, "rmtree")]


@pytest.mark.parametrize("work", ["save", "remove"])
def test_kill_at_any_file_operation_leaves_a_checkpoint(tmp_path, monkeypatch, work):
    cut_at, seen = 0, set()
    while True:
        cut_at += 1
        directory = tmp_path / str(cut_at)
        save(directory, 1)
        calls = []

        def cutting(original, calls=calls, cut_at=cut_at):
            def operation(*arguments, **options):
                calls.append(original)
                if len(calls) == cut_at:
                    if original.__name__ == "rmtree" and os.path.isdir(arguments[0]):  # killed half way
                        os.unlink(os.path.join(arguments[0], sorted(os.listdir(arguments[0]))[0]))
                    raise CutOffError
                return original(*arguments, **options)

            return operation

        with monkeypatch.context() as patch:
            for module, name in OPERATIONS:
                patch.setattr(module, name, cutting(getattr(module, name)))
            try:
                save(directory, 2) if work == "save" else remove_checkpoint(directory, "last")
                done = True
            except CutOffError:
                done = False
        after = number_of(directory)
        assert after in ((1, 2) if work == "save" else (1, None))
        seen.add(after)
        if done:
            assert after == (2 if work == "save" else None)
            break
        save(directory, 3)  # and the next one can be written
        assert number_of(directory) == 3
        assert [path.name for path in directory.iterdir()] == ["last"]
    assert cut_at > (8 if work == "save" else 2)
    assert seen == ({1, 2} if work == "save" else {1, None})


def test_disk_error_is_reported(tmp_path):
    (tmp_path / "file").write_text("no directory")
    with refused("checkpoint.not_written"):
        save(tmp_path / "file", 1)


def test_state_that_is_not_json_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        save_checkpoint(tmp_path, "best", model={}, state={"loss": float("nan")}, metadata={})
    assert find_checkpoint(tmp_path, "best") is None
