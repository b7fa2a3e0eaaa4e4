"""Weights survive the disk bit for bit, a kill never corrupts them, and nothing partial is silent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from echokit.errors import EchokitError
from echokit.models.weights import apply_weights, load_weights, save_tensors, save_weights


def small_model() -> nn.Module:
    return nn.Sequential(nn.Conv3d(3, 4, 3), nn.BatchNorm3d(4), nn.Flatten(), nn.Linear(4, 2))


def test_a_round_trip_keeps_every_bit_and_the_metadata(tmp_path: Path) -> None:
    model = small_model().to(memory_format=torch.channels_last_3d)
    metadata = {"mean": [1.5, 2.0], "names": {"π": None}, "epoch": 3}
    save_weights(tmp_path / "new" / "w.safetensors", model, metadata)
    tensors, read = load_weights(tmp_path / "new" / "w.safetensors")
    assert read == metadata
    assert tensors.keys() == model.state_dict().keys()
    assert all(torch.equal(tensors[name], value) for name, value in model.state_dict().items())
    assert os.listdir(tmp_path / "new") == ["w.safetensors"]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int64, torch.bool, torch.uint8])
def test_dtypes_scalars_empty_and_tied_tensors_survive(tmp_path: Path, dtype: torch.dtype) -> None:
    tied = torch.ones(3).to(dtype)
    tensors = {
        "a": tied,
        "b": tied,
        "scalar": torch.tensor(1).to(dtype),
        "empty": torch.zeros(0, 2).to(dtype),
    }
    save_tensors(tmp_path / "w", tensors, {})
    read, metadata = load_weights(tmp_path / "w")
    assert metadata == {}
    assert all(read[name].dtype == dtype and torch.equal(read[name], tensors[name]) for name in tensors)


def test_the_same_weights_give_the_same_file(tmp_path: Path) -> None:
    model = small_model()
    for name in ("a", "b"):
        save_weights(tmp_path / name, model, {"x": 1, "y": 2})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("damage", ["empty", "text", "truncated", "one bit", "pickle", "directory", "absent"])
def test_a_damaged_file_is_an_error_for_the_user(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(path, small_model(), {})
    whole = path.read_bytes()
    if damage == "pickle":
        torch.save(small_model().state_dict(), path)
    elif damage in ("directory", "absent"):
        path.unlink()
        if damage == "directory":
            path.mkdir()
    else:
        flipped = whole[:-5] + bytes([whole[-5] ^ 1]) + whole[-4:]
        path.write_bytes({"empty": b"", "text": b"hello", "truncated": whole[:-9], "one bit": flipped}[damage])
    with pytest.raises(EchokitError) as caught:
        load_weights(path)
    assert caught.value.where == str(path)


def test_a_place_that_can_not_be_written_is_an_error_for_the_user(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EchokitError, match="can not be written"):
        save_weights(tmp_path / "file" / "w.safetensors", small_model(), {})


def test_a_failed_save_keeps_the_old_file_and_leaves_nothing(tmp_path: Path) -> None:
    save_weights(tmp_path / "w", small_model(), {"old": True})
    with pytest.raises(ValueError, match="JSON"):
        save_weights(tmp_path / "w", small_model(), {"loss": float("nan")})
    assert load_weights(tmp_path / "w")[1] == {"old": True}
    assert os.listdir(tmp_path) == ["w"]


def test_apply_loads_all_of_a_matching_file() -> None:
    source, target = small_model(), small_model()
    report = apply_weights(target, source.state_dict())
    assert report.complete
    assert set(report.loaded) == set(source.state_dict())
    assert all(torch.equal(target.state_dict()[name], value) for name, value in source.state_dict().items())


def test_apply_says_what_became_of_every_tensor() -> None:
    tensors = {**small_model().state_dict(), "extra": torch.zeros(1)}
    del tensors["1.bias"]
    grey = nn.Sequential(nn.Conv3d(1, 4, 3), nn.BatchNorm3d(4), nn.Flatten(), nn.Linear(4, 1))
    before = {name: value.clone() for name, value in grey.state_dict().items()}
    report = apply_weights(grey, tensors)
    assert set(report.adapted) == {"0.weight"}
    assert set(report.skipped) == {"3.weight", "3.bias", "extra"}
    assert report.missing == ("1.bias",)
    assert not report.complete
    assert set(report.loaded) == {
        "0.bias",
        "1.weight",
        "1.running_mean",
        "1.running_var",
        "1.num_batches_tracked",
    }
    assert torch.equal(grey.state_dict()["3.weight"], before["3.weight"])
    for name in ("0.weight", "3.weight", "extra", "1.bias"):
        assert name in str(report)


@pytest.mark.parametrize("channels", [1, 2])
def test_an_adapted_convolution_answers_as_if_the_grey_were_every_channel(channels: int) -> None:
    source, target = nn.Conv3d(3, 4, 3), nn.Conv3d(channels, 4, 3)
    apply_weights(target, source.state_dict())
    grey = torch.rand(2, 1, 4, 5, 5)
    same = target(grey.expand(-1, channels, -1, -1, -1))
    torch.testing.assert_close(same, source(grey.expand(-1, 3, -1, -1, -1)))


def test_weights_of_another_model_are_refused() -> None:
    with pytest.raises(EchokitError, match="not one tensor"):
        apply_weights(small_model(), {"body.weight": torch.zeros(1)})


WRITER = """
import sys, torch
from pathlib import Path
from echokit.models.weights import save_tensors
path, step = Path(sys.argv[1]), 0
while True:
    step += 1
    save_tensors(path, {"a": torch.full((1_000_000,), float(step))}, {"step": step})
    print(step, flush=True)
"""


@pytest.mark.slow
def test_a_killed_writer_never_corrupts(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    for delay in (0.0, 0.003, 0.007, 0.011):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline()
            time.sleep(delay)
            writer.send_signal(signal.SIGKILL)
        tensors, metadata = load_weights(path)
        assert torch.equal(tensors["a"], torch.full((1_000_000,), float(metadata["step"])))
