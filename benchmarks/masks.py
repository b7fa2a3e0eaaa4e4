"""Masks: the study's steps written again, what the fast mask costs, and what it keeps of three vendors' screens."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.timing import interleaved, ratio
from echokit.data.preprocess.motion_mask import MotionMask
from echokit.data.video.clip import Clip, Frames
from echokit.data.video.read import read_video
from echokit.phantom.clinical.directory import write_clinical
from echokit.phantom.write_echonet_dynamic import write_phantom
from echokit.system.phantom_mark import STAMP
from echokit.tools.mask_audit.measures import Measures
from echokit.tools.mask_audit.measures import measure as audit
from echokit.tools.mask_audit.subjects import subjects_of

STUDY = 3.5
SHOWN = {
    "ventricle": "ventricle kept",
    "moving": "moving tissue kept",
    "screen": "text, scale, trace or number kept",
    "outside": "lit pixels outside the fan, of the fan",
}


def measure(*, seed: int, patients: int = 6, frames: int = 12, repetitions: int = 3) -> dict[str, Any]:
    """The measure ``masks``.

    Args:
        seed: Of the phantoms.
        patients: Of the clinical phantom; vendors take turns.
        frames: Of the clips on which the exact mask is compared and times are taken.
        repetitions: Of each time.
    """
    with tempfile.TemporaryDirectory(prefix="echokit-bench-") as name:
        folder = Path(name)
        write_clinical(folder / "clinic", patients=patients, seed=seed)
        write_phantom(folder / "cases", cases=2, seed=seed, ef="wide")
        kept = _kept(folder / "clinic")
        large = read_video(subjects_of([str(folder / "clinic")]).clips[0].path).frames[:frames]
        small = read_video(min((folder / "cases" / "Videos").glob("*.avi"))).frames[:frames]
    assert large.shape[1:] == (600, 800)
    clips = {"EchoNet-like phantom, 112 x 112": small, "clinical phantom, 800 x 600": large, **_real(frames)}
    exact = [
        (name, threshold, *_overlap(clip, threshold)) for name, clip in clips.items() for threshold in (STUDY, 0.5)
    ]
    found = interleaved(
        {
            "fast": lambda: MotionMask().region(large),
            "farneback": lambda: MotionMask(threshold=STUDY).region(large),
            "fast, small": lambda: MotionMask().region(small),
            "farneback, small": lambda: MotionMask(threshold=STUDY).region(small),
        },
        repetitions,
    )
    pairs = frames - 1
    usual = "the study's steps: Farneback at full size"
    overlaps = [overlap for *_, overlap in exact if overlap is not None]
    return {
        "title": "Masks",
        "stamp": STAMP,
        "about": (
            f"The fast mask is `motion_mask` as it is by default. Times: the first {frames} frames of a clip, from "
            "decoded frames to the mask. What is kept: share of the pixels that are not black throughout, mean "
            "over the clips of a vendor, with the worst in brackets."
        ),
        "tables": [
            {
                "head": ["clip", "threshold, pixels a frame", "kept of the picture", "overlap with the study's steps"],
                "rows": [
                    [name, f"{threshold:g}", f"{area:.2%}", "nothing to keep" if overlap is None else f"{overlap:.4f}"]
                    for name, threshold, area, overlap in exact
                ],
            },
            {
                "head": ["vendor", "clips", *SHOWN.values()],
                "rows": [
                    [vendor, str(len(rows)), *[_share(rows, what) for what in SHOWN]] for vendor, rows in kept.items()
                ],
            },
        ],
        "numbers": {
            "smallest overlap of the exact mask": min(overlaps),
            **{
                f"{word}, worst clip": (max if what in ("screen", "outside") else min)(
                    getattr(row, what) for rows in kept.values() for row in rows
                )
                for what, word in SHOWN.items()
            },
        },
        "ratios": [
            ratio(
                "a mask at 800 x 600, a pair of frames", usual,
                ours=found["fast"] / pairs, usual=found["farneback"] / pairs, asked=20,
            ),
            ratio(
                "a mask at 112 x 112, a pair of frames", usual,
                ours=found["fast, small"] / pairs, usual=found["farneback, small"] / pairs,
            ),
        ],
    }  # fmt: skip


def _kept(clinic: Path) -> dict[str, list[Measures]]:
    import pandas as pd

    vendors = pd.read_csv(clinic / "cohort.csv")["vendor"]
    kept: dict[str, list[Measures]] = {}
    for subject, vendor in zip(subjects_of([str(clinic)]).clips, vendors, strict=True):
        measures, _ = audit(subject, read_video(subject.path), "motion_mask", MotionMask())
        kept.setdefault(str(vendor), []).append(measures)
    return dict(sorted(kept.items()))


def _share(rows: list[Measures], what: str) -> str:
    shares = [getattr(row, what) for row in rows]
    worst = max(shares) if what in ("screen", "outside") else min(shares)
    return f"{np.mean(shares):.2%} ({worst:.2%})"


def _real(frames: int) -> dict[str, Frames]:
    """The public four-chamber clips, where they are installed."""
    import pydicom.examples
    from pydicom.data import get_testdata_file

    paths = {
        "real, 320 x 240": pydicom.examples.get_path("ybr_color"),
        "real, 640 x 480": get_testdata_file("color3d_jpeg_baseline.dcm", download=False),
    }
    return {name: read_video(str(path), frames=frames).frames for name, path in paths.items() if path is not None}


def _overlap(frames: Frames, threshold: float) -> tuple[float, float | None]:
    """Share of the picture that the exact mask keeps, and its overlap (IoU) with the steps in a line."""
    region, expected = MotionMask(threshold=threshold).region(frames), the_study(frames, threshold)
    if region is None or not expected.any():
        assert region is None
        assert not expected.any()
        return 0.0, None
    masked = MotionMask(threshold=threshold)(Clip(frames)).frames
    assert np.array_equal(masked, frames * region)
    return float(region.mean()), float((region & expected).sum() / (region | expected).sum())


def the_study(frames: Frames, threshold: float) -> np.ndarray:
    """The steps as the study states them, one after the other; the hull by half-planes instead of OpenCV."""
    import cv2

    magnitudes = []
    for i in range(len(frames) - 1):
        flow = cv2.calcOpticalFlowFarneback(frames[i], frames[i + 1], None, 0.5, 3, 15, 3, 5, 1.2, 0)
        magnitudes.append(np.sqrt(flow[..., 0] ** 2 + flow[..., 1] ** 2))
    ys, xs = np.nonzero(np.mean(magnitudes, axis=0) > threshold)
    points = sorted(set(zip(xs.tolist(), ys.tolist(), strict=True)))
    if len(points) < 3:
        return np.zeros(frames.shape[1:], bool)
    hull: list[tuple[int, int]] = []
    for sequence in (points, points[::-1]):  # Andrew's monotone chain
        half: list[tuple[int, int]] = []
        for x, y in sequence:
            while len(half) > 1 and (half[-1][0] - half[-2][0]) * (y - half[-2][1]) <= (half[-1][1] - half[-2][1]) * (
                x - half[-2][0]
            ):
                half.pop()
            half.append((x, y))
        hull += half[:-1]
    rows, columns = np.mgrid[: frames.shape[1], : frames.shape[2]]
    inside = np.ones(frames.shape[1:], bool)
    for (x0, y0), (x1, y1) in zip(hull, hull[1:] + hull[:1], strict=True):
        # Half a pixel of slack: a pixel that the outline passes through belongs to the hull.
        slack = max(abs(x1 - x0), abs(y1 - y0)) / 2
        inside &= (x1 - x0) * (rows - y0) - (y1 - y0) * (columns - x0) >= -slack
    return inside
