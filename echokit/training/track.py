"""Trackers that a recipe may name: TensorBoard, MLflow, Weights & Biases, through Hugging Face Accelerate.

They are told the epochs' numbers, and nothing of any case. ``history.jsonl`` is written whatever is tracked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from echokit.errors import EchokitError
from echokit.training.watch import Watch

TRACKERS = ("tensorboard", "mlflow", "wandb")


def require_trackers(names: Sequence[str]) -> None:
    """Refuse trackers that are not installed.

    Raises:
        EchokitError: One is not.
    """
    for name in names:
        if find_spec(name) is None:
            raise EchokitError(
                f"the tracker {name} is not installed",
                hint=f"python -m pip install 'echokit[{name}]', or leave it out of track",
                where="track",
            )


class TrackedWatch:
    """A watch that tells trackers of every epoch, too.

    Args:
        watch: Told of everything.
        trackers: Of Accelerate.
    """

    def __init__(self, watch: Watch, trackers: Sequence[Any]) -> None:
        self._watch = watch
        self._trackers = trackers

    def step(self, epoch: int, epochs: int, step: int, steps: int, loss: float, clips_per_second: float) -> None:
        """Pass it on."""
        self._watch.step(epoch, epochs, step, steps, loss, clips_per_second)

    def epoch(self, record: Mapping[str, Any]) -> None:
        """Pass it on, and its numbers to the trackers, under the name of the fold."""
        self._watch.epoch(record)
        fold, epoch = record["fold"], record["epoch"]
        kept = {k: v for k, v in record.items() if isinstance(v, float | int) and k not in ("fold", "epoch")}
        for tracker in self._trackers:
            tracker.log({f"fold-{fold}/{name}": value for name, value in kept.items()}, step=epoch)

    def note(self, text: str) -> None:
        """Pass it on."""
        self._watch.note(text)


@contextmanager
def tracked(watch: Watch, names: Sequence[str], run: str, folder: Path, facts: Mapping[str, Any]) -> Iterator[Watch]:
    """Let trackers follow a run inside the block.

    Args:
        watch: Told of everything too.
        names: Of ``TRACKERS``; with none, ``watch`` is all there is.
        run: Name of the run.
        folder: For trackers that write files: ``folder/NAME``.
        facts: What the run is, as plain values.
    """
    if not names:
        yield watch
        return
    require_trackers(names)
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS

    trackers = []
    try:
        for name in names:
            kind = LOGGER_TYPE_TO_CLASS[name]
            place = (str(folder / name),) if kind.requires_logging_directory else ()
            tracker = kind(run, *place)
            if hasattr(tracker, "start"):
                tracker.start()
            trackers.append(tracker)
            tracker.store_init_configuration(dict(facts))
        yield TrackedWatch(watch, trackers)
    finally:
        for tracker in trackers:
            tracker.finish()
