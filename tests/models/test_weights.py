"""Weight files: saved bit for bit, never corrupted by a kill, and read without running code."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from echokit.errors import EchokitError
from echokit.models.norm import Norm, read_norms
from echokit.models.weights.weight_files import digest_tensors, load_weights, read_weights, save_tensors
from tests.expect import refused


def small_model() -> nn.Module:
    return nn.Sequential(nn.Conv3d(3, 4, 3), nn.BatchNorm3d(4), nn.Flatten(), nn.Linear(4, 2))


def test_a_round_trip_keeps_every_bit_and_the_metadata(tmp_path: Path) -> None:
    model = small_model().to(memory_format=torch.channels_last_3d)
    metadata = {"mean": [1.5, 2.0], "names": {"π": None}, "epoch": 3}
    save_tensors(tmp_path / "new" / "w.safetensors", model.state_dict(), metadata)
    tensors, read = load_weights(tmp_path / "new" / "w.safetensors")
    assert read == metadata
    assert tensors.keys() == model.state_dict().keys()
    assert all(torch.equal(tensors[name], value) for name, value in model.state_dict().items())
    assert os.listdir(tmp_path / "new") == ["w.safetensors"]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int64, torch.bool, torch.uint8])
def test_dtypes_scalars_empty_and_tied_tensors_are_preserved(tmp_path: Path, dtype: torch.dtype) -> None:
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
        save_tensors(tmp_path / name, model.state_dict(), {"x": 1, "y": 2})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        ("empty", "weights.unreadable"),
        ("text", "weights.unreadable"),
        ("truncated", "weights.unreadable"),
        ("one bit", "weights.damaged"),
        ("pickle", "weights.unreadable"),
        ("directory", "weights.unreadable"),
        ("absent", "weights.not_found"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, damage: str, code: str) -> None:
    path = tmp_path / "w.safetensors"
    save_tensors(path, small_model().state_dict(), {})
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
    with refused(code, where=str(path)):
        load_weights(path)


def test_a_path_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with refused("weights.not_written", where="w.safetensors"):
        save_tensors(tmp_path / "file" / "w.safetensors", small_model().state_dict(), {})


def test_a_failed_save_keeps_the_old_file_and_leaves_nothing(tmp_path: Path) -> None:
    save_tensors(tmp_path / "w", small_model().state_dict(), {"old": True})
    with pytest.raises(ValueError, match="JSON"):
        save_tensors(tmp_path / "w", small_model().state_dict(), {"loss": float("nan")})
    assert load_weights(tmp_path / "w")[1] == {"old": True}
    assert os.listdir(tmp_path) == ["w"]


def test_state_dicts_are_found_in_nested_files(tmp_path: Path) -> None:
    """Including the layout of echonet/dynamic: data-parallel names, and a log of numpy numbers beside them."""
    wrapped = nn.DataParallel(small_model())
    for name, content in {
        "plain.pt": small_model().state_dict(),
        "echonet.pt": {
            "epoch": 44,
            "state_dict": wrapped.state_dict(),
            "best_loss": np.float64(18.2),
            "r2": np.float32(0.8),
            "opt_dict": torch.optim.SGD(wrapped.parameters(), 1e-4).state_dict(),
        },
        "zoo.pyth": {"model_state": small_model().state_dict()},
        "nested.ckpt": {"state_dict": {"model_state": small_model().state_dict()}},
    }.items():
        torch.save(content, tmp_path / name)
        tensors, metadata = read_weights(tmp_path / name)
        assert tensors.keys() == small_model().state_dict().keys(), name
        assert metadata == {}
    expected = wrapped.state_dict()["module.0.weight"]
    assert torch.equal(read_weights(tmp_path / "echonet.pt")[0]["0.weight"], expected)


@pytest.mark.parametrize("kind", ["sparse", "meta"])
def test_tensors_that_are_not_plain_are_refused(tmp_path: Path, kind: str) -> None:
    tensor = torch.eye(3).to_sparse() if kind == "sparse" else torch.zeros(3, device="meta")
    torch.save({"a": torch.zeros(2), "b": tensor}, tmp_path / "w.pt")
    with refused("weights.not_plain", where="w.pt", names=("'b'",)):
        read_weights(tmp_path / "w.pt")


class Bomb:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, ...]:
        return (os.mkdir, (str(self.folder),))


def test_a_pickle_that_would_run_code_is_refused_and_not_run(tmp_path: Path) -> None:
    path, folder = tmp_path / "w.pt", tmp_path / "ran"
    torch.save({"state_dict": small_model().state_dict(), "bomb": Bomb(folder)}, path)
    with refused("weights.runs_code", where=str(path), names=("posix.mkdir",)):
        read_weights(path)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        ("empty", "weights.unreadable"),
        ("text", "weights.unreadable"),
        ("truncated", "weights.unreadable"),
        ("absent", "weights.not_found"),
        ("directory", "weights.unreadable"),
        ("no tensors", "weights.no_state_dict"),
        ("a list", "weights.no_state_dict"),
    ],
)
def test_a_foreign_file_without_weights_is_refused(tmp_path: Path, damage: str, code: str) -> None:
    path = tmp_path / "w.pth"
    torch.save({"no tensors": {"epoch": 3}, "a list": [torch.ones(2)]}.get(damage, small_model().state_dict()), path)
    whole = path.read_bytes()
    if damage in ("absent", "directory"):
        path.unlink()
        if damage == "directory":
            path.mkdir()
    elif damage in ("empty", "text", "truncated"):
        path.write_bytes({"empty": b"", "text": b"hello", "truncated": whole[: len(whole) // 2]}[damage])
    with refused(code, where=str(path)):
        read_weights(path)


def test_the_digest_depends_on_the_values_not_on_the_file(tmp_path: Path) -> None:
    model = small_model()
    save_tensors(tmp_path / "a.safetensors", model.state_dict(), {"seed": 1})
    torch.save({"state_dict": model.state_dict()}, tmp_path / "b.pt")
    first, second = (digest_tensors(read_weights(tmp_path / name)[0]) for name in ("a.safetensors", "b.pt"))
    assert first == second == digest_tensors(model.to(memory_format=torch.channels_last_3d).state_dict())
    model.get_parameter("0.bias").data[0] += 1
    assert digest_tensors(model.state_dict()) != first


WRITER = """
import sys, torch
from pathlib import Path
from echokit.models.weights.weight_files import save_tensors
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


