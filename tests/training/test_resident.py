"""Clips in the memory of a GPU give the batches that reading them gives, and only move where they fit."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from echokit.sampling.window import Window
from echokit.sampling.windows import PADDING
from echokit.training import samples
from echokit.training.data import in_batches, of_cases, read_batches
from echokit.training.resident import bytes_of, fits, make_resident

from .blobs import CASES, FOLD, Blobs, train
from .test_loop import Remembering, bits

CPU = torch.device("cpu")
HERE = np.array([3, 4, 7, 20, 21])


@pytest.mark.parametrize("frames", [2, 4, 8, 14])
def test_resident_clips_give_the_bits_that_reading_gives(frames: int) -> None:
    clips = Blobs(CASES)
    windows = of_cases(Window(frames=frames, start="even", clips=2)(clips.lengths, "train", 1, 0), HERE)
    parts = in_batches(np.random.default_rng(0).permutation(len(windows)), 3)
    resident = make_resident(clips, HERE, CPU)
    pairs = zip(resident.batches(windows, parts), read_batches(clips, windows, parts, CPU), strict=True)
    for ours, read in pairs:
        np.testing.assert_array_equal(ours.rows, read.rows)
        for name in clips.channels:
            assert torch.equal(ours.streams[name], read.streams[name]), name
            assert torch.equal(ours.valid[name], read.valid[name]), name
            assert ours.streams[name].stride() == read.streams[name].stride()
    assert (windows.frames == PADDING).any() == (frames > clips.lengths[HERE].min())


def test_their_size_is_known_before_and_a_margin_is_kept() -> None:
    clips = Blobs(CASES)
    resident = make_resident(clips, HERE, CPU)
    size = sum(frames.numel() * frames.element_size() for frames in resident.frames.values())
    assert bytes_of(clips, HERE) == size
    assert fits(clips, HERE, 2 * size)
    assert not fits(clips, HERE, size)


def test_a_fold_begins_without_what_torch_keeps_of_the_one_before(monkeypatch) -> None:
    """Else the clips of that fold, freed but kept, count as taken, and those of this one do not find room."""
    emptied: list[bool] = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(True))
    monkeypatch.setattr(samples, "free_bytes", lambda device: 0)
    source = samples.ClipSource(Blobs(CASES), Window(frames=6), FOLD, 0, torch.device("cuda"), Remembering())
    for epoch in (3, 4, 5):
        source.train(epoch)
    assert len(emptied) == 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_on_a_gpu_clips_move_after_the_first_epoch_and_change_no_bit(tmp_path, monkeypatch) -> None:
    options = {"device": torch.device("cuda"), "augment": (), "precision": "float32", "keep": "last"}
    watch = Remembering()
    train(tmp_path / "moved", watch=watch, **options)
    cases = len(FOLD.train) + len(FOLD.val)
    assert any(f"all {cases} clips of the fold" in note and "GPU" in note for note in watch.notes)
    assert any(note.startswith("deterministic: a training step takes") for note in watch.notes)
    monkeypatch.setattr(samples, "free_bytes", lambda device: 0)
    watch = Remembering()
    train(tmp_path / "read", watch=watch, **options)
    assert not any("clips of the fold" in note for note in watch.notes)
    assert bits(tmp_path / "moved") == bits(tmp_path / "read")
