"""A sampler that sees more of the clips than their lengths."""

from pathlib import Path

import numpy as np
import pytest

from echokit import PADDING, ClipTable, Windows
from echokit.data.cohort.targets import Targets
from echokit.data.sampling.clip_table import clip_table, moved_frames, sample_windows
from tests.expect import refused


class FromEndDiastole:
    """Windows of two frames from end-diastole, twice in training for the positive class."""

    def __call__(self, clips: ClipTable, split: str, epoch: int, seed: int) -> Windows:
        cases = np.repeat(np.arange(len(clips)), np.where(clips.y_true == 1, 2, 1))
        first = np.maximum(clips.end_diastole, 0)[cases]
        return Windows(cases, np.stack([first, first + 1], 1))


class ByLength:
    def __call__(self, lengths: np.ndarray, split: str, epoch: int, seed: int) -> Windows:
        return Windows(np.arange(len(lengths)), lengths[:, None] - 1)


def test_the_first_parameter_decides() -> None:
    lengths = np.array([5, 9])
    table = clip_table(lengths)
    assert sample_windows(ByLength(), table, "test", 0, 0).frames.tolist() == [[4], [8]]
    assert sample_windows(FromEndDiastole(), table, "test", 0, 0).frames.tolist() == [[0, 1], [0, 1]]


def test_labels_are_those_of_the_rows_only() -> None:
    table = clip_table(np.array([5, 9, 7]))
    labelled = table.labelled(Targets(np.array([1, 0, 1]), np.array([30.0, 60.0, 40.0])), np.array([0, 1]))
    assert labelled.y_true.tolist() == [1, 0, -1]
    assert np.array_equal(labelled.value, [30.0, 60.0, np.nan], equal_nan=True)
    assert table.y_true.tolist() == [-1, -1, -1]


@pytest.mark.parametrize(
    ("frame", "video_fps", "clip_fps", "length", "expected"),
    [
        (10, 50, 50, 20, 10),
        (10, 50, 25, 20, 5),
        (10, 25, 50, 40, 20),
        (10, np.nan, 50, 20, 10),
        (30, 50, 50, 20, -1),  # trimmed away
        (np.nan, 50, 50, 20, -1),
        (-1, 50, 50, 20, -1),
    ],
)
def test_frames_follow_the_rate_of_the_prepared_clip(
    frame: float, video_fps: float, clip_fps: float, length: int, expected: int
) -> None:
    table = clip_table(np.array([length]), np.array([clip_fps], float))
    assert moved_frames(np.array([frame], float), np.array([video_fps], float), table).tolist() == [expected]


def test_the_frames_of_a_prepared_cohort_are_those_of_its_files(tmp_path: Path) -> None:
    from echokit.phantom.layouts import LAYOUTS
    from echokit.pipeline.cohort_stage import load_cohort, prepare_clips
    from echokit.recipe.validate import load_recipe

    LAYOUTS["camus"].load()(tmp_path / "camus", workers=1, cases=6)
    (tmp_path / "camus.yaml").write_text(
        f"""
name: camus
data: {{use: camus, root: {tmp_path / "camus"}, view: 4CH}}
target: {{from: ef, positive: reduced, below: 50}}
preprocess: [{{use: resize, size: 16}}]
model: {{use: single_stream, backbone: {{use: resnet18, width: 4}}}}
resample: holdout
train: {{epochs: 1}}
"""
    )
    cohort = prepare_clips(load_cohort(load_recipe(tmp_path / "camus.yaml")))
    table = cohort.clip_table
    assert table.end_diastole.tolist() == cohort.cases["ed_frame"].astype(int).tolist()
    assert (table.end_systole != table.end_diastole).all()
    assert (table.end_systole < table.lengths).all()
    assert (table.y_true == -1).all()
    cohort.windows("train")
    with refused("sampler.wrong_windows", "clip", ("'val'",)):  # a whole clip in training, one frame in validation
        cohort._sample(ByLength(), "val", 1, 0)


GOOD = (np.array([0, 1]), np.array([[0, 1, 2], [3, 4, PADDING]]))


@pytest.mark.parametrize(
    ("windows", "names"),
    [
        (0.5, "float, not Windows"),
        (Windows(*GOOD), None),
        (Windows(GOOD[0][:1], GOOD[1][:1]), "1 of 2 cases have no window"),
        (Windows(np.array([0, 2]), GOOD[1]), "cases 0 to 2 of 2"),
        (Windows(np.array([0, -1]), GOOD[1]), "cases -1 to 0 of 2"),
        (Windows(np.array([0.0, 1.0]), GOOD[1]), "float64"),
        (Windows(GOOD[0], GOOD[1].astype(float)), "float64"),
        (Windows(GOOD[0], GOOD[1][:, :0]), "shapes (2,) and (2, 0)"),
        (Windows(GOOD[0], GOOD[1][0]), "shapes (2,) and (3,)"),
        (Windows(GOOD[0], np.array([[0, 1, 2], [3, 4, 5]])), "outside a clip"),
        (Windows(GOOD[0], np.array([[0, 1, 2], [-2, 3, 4]])), "outside a clip"),
        (Windows(GOOD[0], np.array([[0, 1, 2], [3, PADDING, 4]])), "padding"),
        (Windows(GOOD[0], np.full((2, 3), PADDING)), "padding"),
        (Windows(GOOD[0], np.array([[0, 2, 2], [3, 4, PADDING]])), "do not increase"),
        (Windows(GOOD[0], np.array([[2, 1, 0], [3, 4, PADDING]])), "do not increase"),
    ],
)
def test_windows_that_cannot_be_used_are_refused(windows: object, names: str | None) -> None:
    def sampler(lengths: np.ndarray, split: str, epoch: int, seed: int) -> object:
        return windows

    clips = clip_table(np.array([9, 5]))
    if names is None:
        assert sample_windows(sampler, clips, "val", 1, 0) is windows
        return
    with refused("sampler.wrong_windows", "clip", ("'val'", names)):
        sample_windows(sampler, clips, "val", 1, 0)
