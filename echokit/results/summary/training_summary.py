"""Description of a finished training: phases, epochs and learning rates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from echokit.results.wording import count

if TYPE_CHECKING:
    from echokit.training.settings import TrainSettings


def training_in_words(train: TrainSettings, history: Sequence[Mapping[str, Any]]) -> str:
    """Describe a training by its epochs, not by the settings of the recipe.

    Args:
        train: The recipe's settings.
        history: Lines of ``history.jsonl`` of all folds.
    """
    kind = f"batch size {train.batch_size}, {train.optimizer.use}"
    if train.phases is None:
        return f"{_epochs_and_rates(train.epochs, train.optimizer.lr, history)}, {kind}"
    phases = []
    for phase in train.phases:
        records = [record for record in history if record.get("phase") == phase.name]
        spent = _epochs_and_rates(phase.epochs, phase.lr or train.optimizer.lr, records)
        phases.append(f"phase {phase.name} (trains {', '.join(phase.train)}): {spent}")
    return f"{'; '.join(phases)}; {kind}"


def _epochs_and_rates(planned: int, lr: float, records: Sequence[Mapping[str, Any]]) -> str:
    """Format epochs and rates of all folds: ``3 to 5 of 10 epochs at 1e-4 to 1e-3``."""
    counts = set(Counter(record.get("fold") for record in records).values()) or {planned}
    all_epochs = count(planned, "epoch")
    epochs = all_epochs if counts == {planned} else f"{_ends(counts)} of {all_epochs}"
    rates = {record["lr"] for record in records if record.get("lr") is not None} or {lr}
    return f"{epochs} at {_ends(rates)}"


def _ends(values: set[Any]) -> str:
    low, high = f"{min(values):g}", f"{max(values):g}"
    return low if low == high else f"{low} to {high}"
