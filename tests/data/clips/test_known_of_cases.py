"""A preprocessor that sees columns of its case."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from echokit import Clip
from echokit.data.clips.clip_store import ClipStore, VideoSource
from echokit.data.clips.prepare_video import Step, columns_of
from echokit.pipeline.cohort_stage import known_of_cases, load_cohort
from echokit.pipeline.prepared_cohort import LabelledCohort
from echokit.recipe.validate import load_recipe
from tests.expect import refused


class Brighter:
    """Add the grey levels that the case gives."""

    columns = ("grey",)

    def __call__(self, clip: Clip, case: Mapping[str, Any]) -> Clip:
        return replace(clip, frames=np.full_like(clip.frames, case["grey"] or 0))


class Undeclared:
    def __call__(self, clip: Clip, case: Mapping[str, Any]) -> Clip:
        return clip


STEP = Step("brighter", Brighter(), False, "brighter", columns=columns_of(Brighter()))


@pytest.fixture(scope="module")
def labelled(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> LabelledCohort:
    from tests.conftest import TINY

    recipe = tmp_path_factory.mktemp("known") / "tiny.yaml"
    recipe.write_text(TINY.format(root=phantom))
    return load_cohort(load_recipe(recipe))


def test_the_step_sees_its_case_and_the_clip_is_stored_by_it(phantom: Path, tmp_path: Path) -> None:
    video = min((phantom / "Videos").iterdir())
    store = ClipStore(tmp_path)

    def grey(value: int | None) -> tuple[int, int]:
        done = store.prepare([VideoSource("one", video, {"grey": value})], [STEP], workers=1)
        return int(done.clips.read(0, np.arange(1))["video"][0].max()), done.made

    assert grey(7) == (7, 1)
    assert grey(9) == (9, 1)
    assert grey(7) == (7, 0)
    assert grey(None) == (0, 1)


def test_a_new_video_has_no_case(phantom: Path) -> None:
    from echokit.data.clips.prepare_video import prepare_video

    clip, _ = prepare_video(min((phantom / "Videos").iterdir()), [STEP])
    assert not clip.frames.any()


def test_columns_are_plain_values_by_case(labelled: LabelledCohort) -> None:
    rows = known_of_cases(labelled, ["fps", "fps", "frames"])
    assert len(rows) == len(labelled.cohort)
    assert rows[0] == {
        "fps": float(labelled.cohort.cases["fps"][0]),
        "frames": float(labelled.cohort.cases["frames"][0]),
    }


@pytest.mark.parametrize(
    ("column", "code", "names"),
    [
        ("ef", "preprocess.outcome_column", ()),
        ("y_true", "preprocess.outcome_column", ()),
        ("split", "preprocess.outcome_column", ()),
        ("esv", "preprocess.outcome_column", ()),
        ("patient_id", "preprocess.outcome_column", ()),
        ("fpss", "preprocess.missing_column", ("'fps'",)),
    ],
)
def test_no_step_sees_the_outcome(labelled: LabelledCohort, column: str, code: str, names: tuple[str, ...]) -> None:
    with refused(code, "preprocess", names):
        known_of_cases(labelled, [column])


def test_a_step_says_which_columns_it_needs() -> None:
    with refused("preprocess.no_columns", "preprocess", ("Undeclared",)):
        columns_of(Undeclared())
