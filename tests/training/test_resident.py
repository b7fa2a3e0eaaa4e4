"""Clips in GPU memory give the same batches as clips from disk, and move only if they fit."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from echokit.data.sampling.window_sampler import Window
from echokit.data.sampling.windows import PADDING
from echokit.training.batches import batch_sources as samples
from echokit.training.batches.batches import in_batches, read_batches, select_cases
from echokit.training.batches.gpu_clips import bytes_of, fits, make_resident

from .blobs import CASES, CPU, FOLD, Blobs, RecordingCallback, bits, train

SELECTED = np.array([3, 4, 7, 20, 21])


@pytest.mark.parametrize("frames", [2, 4, 8, 14])
def test_resident_clips_give_the_same_bits_as_reading(frames: int) -> None:
    clips = Blobs(CASES)
    windows = select_cases(Window(frames=frames, start="even", clips=2)(clips.lengths, "train", 1, 0), SELECTED)
    parts = in_batches(np.random.default_rng(0).permutation(len(windows)), 3)
    resident = make_resident(clips, SELECTED, CPU)
    pairs = zip(resident.batches(windows, parts), read_batches(clips, windows, parts, CPU), strict=True)
    for gathered, read in pairs:
        np.testing.assert_array_equal(gathered.rows, read.rows)
        for name in clips.channels:
            assert torch.equal(gathered.streams[name], read.streams[name]), name
            assert torch.equal(gathered.valid[name], read.valid[name]), name
            assert gathered.streams[name].stride() == read.streams[name].stride()
    assert (windows.frames == PADDING).any() == (frames > clips.lengths[SELECTED].min())


def test_size_is_computed_before_and_a_margin_stays_free() -> None:
    clips = Blobs(CASES)
    resident = make_resident(clips, SELECTED, CPU)
    size = sum(frames.numel() * frames.element_size() for frames in resident.frames.values())
    assert bytes_of(clips, SELECTED) == size
    assert fits(clips, SELECTED, 2 * size)
    assert not fits(clips, SELECTED, size)


def test_fold_begins_with_an_empty_cuda_cache(monkeypatch) -> None:
    """Freed clips of the fold before would otherwise count as used memory."""
    emptied: list[bool] = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(True))
    monkeypatch.setattr(samples, "free_bytes", lambda device: 0)
    source = samples.ClipSource(Blobs(CASES), Window(frames=6), FOLD, 0, torch.device("cuda"), RecordingCallback())
    for epoch in (3, 4, 5):
        source.train(epoch)
    assert len(emptied) == 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_clips_move_to_the_gpu_after_one_epoch_and_keep_the_bits(tmp_path, monkeypatch) -> None:
    options = {"device": torch.device("cuda"), "augment": (), "precision": "float32", "keep": "last"}
    callback = RecordingCallback()
    train(tmp_path / "moved", callback=callback, **options)
    cases = len(FOLD.train) + len(FOLD.val)
    assert any(str(cases) in warning and "GPU" in warning for warning in callback.warnings)
    assert len(callback.warnings) == 2  # and the cost of determinism
    monkeypatch.setattr(samples, "free_bytes", lambda device: 0)
    callback = RecordingCallback()
    train(tmp_path / "read", callback=callback, **options)
    assert len(callback.warnings) == 1
    assert bits(tmp_path / "moved") == bits(tmp_path / "read")
