"""Batches are in real units, and norm statistics agree with numpy."""

from __future__ import annotations

import threading
from contextlib import nullcontext

import numpy as np
import pytest
import torch

from echokit.data.sampling.window_sampler import Window
from echokit.data.sampling.windows import PADDING, Windows
from echokit.training.batches.batches import batches, norm_statistics, select_cases
from tests.expect import refused

from .blobs import CASES, CPU, Blobs

WINDOWS = Window(frames=8, start="even", clips=2)(Blobs(CASES).lengths, "test", 0, 0)


def test_batches_hold_the_requested_windows_in_order():
    clips, order = Blobs(CASES), np.random.default_rng(0).permutation(len(WINDOWS))[:23]
    read = list(batches(clips, WINDOWS, order, 5, CPU))
    assert [len(batch.rows) for batch in read] == [5, 5, 5, 5, 3]
    samples = [(batch, i) for batch in read for i in range(len(batch.rows))]
    for position, (batch, i) in zip(order, samples, strict=True):
        case, frames = WINDOWS.case[position], WINDOWS.frames[position]
        assert batch.rows[i] == case
        real = frames != PADDING
        np.testing.assert_array_equal(batch.valid["video"][i], real)
        np.testing.assert_array_equal(batch.valid["flow"][i], real[:-1] & real[1:])
        for name, (data, scale) in clips.read(case, frames).items():
            assert batch.streams[name].dtype == torch.float32
            np.testing.assert_allclose(batch.streams[name][i], data.astype(np.float64) * scale, rtol=1e-6)
    assert any(not batch.valid["flow"].all() for batch in read)


def test_batches_are_copied_to_a_gpu_asynchronously(monkeypatch):
    """All tensors are in pinned memory and copied without waiting; no GPU is needed."""
    pinned: set[int] = set()
    sent: list[tuple[bool, bool]] = []

    def pin(tensor):
        pinned.add(tensor.data_ptr())
        return tensor

    def to(tensor, target, non_blocking=False):
        if target == torch.device("cuda"):
            sent.append((tensor.data_ptr() in pinned, non_blocking))
        return tensor if target == torch.device("cuda") else tensor.type(target)

    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    monkeypatch.setattr(torch.Tensor, "to", to)
    clips = Blobs(CASES)
    windows = Window(frames=6)(clips.lengths, "train", 0, 3)
    [batch] = batches(clips, windows, np.arange(4), 4, torch.device("cuda"))
    assert sent == [(True, True)] * 6  # data, scale and valid of two streams
    monkeypatch.undo()
    [on_cpu] = batches(clips, windows, np.arange(4), 4, torch.device("cpu"))
    assert all(torch.equal(batch.streams[name], on_cpu.streams[name]) for name in on_cpu.streams)


def test_no_windows_give_no_batches():
    assert list(batches(Blobs(4), WINDOWS, np.array([], np.int64), 5, CPU)) == []


def test_error_while_reading_is_raised_and_no_thread_remains():
    class Unreadable(Blobs):
        def read(self, case, frames):
            if case == 7:
                raise OSError("the disk is gone")
            return super().read(case, frames)

    before = set(threading.enumerate())
    with pytest.raises(OSError, match="the disk is gone"):
        list(batches(Unreadable(CASES), WINDOWS, np.arange(len(WINDOWS)), 4, CPU))
    abandoned = batches(Blobs(CASES), WINDOWS, np.arange(len(WINDOWS)), 4, CPU)
    next(abandoned)
    abandoned.close()
    assert set(threading.enumerate()) <= before


def test_of_cases_keeps_every_window_of_a_case():
    part = select_cases(WINDOWS, np.array([3, 1]))
    assert part.case.tolist() == [1, 1, 3, 3]
    np.testing.assert_array_equal(part.frames, WINDOWS.frames[[2, 3, 6, 7]])


def test_statistics_agree_with_numpy_without_padding():
    clips = Blobs(CASES)
    pixels: dict[str, list] = {"video": [], "flow": []}
    for case, frames in zip(WINDOWS.case, WINDOWS.frames, strict=True):
        steps = (frames != PADDING).sum()
        reads = clips.read(case, frames)
        pixels["video"].append(reads["video"][0][:, :steps].reshape(1, -1) * 1.0)
        pixels["flow"].append(reads["flow"][0][:, : steps - 1].reshape(2, -1) * reads["flow"][1])
    video, flow = (np.concatenate(pixels[name], 1) for name in ("video", "flow"))
    norms = norm_statistics(clips, WINDOWS)
    np.testing.assert_allclose(norms["video"].mean, video.mean(1), rtol=1e-12)
    np.testing.assert_allclose(norms["video"].std, video.std(1), rtol=1e-12)
    assert norms["flow"].mean == (0.0, 0.0)
    np.testing.assert_allclose(norms["flow"].std, np.sqrt((flow**2).mean(1)), rtol=1e-12)


def test_statistics_do_not_depend_on_the_order_of_the_cases():
    shuffled = np.random.default_rng(1).permutation(len(WINDOWS))
    turned = Windows(WINDOWS.case[shuffled], WINDOWS.frames[shuffled])
    assert norm_statistics(Blobs(CASES), turned) == norm_statistics(Blobs(CASES), WINDOWS)


def test_constant_clips_are_refused():
    clips = Blobs(4)
    for video in clips.videos:
        video[:] = 90
    with refused("norm.not_usable"):
        norm_statistics(clips, select_cases(WINDOWS, np.arange(4)))
