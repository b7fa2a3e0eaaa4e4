"""Sample sizes for a study and a pilot, against a published worked example."""

import pytest

from echokit.evaluation.statistics.sample_size import patients_for_auroc, sample_size


def test_the_published_example_is_reproduced() -> None:
    """The heart valve example of Riley et al. 2021: AUROC 0.8, 1.8 % events, interval 0.10 wide."""
    assert patients_for_auroc(0.8, 0.018, 0.1 / (2 * 1.96)) == 4252


@pytest.mark.parametrize(("n", "positives", "auroc"), [(34, 7, 0.7), (47, 25, 0.95), (358, 107, 0.8), (40, 39, 0.5)])
def test_the_named_size_is_enough_and_a_smaller_one_is_not(n: int, positives: int, auroc: float) -> None:
    named = sample_size(n, positives, auroc)
    assert named is not None
    share = positives / n
    for grade, (required, _) in (("study", named.study), ("pilot", named.pilot)):
        grown = sample_size(round(1.05 * required), round(1.05 * required * share), auroc)
        shrunk = sample_size(round(0.95 * required), round(0.95 * required * share), auroc)
        assert grown is not None
        assert shrunk is not None
        assert grown.grade in (grade, "study")
        assert shrunk.grade != grade


def test_folds_need_more_patients_than_one_model() -> None:
    one, several = sample_size(34, 7, 0.7), sample_size(34, 7, 0.7, widening=1.45)
    assert one is not None
    assert several is not None
    assert several.study[0] > 2 * one.study[0]


def test_a_perfect_score_still_needs_patients_of_each_class() -> None:
    perfect = sample_size(34, 7, 1.0)
    assert perfect is not None
    assert perfect.grade == "none"
    assert (perfect.pilot[1], perfect.study[1]) == (25, 100)
    assert sample_size(1000, 300, 1.0) == sample_size(1000, 300, None)


@pytest.mark.parametrize("positives", [0, 34])
def test_one_class_has_no_size(positives: int) -> None:
    assert sample_size(34, positives, 0.7) is None
