"""Batches hold what was read, in real units; statistics are those of numpy over what is not padding."""

from __future__ import annotations

import threading
from contextlib import nullcontext

import numpy as np
import pytest
import torch

from echokit.errors import DataError
from echokit.sampling.window import Window
from echokit.sampling.windows import PADDING, Windows
from echokit.training.data import batches, norm_statistics, of_cases

from .blobs import CASES, Blobs

CPU = torch.device("cpu")
WINDOWS = Window(frames=8, start="even", clips=2)(Blobs(CASES).lengths, "test", 0, 0)


def test_batches_hold_what_was_read_in_the_order_asked_for():
    clips, order = Blobs(CASES), np.random.default_rng(0).permutation(len(WINDOWS))[:23]
    got = list(batches(clips, WINDOWS, order, 5, CPU))
    assert [len(batch.rows) for batch in got] == [5, 5, 5, 5, 3]
    samples = [(batch, i) for batch in got for i in range(len(batch.rows))]
    for position, (batch, i) in zip(order, samples, strict=True):
        case, frames = WINDOWS.case[position], WINDOWS.frames[position]
        assert batch.rows[i] == case
        real = frames != PADDING
        np.testing.assert_array_equal(batch.valid["video"][i], real)
        np.testing.assert_array_equal(batch.valid["flow"][i], real[:-1] & real[1:])
        for name, (data, scale) in clips.read(case, frames).items():
            assert batch.streams[name].dtype == torch.float32
            np.testing.assert_allclose(batch.streams[name][i], data.astype(np.float64) * scale, rtol=1e-6)
    assert any(not batch.valid["flow"].all() for batch in got)


def test_nothing_of_a_batch_is_sent_to_a_gpu_so_that_the_cpu_has_to_wait(monkeypatch):
    """All of it lies in pinned memory and is copied without a wait; the GPU itself is left out."""
    pinned: set[int] = set()
    sent: list[tuple[bool, bool]] = []

    def pin(tensor):
        pinned.add(tensor.data_ptr())
        return tensor

    def to(tensor, where, non_blocking=False):
        if where == torch.device("cuda"):
            sent.append((tensor.data_ptr() in pinned, non_blocking))
        return tensor if where == torch.device("cuda") else tensor.type(where)

    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    monkeypatch.setattr(torch.Tensor, "to", to)
    clips = Blobs(CASES)
    windows = Window(frames=6)(clips.lengths, "train", 0, 3)
    [batch] = batches(clips, windows, np.arange(4), 4, torch.device("cuda"))
    assert sent == [(True, True)] * 6  # data, scale and valid of two streams
    monkeypatch.undo()
    [here] = batches(clips, windows, np.arange(4), 4, torch.device("cpu"))
    assert all(torch.equal(batch.streams[name], here.streams[name]) for name in here.streams)


def test_no_windows_give_no_batches():
    assert list(batches(Blobs(4), WINDOWS, np.array([], np.int64), 5, CPU)) == []


def test_an_error_while_reading_reaches_the_caller_and_no_thread_stays():
    class Unreadable(Blobs):
        def read(self, case, frames):
            if case == 7:
                raise OSError("the disk is gone")
            return super().read(case, frames)

    with pytest.raises(OSError, match="the disk is gone"):
        list(batches(Unreadable(CASES), WINDOWS, np.arange(len(WINDOWS)), 4, CPU))
    abandoned = batches(Blobs(CASES), WINDOWS, np.arange(len(WINDOWS)), 4, CPU)
    next(abandoned)
    abandoned.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("echokit-read")]


def test_of_cases_keeps_every_window_of_a_case():
    part = of_cases(WINDOWS, np.array([3, 1]))
    assert part.case.tolist() == [1, 1, 3, 3]
    np.testing.assert_array_equal(part.frames, WINDOWS.frames[[2, 3, 6, 7]])


def test_statistics_are_those_of_numpy_without_the_padding():
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


def test_clips_that_never_change_are_refused():
    clips = Blobs(4)
    for video in clips.videos:
        video[:] = 90
    with pytest.raises(DataError, match="normalised"):
        norm_statistics(clips, of_cases(WINDOWS, np.arange(4)))
