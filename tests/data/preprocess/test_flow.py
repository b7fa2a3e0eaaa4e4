from __future__ import annotations

import subprocess
import sys
import textwrap

import numpy as np
import pytest

from echokit.data.preprocess.flow_estimation import Method, flow_fields
from echokit.data.preprocess.optical_flow import OpticalFlow
from echokit.data.video.clip import Clip

from .make import blobs


@pytest.mark.parametrize("method", ["farneback", "dis"])
def test_the_direction_and_length_of_motion(method: Method) -> None:
    import cv2

    texture = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (120, 120)).astype(np.uint8), (0, 0), 3)
    texture = cv2.normalize(texture, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    # The picture moves 2 to the right and 1 down with each frame.
    frames = np.stack([texture[20 - t : 100 - t, 30 - 2 * t : 110 - 2 * t] for t in range(4)])
    stream = OpticalFlow(method=method)(Clip(frames)).streams["flow"]
    assert stream.data.shape == (2, 3, 80, 80)
    right, down = (stream.data * stream.scale)[:, :, 20:-20, 20:-20].mean(axis=(1, 2, 3))
    assert right == pytest.approx(2, abs=0.2)
    assert down == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("method", ["farneback", "dis"])
def test_the_stored_flow_is_off_by_half_a_step_at_most(method: Method) -> None:
    frames = blobs(8, 64, 64)
    real = np.stack(list(flow_fields(frames, method))).transpose(3, 0, 1, 2)
    stream = OpticalFlow(method=method)(Clip(frames)).streams["flow"]
    assert np.abs(stream.data * stream.scale - real).max() <= stream.scale * 0.5001
    assert np.abs(stream.data).max() == 127
    assert stream.scale == pytest.approx(np.abs(real).max() / 127)


def test_one_frame_has_an_empty_flow_and_a_note() -> None:
    clip = OpticalFlow()(Clip(blobs(1, 32, 40)))
    assert clip.streams["flow"].data.shape == (2, 0, 32, 40)
    assert clip.notes == ("a clip of one frame has no optical flow",)


def test_a_still_clip_has_no_motion() -> None:
    stream = OpticalFlow()(Clip(np.repeat(blobs(1, 32, 40), 3, axis=0))).streams["flow"]
    assert np.abs(stream.data * stream.scale).max() < 0.01  # Farneback's own rounding
    black = OpticalFlow()(Clip(np.zeros((3, 32, 40), np.uint8))).streams["flow"]
    assert not black.data.any()
    assert black.scale == 1.0


def test_a_pair_of_frames_does_not_depend_on_the_pairs_before() -> None:
    frames = blobs(6, 64, 64)
    for method in ("farneback", "dis"):
        whole = list(flow_fields(frames, method))  # type: ignore[arg-type]
        alone = list(flow_fields(frames[4:], method))  # type: ignore[arg-type]
        np.testing.assert_array_equal(whole[-1], alone[-1])


SHAPES = """
    import sys
    import cv2, numpy as np
    from echokit.data.preprocess.flow_estimation import flow_fields
    from echokit.data.preprocess.motion_mask import MotionMask
    sides = (1, 2, 7, 8, 12, 15, 16, 17, 24, 28, 31, 32, 33, 48, 49, 56, 64, 90, 112, 208, 640, 1500)
    rng = np.random.default_rng(0)
    for height in sides:
        for width in sides:
            if height * width <= 200_000:
                frames = rng.integers(0, 255, (3, height, width), dtype=np.uint8)
                for method in ("farneback", "dis"):
                    for field in flow_fields(frames, method):
                        assert field.shape == (height, width, 2) and np.isfinite(field).all(), (height, width, method)
                MotionMask().region(frames)
    print("all")
"""


def test_no_shape_of_a_picture_ends_the_process() -> None:
    """OpenCV's DIS ends the process at pictures that are low and wide; a damaged header can make any shape."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SHAPES)], capture_output=True, text=True, check=False, timeout=300
    )
    assert (done.returncode, done.stdout) == (0, "all\n"), done.stderr[-2000:]


def test_a_part_that_is_cut_out_and_not_copied_has_a_flow() -> None:
    frames = blobs(3, 120, 160)[:, 20:100, 30:120]
    for found, copied in zip(flow_fields(frames, "dis"), flow_fields(frames.copy(), "dis"), strict=True):
        np.testing.assert_array_equal(found, copied)
