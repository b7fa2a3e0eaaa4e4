"""What a training really was, in words: its phases, their epochs and the learning rates that were used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from echokit.report.wording import count

if TYPE_CHECKING:
    from echokit.training.settings import TrainSettings


def training_in_words(train: TrainSettings, history: Sequence[Mapping[str, Any]]) -> str:
    """Tell of a training by what its epochs were, not by what the recipe's defaults say.

    Args:
        train: The recipe's settings.
        history: Lines of ``history.jsonl`` of all folds.
    """
    kind = f"batch size {train.batch_size}, {train.optimizer.use}"
    if train.phases is None:
        return f"{_spent(train.epochs, train.optimizer.lr, history)}, {kind}"
    told = []
    for phase in train.phases:
        records = [record for record in history if record.get("phase") == phase.name]
        spent = _spent(phase.epochs, phase.lr or train.optimizer.lr, records)
        told.append(f"phase {phase.name} ({', '.join(phase.train)} learns): {spent}")
    return f"{'; '.join(told)}; {kind}"


def _spent(planned: int, lr: float, records: Sequence[Mapping[str, Any]]) -> str:
    """``3 to 5 of 10 epochs at 0.0001 to 0.001``: over folds, as an early stop and a schedule made them."""
    counts = set(Counter(record.get("fold") for record in records).values()) or {planned}
    whole = count(planned, "epoch")
    epochs = whole if counts == {planned} else f"{_ends(counts)} of {whole}"
    rates = {record["lr"] for record in records if record.get("lr") is not None} or {lr}
    return f"{epochs} at {_ends(rates)}"


def _ends(values: set[Any]) -> str:
    low, high = f"{min(values):g}", f"{max(values):g}"
    return low if low == high else f"{low} to {high}"
