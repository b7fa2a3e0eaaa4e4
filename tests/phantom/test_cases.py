"""Distributions of the numbers of a case; only the contraction correlates with EF."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest

from echokit.phantom.beat import ISOVOLUMIC_CONTRACTION, beats_of
from echokit.phantom.case import PhantomCase, random_stream, sample_case, sample_ef
from echokit.phantom.render import measure

CONTRACTION = ("ef", "shortening")  # its two parts


@pytest.fixture(scope="module")
def realistic() -> list[PhantomCase]:
    return [sample_case(0, index) for index in range(3000)]


def test_realistic_ef_has_the_published_moments() -> None:
    efs = np.array([sample_ef(random_stream(0, index), "realistic") for index in range(5000)])
    assert efs.mean() == pytest.approx(55.75, abs=0.6)
    assert efs.std() == pytest.approx(12.37, abs=0.6)
    assert (efs < 50).mean() == pytest.approx(0.224, abs=0.02)
    assert efs.min() >= 6.9
    assert efs.max() <= 97


def test_wide_ef_is_half_reduced_and_rare_near_the_cut_off() -> None:
    efs = np.array([sample_ef(random_stream(0, index), "wide") for index in range(5000)])
    assert (efs < 50).mean() == pytest.approx(0.5, abs=0.03)
    assert ((efs > 45) & (efs < 55)).mean() == pytest.approx(0.06, abs=0.02)
    assert efs.min() >= 15
    assert efs.max() <= 80


def test_no_other_number_correlates_with_ef(realistic: list[PhantomCase]) -> None:
    ef = np.array([case.ef for case in realistic])
    names = [name for name, value in asdict(realistic[0]).items() if isinstance(value, float)]
    correlations = {
        name: abs(np.corrcoef(ef, [getattr(case, name) for case in realistic])[0, 1])
        for name in [*names, "fps", "frames"]
        if name not in CONTRACTION
    }
    assert len(correlations) > 40
    # 5 standard errors of a correlation of 3,000 independent pairs.
    assert {name: r for name, r in correlations.items() if r > 5 / np.sqrt(3000)} == {}


def test_most_videos_show_a_beat_in_38_frames(realistic: list[PhantomCase]) -> None:
    shown = [38 / case.fps >= 60 / case.heart_rate for case in realistic]
    assert np.mean(shown) > 0.9
    assert all(case.frames / case.fps >= 60 / case.heart_rate for case in realistic)
    assert np.median([case.frames for case in realistic]) == pytest.approx(64, abs=4)


def test_a_case_depends_on_seed_and_index_alone() -> None:
    first = sample_case(3, 7)
    assert first == sample_case(3, 7)
    assert first.name == sample_case(3, 7, ef="wide").name
    names = {sample_case(seed, index).name for seed in (0, 1) for index in range(50)}
    assert len(names) == 100
    assert all(len(name) == 18 and name.startswith("0X") and int(name, 16) >= 0 for name in names)


def test_the_view_has_the_drawn_ef_and_the_solid_a_related_one(realistic: list[PhantomCase]) -> None:
    measured = [measure(case) for case in realistic[:300]]
    view = np.array([one.ef_a4c for one in measured])
    solid = np.array([one.ef_3d for one in measured])
    assert np.abs(view - [case.ef for case in realistic[:300]]).max() < 1
    assert np.corrcoef(view, solid)[0, 1] > 0.9
    assert np.abs(view - solid).mean() > 0.5
    assert min(one.foreshortening for one in measured) >= -0.001
    assert max(one.foreshortening for one in measured) > 0.05


def test_the_volume_rests_at_both_ends_of_the_ejection() -> None:
    case = replace(sample_case(0, 0), fps=1000, frames=3000, rhythm_jitter=0.0)
    beats = beats_of(case)
    resting = beats.phase < ISOVOLUMIC_CONTRACTION
    assert np.abs(beats.contraction[resting]).max() < 1e-9
    assert beats.contraction.max() == pytest.approx(1)
    assert beats.contraction.min() == pytest.approx(0, abs=1e-9)
    systole = beats.phase[np.argmax(beats.contraction)]
    assert 0.28 < systole < 0.45
    assert beats.opening[beats.contraction > 0.999].max() < 0.9
    assert beats.opening[(beats.phase > 0.05) & (beats.phase < case.systole)].max() == 0
