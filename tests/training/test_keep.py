"""The selected epoch of every rule, and why one set of best weights is enough."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echokit.training.checkpoints.epoch_selection import require_validation, select_epoch
from tests.expect import refused


def history(*rows: tuple[float, float, float | None]) -> list[dict]:
    names = ("train_accuracy", "val_accuracy", "val_auroc")
    return [{"epoch": n, **dict(zip(names, row, strict=True))} for n, row in enumerate(rows, 1)]


@pytest.mark.parametrize(
    ("rule", "rows", "epoch", "noted"),
    [
        ("study_rule", [(0.80, 0.79, 0.9), (0.90, 0.84, 0.9), (0.85, 0.82, 0.9)], 3, False),
        ("study_rule", [(0.80, 0.90, 0.9), (0.80, 0.70, 0.9), (0.75, 0.71, 0.9)], 3, False),  # qualifies late
        ("study_rule", [(0.80, 0.80, 0.9), (0.99, 0.93, 0.9)], 1, False),  # better, but too far apart
        ("study_rule", [(0.80, 0.70, 0.9), (0.99, 0.93, 0.9)], 2, True),  # none qualifies
        ("study_rule", [(1.0, 0.75, 0.9), (0.75, 0.75, 0.9), (0.75, 0.75, 0.9)], 2, False),  # the earlier
        ("best_val_auroc", [(0.5, 0.9, 0.7), (0.5, 0.5, 0.8), (0.5, 0.9, 0.8)], 2, False),
        ("best_val_auroc", [(0.5, 0.5, None), (0.5, 0.5, 0.1), (0.5, 0.5, None)], 2, False),
        ("best_val_auroc", [(0.5, 0.5, None), (0.5, 0.5, None)], 2, True),
        ("last", [(0.5, 0.9, 0.9), (0.5, 0.1, 0.1)], 2, False),
    ],
)
def test_rule_selects_the_epoch(rule, rows, epoch, noted):
    selected = select_epoch(rule, history(*rows))
    assert selected.epoch == epoch
    assert (selected.note is not None) == noted


def test_the_lowest_validation_loss():
    losses = [0.9, 0.4, 0.6, 0.4]
    assert (
        select_epoch("best_val_loss", [{"epoch": n, "val_loss": loss} for n, loss in enumerate(losses, 1)]).epoch == 2
    )
    with refused("train.no_validation", where="train.keep"):
        require_validation("best_val_loss", 0)


def test_last_rule_needs_no_validation_set():
    assert select_epoch("last", history((0.5, None, None))).epoch == 1
    require_validation("last", 0)
    require_validation("study_rule", 1)
    with refused("train.no_validation", where="train.keep"):
        require_validation("study_rule", 0)


def numbers(*values: float | None) -> list[dict]:
    return [{"epoch": n, "val_lab:x": value} for n, value in enumerate(values, 1)]


@pytest.mark.parametrize(
    ("values", "larger", "smaller"),
    [((0.1, 0.3, 0.2, 0.3), 2, 1), ((None, 0.3, None, 0.2), 2, 4), ((None, None), 2, 2)],
)
def test_the_number_of_an_evaluator(values, larger, smaller):
    history = numbers(*values)
    assert select_epoch("val_lab:x", history).epoch == larger
    least = select_epoch("val_lab:x", history, {"val_loss", "val_lab:x"})
    assert least.epoch == smaller
    assert (least.note is not None) == (set(values) == {None})
    with refused("train.no_validation", where="train.keep"):
        require_validation("val_lab:x", 0)


accuracies = st.sampled_from([0.5, 0.52, 0.56, 0.6, 0.9])
rows_ = st.lists(st.tuples(accuracies, accuracies, st.none() | accuracies), min_size=2, max_size=8)


@given(st.sampled_from(["study_rule", "best_val_auroc", "last"]), rows_)
@settings(max_examples=300, deadline=None)
def test_new_epoch_is_selected_or_changes_nothing(rule, rows):
    records = history(*rows)
    for n in range(1, len(records)):
        assert select_epoch(rule, records[: n + 1]).epoch in (select_epoch(rule, records[:n]).epoch, n + 1)