def test_the_data_parallel_prefix_is_removed_beside_counters(tmp_path: Path) -> None:
    average = torch.optim.swa_utils.AveragedModel(nn.Sequential(nn.Linear(2, 2)))
    torch.save(average.state_dict(), tmp_path / "average.pth")
    tensors, _ = read_weights(tmp_path / "average.pth")
    assert set(tensors) == {"n_averaged", "0.weight", "0.bias"}
    inner = {"module.weight": torch.zeros(1), "weight": torch.ones(1), "module.bias": torch.ones(1)}
    torch.save(inner, tmp_path / "inner.pth")
    assert set(read_weights(tmp_path / "inner.pth")[0]) == set(inner)


@pytest.mark.parametrize("content", [b"", b"hello world" * 100, b"\x80", b"1234", b"\x80\x02X", bytes(range(256))])
def test_arbitrary_bytes_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "junk.pth").write_bytes(content)
    with pytest.raises(EchokitError) as caught:
        read_weights(tmp_path / "junk.pth")
    assert caught.value.code in ("weights.unreadable", "weights.runs_code")
    assert caught.value.where == str(tmp_path / "junk.pth")


def write_safetensors(path: Path, metadata: str) -> None:
    """Write a file of one tensor with any text as echokit's metadata."""
    tensor = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    header = json.dumps({"__metadata__": {"echokit": metadata}, "a": tensor}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))


@pytest.mark.parametrize(
    "metadata",
    [
        "[" * 200_000,
        '{"metadata":' * 200_000,
        '{"metadata": {}, "crc32": ' + "9" * 5000 + "}",
        '{"metadata": null, "crc32": 0}',
        '{"metadata": [1], "crc32": 0}',
        '{"metadata": {}}',
        "[]",
        "7",
        "",
        "\0",
    ],
    ids=range(10),
)
def test_metadata_of_any_shape_is_refused(metadata: str, tmp_path: Path) -> None:
    write_safetensors(tmp_path / "a.safetensors", metadata)
    with refused("weights.damaged", "a.safetensors"):
        load_weights(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    "norms",
    [
        None,
        "text",
        [],
        {"video": None},
        {"video": {"mean": [1.0]}},
        {"video": {"mean": [1.0], "std": []}},
        {"video": {"mean": ["x"], "std": [1.0]}},
        {"video": {"mean": 1.0, "std": 1.0}},
        {"video": [[1.0], [1.0]]},
    ],
    ids=range(9),
)
def test_weights_without_usable_norms_are_refused(norms: object) -> None:
    with refused("weights.bad_norms", "a.safetensors"):
        read_norms(norms, "a.safetensors")


def test_norms_of_weights_are_read() -> None:
    assert read_norms({"video": {"mean": [1], "std": [2.5]}}, "a") == {"video": Norm((1.0,), (2.5,))}
