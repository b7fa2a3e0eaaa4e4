"""Damaged, exchanged and hostile files that echokit stores: weights and prepared clips."""

import json
import random
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch

from echokit import load_run
from echokit.cli import exit_code
from echokit.data.clips.clip_file import read_header
from echokit.data.clips.clip_store import ClipStore, steps_of
from echokit.errors import EchokitError
from echokit.models.weights.weight_files import load_weights, read_weights, save_tensors
from echokit.recipe.validate import load_recipe
from tests.slow.campaign import Campaign

pytestmark = pytest.mark.slow


def damages(whole: bytes, other: bytes, chance: random.Random) -> Iterator[tuple[str, bytes]]:
    """Give (name, damaged content) of a safetensors file: flips in head and data, cuts, and parts of another."""
    head = 8 + int.from_bytes(whole[:8], "little")
    for place in (*range(8), *chance.sample(range(8, head), 80), *chance.sample(range(head, len(whole)), 80)):
        bit = chance.randrange(8)
        yield f"bit {bit} of byte {place}", whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :]
    for length in (0, 1, 7, 8, 9, head - 1, head, head + 1, len(whole) - 1):
        yield f"cut to {length} bytes", whole[:length]
    yield "one byte more", whole + b"\0"
    yield "data of another file", whole[:head] + other[head:]
    yield "head of another file", other[:head] + whole[head:]
    yield "enormous head", (2**62).to_bytes(8, "little") + whole[8:]


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_damaged_weights(tmp_path: Path) -> None:
    campaign, chance = Campaign("damaged weights"), random.Random(0)
    paths = [tmp_path / "one.safetensors", tmp_path / "other.safetensors"]
    for seed, path in enumerate(paths):
        generator = torch.Generator().manual_seed(seed)
        tensors = {name: torch.randn(4, 30, generator=generator) for name in ("a.weight", "b.weight")}
        save_tensors(path, tensors, {"fold": seed, "history": {"patients": ["p1", "p2"], "known": True}})
    whole, other = (path.read_bytes() for path in paths)
    tensors, metadata = load_weights(paths[0])
    for name, content in damages(whole, other, chance):
        with campaign.attempt(name):
            paths[0].write_bytes(content)
            with suppress(EchokitError):
                read, facts = load_weights(paths[0])
                # A space of the head may become a tab; without echokit's name it is a file of unknown history.
                assert same(read, tensors)
                assert facts == metadata or "history" not in facts
    for name, edited in {
        "history removed": {"fold": 0},
        "patients removed": {"fold": 0, "history": {"patients": [], "known": True}},
        "fold changed": {**metadata, "fold": 1},
    }.items():
        with campaign.attempt(name):
            paths[0].write_bytes(whole.replace(*(_inside(content) for content in (metadata, edited))))
            with pytest.raises(EchokitError) as caught:
                load_weights(paths[0])
            assert caught.value.code in ("weights.damaged", "weights.unreadable")
    campaign.finish(at_least=180)


def _inside(metadata: dict[str, object]) -> bytes:
    """Give metadata as they stand in a head: JSON inside the text of a JSON file."""
    return json.dumps(json.dumps(metadata))[1:-1].encode()


class _Bomb:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return (eval, (f"open({str(self.target)!r}, 'w')", ""))


def test_hostile_weights_of_other_software(tmp_path: Path, tiny: Path) -> None:
    campaign, target = Campaign("hostile weights of other software"), tmp_path / "executed"
    contents: dict[str, object] = {
        "code": _Bomb(target),
        "code in a state dict": {"state_dict": {"a": _Bomb(target)}},
        "a list": [torch.zeros(2)],
        "a number": 5,
        "no tensors": {"state_dict": {}},
        "names that are numbers": {1: torch.zeros(2)},
        "texts": {"a": "b"},
        "not a number": {"fused.backbone.weight": torch.full((3,), float("nan"))},
        "nested deeply": _nested(60),
        "other shapes": {"head.weight": torch.zeros(7, 7, 7)},
        "a sparse tensor": {"head.weight": torch.eye(3).to_sparse()},
        "no values": {"head.weight": torch.zeros(2, device="meta")},
        "complex numbers": {"head.weight": torch.zeros(1, 2, dtype=torch.complex64)},
    }
    for ending in ("pt", "pth", "safetensors"):
        for name, content in contents.items():
            path = tmp_path / f"hostile.{ending}"
            torch.save(content, path)
            with campaign.attempt(f"{name} in .{ending}"):
                arguments = ["run", str(tiny), "--out", str(tmp_path / "runs"), "--set", f"model.weights={path}"]
                assert exit_code(arguments) == 2
                assert not target.exists()
    for name, data in {"a zip of zeros": b"PK\3\4" + bytes(99), "text": b"weights", "empty": b""}.items():
        with campaign.attempt(name):
            (tmp_path / "raw.pt").write_bytes(data)
            with pytest.raises(EchokitError):
                read_weights(tmp_path / "raw.pt")
    campaign.finish(at_least=39)


def _nested(depth: int) -> object:
    content: object = {"a": torch.zeros(1)}
    for _ in range(depth):
        content = {"state_dict": content}
    return content


def test_damaged_clips(tmp_path: Path, phantom: Path, tiny: Path) -> None:
    campaign, chance = Campaign("damaged prepared clips"), random.Random(1)
    store, steps = ClipStore(tmp_path / "store"), steps_of(load_recipe(tiny).preprocess)
    sources = [(path.stem, path) for path in sorted((phantom / "Videos").iterdir())[:2]]
    clips = store.prepare(sources, steps, workers=1).clips
    wholes = [path.read_bytes() for path in clips.paths]
    frames = [np.arange(length) for length in clips.lengths]
    before = [clips.read(case, frames[case])["video"][0].copy() for case in (0, 1)]
    for name, content in [*damages(wholes[0], wholes[1], chance), ("another clip", wholes[1])]:
        with campaign.attempt(name):
            clips.paths[0].write_bytes(content)
            header = read_header(clips.paths[0])
            assert header is None or header["key"] == clips.paths[0].stem
            after = store.prepare(sources, steps, verify=True, workers=1)
            assert (after.made, after.damaged) == (1, 1)
            assert clips.paths[0].read_bytes() == wholes[0]
        with campaign.attempt(f"{name}, in use"):
            clips.paths[0].write_bytes(content)
            np.testing.assert_array_equal(clips.read(0, frames[0])["video"][0], before[0])
    campaign.finish(at_least=340)


def test_weights_of_another_run_in_a_run(tmp_path: Path, tiny: Path) -> None:
    campaign = Campaign("exchanged weights of runs")
    runs = []
    for seed in (0, 1):
        out = tmp_path / str(seed)
        assert exit_code(["run", str(tiny), "--out", str(out), "--set", f"seed={seed}"]) == 0
        runs.append(load_run(out / "tiny"))
    weights = [run.fold(0) / "best" / "model.safetensors" for run in runs]
    video = str(next(Path(runs[0].lock.recipe.data.params["root"]).rglob("*.avi")))
    whole = weights[0].read_bytes()
    shutil.copy(weights[1], weights[0])
    for command in (["predict", str(runs[0].path), video], ["report", str(runs[0].path)]):
        with campaign.attempt(f"weights of another seed, {command[0]}"):
            assert exit_code(command) == (2 if command[0] == "predict" else 0)
    weights[0].write_bytes(whole)
    with campaign.attempt("weights restored"):
        assert exit_code(["predict", str(runs[0].path), video]) == 0
    campaign.finish(at_least=3)
