"""Checks of traced ventricles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from echokit.data.clips.appearance import VideoDescription
from echokit.tools.dataset_check.finding import Finding, finding

if TYPE_CHECKING:
    import pandas as pd

FEWEST = 3  # points or chords that enclose an area
FRAMES = 2  # end-diastole and end-systole
UNTRACED = ("No Systolic", "No Diastolic")  # what EchoNet-Pediatric writes instead of a frame


def check_tracings(points: pd.DataFrame, seen: Mapping[str, VideoDescription]) -> Finding:
    """Find tracings that cannot be right.

    They are of another number of frames than two, of too few points, with points that are no numbers or outside the
    picture, or of a frame that the video does not have.

    Args:
        points: As in ``Survey.tracings``.
        seen: The videos that could be read, by case.
    """
    import pandas as pd

    points = points[points["case_id"].isin(list(seen))]
    untraced = points["frame"].isin(UNTRACED)
    phases = points.groupby("case_id")["frame"].nunique()
    found: dict[str, str] = {str(case): f"{count} frames" for case, count in phases[phases != FRAMES].items()}
    real = points[~untraced]
    number = pd.to_numeric(real["frame"], errors="coerce").to_numpy(np.float64)
    case = real["case_id"].to_numpy()
    height = np.array([seen[name].height for name in case], np.float64)
    width = np.array([seen[name].width for name in case], np.float64)
    frames = np.array([seen[name].frames for name in case], np.float64)
    x, y = real["x"].to_numpy(np.float64), real["y"].to_numpy(np.float64)
    reasons = {
        "a frame that is not a number": ~(np.isfinite(number) & (number == np.floor(number))),
        "a frame that the video does not have": (number < 0) | (number >= frames),
        "a point that is not a number": ~(np.isfinite(x) & np.isfinite(y)),
        # Half a pixel of room: whole numbers are the centres of pixels.
        "a point outside the picture": (x < -0.5) | (y < -0.5) | (x > width) | (y > height),
    }
    for reason, bad in reasons.items():
        for name in dict.fromkeys(case[bad].tolist()):
            found.setdefault(str(name), reason)
    counts = (
        real.groupby(["case_id", "frame"]).size() / max(1, int(points["ends"].max() if len(points) else 1))
    ).reset_index()
    for name in counts["case_id"][counts[0] < FEWEST]:
        found.setdefault(str(name), f"fewer than {FEWEST} points or lines")
    return finding(
        "malformed_tracing",
        "warning",
        "tracings that cannot be right",
        list(found.items()),
        hint="they are not needed to train, but masks and their audit rest on them",
    )
