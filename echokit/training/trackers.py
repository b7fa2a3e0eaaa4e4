"""Log to TensorBoard, MLflow or Weights & Biases, through Hugging Face Accelerate.

Trackers get the numbers of the epochs, and nothing about single cases. ``history.jsonl`` is always written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from echokit.errors import EchokitError
from echokit.system.distribution import install_extra
from echokit.training.callback import NoCallback, TrainingCallback

TRACKERS = ("tensorboard", "mlflow", "wandb")
_NAMES_A_RUN = {"mlflow": "run_name", "wandb": "name"}  # by this argument; else it invents a name


def require_trackers(names: Sequence[str]) -> None:
    """Refuse trackers that are not installed.

    Raises:
        EchokitError: A tracker is not installed.
    """
    for name in names:
        if find_spec(name) is None:
            raise EchokitError(
                f"the tracker {name} is not installed",
                hint=f"{install_extra(name)}, or remove it from track",
                where="track",
                code="track.not_installed",
            )


class TrackerCallback(NoCallback):
    """Sends the numbers of every epoch to trackers, under the name of the fold.

    Args:
        trackers: Trackers of Accelerate.
    """

    def __init__(self, trackers: Sequence[Any]) -> None:
        self._trackers = trackers

    def on_epoch_end(self, record: Mapping[str, Any]) -> None:
        """Log the numbers of an epoch."""
        fold, epoch = record["fold"], record["epoch"]
        numbers = {k: v for k, v in record.items() if isinstance(v, float | int) and k not in ("fold", "epoch")}
        for tracker in self._trackers:
            tracker.log({f"fold-{fold}/{name}": value for name, value in numbers.items()}, step=epoch)


@contextmanager
def open_trackers(names: Sequence[str], run: str, folder: Path, facts: Mapping[str, Any]) -> Iterator[TrainingCallback]:
    """Start trackers, and give the callback that logs to them inside the block.

    Args:
        names: Names in ``TRACKERS``.
        run: Name of the run.
        folder: Of the run. Its name is the tracker's name for the run; files are written to ``folder/NAME``.
        facts: Description of the run, as plain values.
    """
    if not names:
        yield NoCallback()
        return
    require_trackers(names)
    from accelerate import PartialState
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS

    PartialState()  # the trackers write to a log of accelerate, which needs it
    trackers = []
    try:
        for name in names:
            tracker_class = LOGGER_TYPE_TO_CLASS[name]
            arguments = (str(folder / name),) if tracker_class.requires_logging_directory else ()
            named = {_NAMES_A_RUN[name]: folder.name} if name in _NAMES_A_RUN else {}
            tracker = tracker_class(run, *arguments, **named)
            if hasattr(tracker, "start"):
                tracker.start()
            trackers.append(tracker)
            tracker.store_init_configuration(dict(facts))
        yield TrackerCallback(trackers)
    finally:
        for tracker in trackers:
            tracker.finish()
