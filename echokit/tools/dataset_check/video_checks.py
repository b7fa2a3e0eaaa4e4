"""Checks of what the decoded videos show, and of how it fits the tables."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from echokit.data.clips.appearance import VideoDescription
from echokit.data.clips.near_duplicates import FEWEST, STILL, groups, near_duplicates
from echokit.tools.dataset_check.finding import Finding, Level, finding
from echokit.tools.dataset_check.survey import Listed, Survey

TOLERATED = 0.02  # share of unreadable videos with which a run still starts, unless its recipe sets another share
USUAL_RATES = (15.0, 200.0)  # frames/s
BEAT = 1.0  # seconds of a beat at 60/min, where no heart rate is known
DARK = 16  # highest grey value of a picture that shows nothing
RATE_TOLERANCE = 0.05

Pairs = Sequence[tuple[Listed, VideoDescription]]


def check_pictures(survey: Survey, seen: Sequence[VideoDescription]) -> Iterator[Finding]:
    """Run every check of the decoded videos.

    Args:
        survey: The dataset.
        seen: What each of its listed videos shows.
    """
    everyone: Pairs = list(zip(survey.listed, seen, strict=True))
    read = [(one, what) for one, what in everyone if not what.problem]
    yield from _lost(everyone)
    yield from _duplicates(survey, everyone)
    yield _near(survey, everyone)
    yield from _sizes(read)
    yield _frame_counts(read)
    yield from _rates(read)
    yield _short(survey, read)
    yield from _empty(read)
    yield from _tracings(survey, read)


def _lost(everyone: Pairs) -> Iterator[Finding]:
    lost = sum(bool(what.problem) for _, what in everyone)
    level: Level = "error" if lost > TOLERATED * len(everyone) else "warning"
    for check, says, missing in (
        ("missing_video", "listed videos that are missing", True),
        ("unreadable_video", "videos that cannot be read", False),
    ):
        cases = [(one, what) for one, what in everyone if what.problem and what.missing == missing]
        yield finding(
            check,
            level,
            says,
            [(one.case_id, "" if missing else what.problem) for one, what in cases],
            hint=f"copy them again, or exclude them; with more than {TOLERATED:.0%} lost no run starts",
            exclude=[one.case_id for one, _ in cases],
        )
    damaged = [(one, what) for one, what in everyone if what.damaged]
    yield finding(
        "damaged_video",
        "error",
        "videos with missing or corrupt frames",
        [(one.case_id, what.notes[0] if what.notes else "") for one, what in damaged],
        hint="copy them again, or exclude them",
        exclude=[one.case_id for one, _ in damaged],
    )


def _duplicates(survey: Survey, everyone: Pairs) -> Iterator[Finding]:
    within, across, against = [], [], []
    left_out: dict[str, list[str]] = {"within": [], "across": [], "against": []}
    for group in groups([what.content for _, what in everyone]):
        same = [everyone[index][0] for index in group]
        names = " = ".join(one.case_id for one in same)
        kept = _kept(same)
        others = [one.case_id for one in same if one is not kept]
        targets = {one.target for one in same if math.isfinite(one.target)}
        if len(targets) > 1:
            against.append((names, "targets " + ", ".join(f"{target:g}" for target in sorted(targets))))
            left_out["against"] += [one.case_id for one in same]
        elif any(_apart(same[0], one) for one in same):
            across.append((names, ", ".join(one.split or one.patient_id for one in same)))
            left_out["across"] += others
        else:
            within.append((names, ""))
            left_out["within"] += others
    yield finding(
        "duplicate_across_splits",
        "error",
        "videos that are frame by frame the same in several splits, or of several patients where there is no split",
        across,
        hint="exclude all but one: a model that has seen a test video is not tested",
        exclude=left_out["across"],
    )
    yield finding(
        "duplicate_other_target",
        "error",
        "videos that are frame by frame the same and have different targets",
        against,
        hint="find out which is right; the list excludes all of them",
        exclude=left_out["against"],
    )
    yield finding(
        "duplicate_video",
        "warning",
        "videos that are frame by frame the same within one split",
        within,
        hint="exclude all but one, or they count more than once",
        exclude=left_out["within"],
    )


def _apart(one: Listed, other: Listed) -> bool:
    """Whether a pair is in two splits or, without splits, of two patients."""
    return one.split != other.split or (not one.split and one.patient_id != other.patient_id)


def _kept(same: Sequence[Listed]) -> Listed:
    """Choose the copy that stays: that of the test set, for comparability."""
    order = {"test": 0, "val": 1, "train": 2}
    return min(same, key=lambda one: order.get(one.split, 3))


def _near(survey: Survey, everyone: Pairs) -> Finding:
    looks = {
        index: what.look for index, (_, what) in enumerate(everyone) if what.look is not None and what.change >= STILL
    }
    if len(looks) < FEWEST:
        says = f"fewer than {FEWEST} videos to compare: near-duplicates cannot be found"
        return Finding("near_duplicate_across_splits", "note", says, 1)
    pairs, left_out = [], []
    for first, second, distance in near_duplicates(looks):
        one, other = everyone[first][0], everyone[second][0]
        if not _apart(one, other) or everyone[first][1].content == everyone[second][1].content:
            continue
        where = f"{one.split} and {other.split}" if one.split else "two patients"
        pairs.append((f"{one.case_id} ~ {other.case_id}", f"{where}, distance {distance:.2f}"))
        kept = _kept([one, other])
        left_out += [one.case_id if kept is other else other.case_id]
    return finding(
        "near_duplicate_across_splits",
        "error",
        "videos of different splits (else patients) that look the same: cut, mirrored or compressed again",
        pairs,
        hint="look at them; exclude one of each pair if they are the same recording",
        exclude=left_out,
    )


def _sizes(read: Pairs) -> Iterator[Finding]:
    sizes = Counter((what.height, what.width) for _, what in read)
    usual = max(sizes, key=lambda size: sizes[size], default=(0, 0))
    odd = [(one.case_id, f"{what.height}x{what.width}") for one, what in read if (what.height, what.width) != usual]
    yield finding(
        "odd_size",
        "warning",
        f"videos of another size than {usual[0]}x{usual[1]}",
        odd,
        hint="a resize step in preprocess makes them alike",
    )
    wrong = [
        (one.case_id, f"listed {one.value('height'):g}x{one.value('width'):g}, decoded {what.height}x{what.width}")
        for one, what in read
        if _differ(one.value("height"), what.height) or _differ(one.value("width"), what.width)
    ]
    yield finding("listed_size", "note", "videos whose listed size is not that of the video", wrong)


def _differ(listed: float, real: float) -> bool:
    return math.isfinite(listed) and listed != real


def _frame_counts(read: Pairs) -> Finding:
    wrong = [
        (one.case_id, f"listed {one.value('frames'):g}, decoded {what.frames}")
        for one, what in read
        if _differ(one.value("frames"), what.frames)
    ]
    return finding("frame_count", "warning", "videos whose listed number of frames is not what is decoded", wrong)


def _rates(read: Pairs) -> Iterator[Finding]:
    wrong, unknown, unusual, known = [], [], [], []
    for one, what in read:
        listed = one.value("fps")
        rate = what.fps if what.fps is not None else listed
        if what.fps is not None and listed > 0 and abs(what.fps / listed - 1) > RATE_TOLERANCE:
            wrong.append((one.case_id, f"listed {listed:g}/s, the file states {what.fps:g}/s"))
        if math.isnan(rate):
            unknown.append((one.case_id, ""))
            continue
        known.append(rate)
        if not USUAL_RATES[0] <= rate <= USUAL_RATES[1]:
            unusual.append((one.case_id, f"{rate:g}/s"))
    yield finding("frame_rate_differs", "warning", "videos whose listed frame rate is not that of the file", wrong)
    yield finding("frame_rate_unknown", "note", "videos of which neither table nor file gives a frame rate", unknown)
    yield finding("frame_rate_unusual", "warning", "videos of fewer than 15 or more than 200 frames/s", unusual)
    range_of_rates = (
        (f"{min(known):g} to {max(known):g}, median {float(np.median(known)):g} frames/s",) if known else ()
    )
    yield Finding("frame_rates", "note", "frame rates that are known", len(known), range_of_rates)


def _short(survey: Survey, read: Pairs) -> Finding:
    short = []
    for one, what in read if survey.whole_beats else ():
        rate = one.value("heart_rate")
        beat = 60 / rate if rate > 0 else BEAT
        fps = what.fps if what.fps is not None else one.value("fps")
        seconds = what.seconds if what.seconds is not None else what.frames / fps if fps > 0 else math.nan
        if round(seconds, 2) < round(beat, 2):
            short.append((one.case_id, f"{seconds:.2f} s"))
    return finding(
        "short_clip",
        "warning",
        "videos shorter than a beat (at 60/min where no heart rate is known)",
        short,
        hint="end-diastole or end-systole may not be in them",
    )


def _empty(read: Pairs) -> Iterator[Finding]:
    dark = [one.case_id for one, what in read if what.brightness < DARK]
    still = [one.case_id for one, what in read if what.brightness >= DARK and what.change < STILL and what.frames > 1]
    single = [one.case_id for one, what in read if what.frames == 1]
    for check, says, cases in (
        ("dark_video", "videos that show nothing", dark),
        ("still_video", "videos in which nothing moves", still),
        ("single_frame", "videos of a single frame", single),
    ):
        yield finding(check, "error", says, [(case, "") for case in cases], hint="exclude them", exclude=cases)


def _tracings(survey: Survey, read: Pairs) -> Iterator[Finding]:
    if survey.tracings is None:
        return
    from echokit.tools.dataset_check.tracings import check_tracings

    yield check_tracings(survey.tracings, {one.case_id: what for one, what in read})
