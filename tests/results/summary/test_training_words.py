"""Description of a training by its epochs, over folds that stopped at different times."""

from __future__ import annotations

from echokit.results.summary.training_summary import training_in_words
from echokit.training.settings import PhaseSettings, TrainSettings


def epochs(fold: int, phase: str, *rates: float) -> list[dict[str, object]]:
    return [{"fold": fold, "phase": phase, "lr": rate} for rate in rates]


def test_a_plain_training() -> None:
    train = TrainSettings(epochs=1, batch_size=4)
    assert training_in_words(train, epochs(0, "all", 1e-4)) == "1 epoch at 0.0001, batch size 4, adam"


def test_phases_of_folds_that_stopped_early_under_a_schedule() -> None:
    phases = (
        PhaseSettings(name="head", train=("head",), epochs=2, lr=0.01),
        PhaseSettings(name="all", train=("head", "backbone"), epochs=4, lr=0.001),
    )
    train = TrainSettings(epochs=6, batch_size=8, phases=phases)
    history = [
        *epochs(0, "head", 0.01, 0.01), *epochs(0, "all", 0.001, 0.0005, 0.0001),
        *epochs(1, "head", 0.01, 0.01), *epochs(1, "all", 0.001, 0.0005),
    ]  # fmt: skip
    assert training_in_words(train, history) == (
        "phase head (trains head): 2 epochs at 0.01; "
        "phase all (trains head, backbone): 2 to 3 of 4 epochs at 0.0001 to 0.001; batch size 8, adam"
    )
