"""Windows stay inside their clip, pad only a tail, and depend on nothing but their own case."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echokit.data.sampling.window_sampler import Window
from echokit.data.sampling.windows import PADDING
from tests.expect import refused

lengths_ = st.lists(st.integers(1, 120), min_size=1, max_size=8).map(lambda v: np.array(v, np.int64))
splits_ = st.sampled_from(["train", "val", "test"])
samplers_ = st.builds(
    lambda frames, start, period, clips: Window(
        frames=frames, start=start, period=period, clips=clips if start in ("random", "even") else 1
    ),
    st.integers(1, 40),
    st.sampled_from(["first", "random", "even", "all"]),
    st.integers(1, 4),
    st.integers(1, 3),
)


@given(samplers_, lengths_, splits_, st.integers(0, 5), st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_every_window_lies_in_its_clip_and_pads_only_a_tail(sampler, lengths, split, epoch, seed):
    windows = sampler(lengths, split, epoch, seed)
    assert windows.frames.shape == (len(windows), sampler.frames)
    assert windows.case.dtype == windows.frames.dtype == np.int64
    assert set(windows.case) == set(range(len(lengths)))
    for case, frames in zip(windows.case, windows.frames, strict=True):
        real = frames != PADDING
        assert real[0]
        assert not np.any(real[1:] & ~real[:-1])
        kept = frames[real]
        assert kept.min() >= 0
        assert kept.max() < lengths[case]
        assert np.all(np.diff(kept) == sampler.period)
        if not real.all():  # padded only when the clip has no more frames to give
            assert lengths[case] < (sampler.frames - 1) * sampler.period + 1
            assert kept[-1] + sampler.period >= lengths[case]
            assert kept[0] == 0


@given(samplers_, lengths_, splits_, st.integers(0, 5), st.integers(0, 99), st.data())
@settings(max_examples=60, deadline=None)
def test_other_cases_do_not_change_a_window(sampler, lengths, split, epoch, seed, data):
    count = data.draw(st.integers(1, len(lengths)))
    whole, part = (sampler(v, split, epoch, seed) for v in (lengths, lengths[:count]))
    np.testing.assert_array_equal(whole.frames[whole.case < count], part.frames)
    np.testing.assert_array_equal(whole.case[whole.case < count], part.case)


@given(lengths_, st.integers(1, 30), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_all_covers_a_clip_without_overlap_up_to_a_short_rest(lengths, frames, period):
    windows = Window(frames=frames, start="all", period=period)(lengths, "test", 0, 0)
    for case, length in enumerate(lengths):
        used = windows.frames[windows.case == case]
        used = used[used != PADDING]
        assert len(set(used)) == len(used)
        assert length - used.max() - 1 < frames * period + period


def test_random_starts_reach_both_ends_and_change_with_epoch_and_seed():
    sampler = Window(frames=4, start="random")
    lengths = np.full(200, 7)
    draws = [sampler(lengths, "train", e, s).frames[:, 0] for e, s in [(1, 0), (2, 0), (1, 1)]]
    assert set(draws[0]) == {0, 1, 2, 3}
    assert not np.array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])
    np.testing.assert_array_equal(draws[0], sampler(lengths, "train", 1, 0).frames[:, 0])


@pytest.mark.parametrize("start", ["random", "even", "all"])
def test_validation_takes_the_centre_in_every_epoch(start):
    sampler = Window(frames=4, start=start)
    for epoch in (0, 3):
        assert sampler(np.array([10, 4, 2]), "val", epoch, epoch).frames.tolist() == [
            [3, 4, 5, 6], [0, 1, 2, 3], [0, 1, PADDING, PADDING],
        ]  # fmt: skip


def test_even_windows_reach_from_the_first_frame_to_the_last():
    windows = Window(frames=3, start="even", clips=3)(np.array([11]), "test", 0, 0)
    assert windows.frames.tolist() == [[0, 1, 2], [4, 5, 6], [8, 9, 10]]


@given(lengths_, st.sampled_from(["first", "random", "even"]), st.integers(1, 6), st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_test_clips_are_distinct_spread_and_the_same_every_time(lengths, start, count, epoch):
    sampler = Window(frames=8, start=start, period=2, test_clips=count)
    windows = sampler(lengths, "test", epoch, epoch)
    again = sampler(lengths, "test", 0, 0)
    np.testing.assert_array_equal(windows.frames, again.frames)
    for case, length in enumerate(lengths):
        first = windows.frames[windows.case == case, 0]
        latest = max(int(length) - 15, 0)
        assert len(first) == min(count, latest + 1)
        assert np.all(np.diff(first) > 0)
        assert (first[0], first[-1]) == ((0, latest) if len(first) > 1 else (first[0],) * 2)


def test_test_clips_leave_training_and_validation_alone():
    lengths = np.array([60, 20, 9])
    for start in ("first", "random", "even"):
        for split in ("train", "val"):
            one, other = (Window(frames=8, start=start, test_clips=n)(lengths, split, 3, 1) for n in (None, 5))
            np.testing.assert_array_equal(one.frames, other.frames)


def test_no_number_of_frames_takes_all_of_the_longest_clip():
    windows = Window(period=2)(np.array([5, 2]), "train", 0, 0)
    assert windows.frames.tolist() == [[0, 2, 4], [0, PADDING, PADDING]]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"start": "random"}, "window.start_without_frames"),
        ({"frames": 8, "clips": 2}, "window.clips_without_start"),
        ({"frames": 8, "clips": 2, "start": "all"}, "window.clips_without_start"),
        ({"test_clips": 3}, "window.test_clips_unused"),
        ({"frames": 8, "start": "all", "test_clips": 3}, "window.test_clips_unused"),
    ],
)
def test_contradicting_parameters_are_refused(wrong, code):
    with refused(code):
        Window(**wrong)


def test_a_window_in_seconds_has_the_frames_that_the_rate_gives():
    lengths = np.array([10, 90])
    for seconds, period in ((2.0, 1), (2.0, 2), (0.01, 1)):
        frames = max(1, round(seconds * 30 / period))
        by_time = Window(seconds=seconds, fps=30, period=period, start="random")
        np.testing.assert_array_equal(
            by_time(lengths, "train", 1, 2).frames,
            Window(frames=frames, period=period, start="random")(lengths, "train", 1, 2).frames,
        )


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"seconds": 2.0}, "window.seconds_without_fps"),
        ({"fps": 30.0}, "window.fps_without_seconds"),
        ({"seconds": 2.0, "fps": 30.0, "frames": 3}, "window.two_lengths"),
    ],
)
def test_seconds_come_with_a_rate_and_instead_of_frames(given, code):
    with refused(code):
        Window(**given)
