"""Trackers for TensorBoard, MLflow and Weights & Biases, through Accelerate.

They get the numbers of the epochs, and nothing about single cases. ``history.jsonl`` is always written.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from echokit.errors import EchokitError
from echokit.plugins.hookspecs import RunView
from echokit.system.distribution import install_extra
from echokit.training.callback import Callback


class Tracker(Callback):
    """Sends the numbers of every epoch to a tracker, under the name of the fold."""

    only_watches: ClassVar[bool] = True
    library: ClassVar[str]

    def __init__(self) -> None:
        self._tracker: Any = None

    def check(self) -> None:
        """Refuse a tracker that is not installed."""
        if find_spec(self.library) is None:
            raise EchokitError(
                f"the tracker {self.library} is not installed",
                hint=f"{install_extra(self.library)}, or remove it from the recipe",
                code="track.not_installed",
            )

    def on_run_start(self, run: RunView) -> None:
        """Start the tracker, and describe the run to it."""
        from accelerate import PartialState
        from accelerate.tracking import LOGGER_TYPE_TO_CLASS

        PartialState()  # the trackers write to a log of accelerate, which needs it
        self._tracker = LOGGER_TYPE_TO_CLASS[self.library](run.lock.recipe.name, **self.place(run.path))
        if hasattr(self._tracker, "start"):
            self._tracker.start()
        self._tracker.store_init_configuration(_facts(run))

    def place(self, folder: Path) -> dict[str, str]:
        """Return the argument that names the run, or the folder of its files."""
        raise NotImplementedError

    def on_epoch_end(self, record: Mapping[str, Any]) -> None:
        """Log the numbers of an epoch."""
        fold, epoch = record["fold"], record["epoch"]
        numbers = {k: v for k, v in record.items() if isinstance(v, float | int) and k not in ("fold", "epoch")}
        self._tracker.log({f"fold-{fold}/{name}": value for name, value in numbers.items()}, step=epoch)

    def on_run_end(self, run: RunView, error: BaseException | None) -> None:
        """Close the tracker."""
        if self._tracker is not None:
            self._tracker.finish()


class TensorBoard(Tracker):
    """Writes the numbers of every epoch for TensorBoard, into the run's folder."""

    library = "tensorboard"

    def place(self, folder: Path) -> dict[str, str]:
        """Write to the folder of the run."""
        return {"logging_dir": str(folder / self.library)}


class MLflow(Tracker):
    """Sends the numbers of every epoch to MLflow.

    The run has the name of the run directory there.
    """

    library = "mlflow"

    def place(self, folder: Path) -> dict[str, str]:
        """Name the run, for which MLflow would otherwise invent a name."""
        return {"run_name": folder.name}


class Wandb(Tracker):
    """Sends the numbers of every epoch to Weights & Biases.

    The run has the name of the run directory there.
    """

    library = "wandb"

    def place(self, folder: Path) -> dict[str, str]:
        """Name the run, for which the service would otherwise invent a name."""
        return {"name": folder.name}


def _facts(run: RunView) -> dict[str, Any]:
    """Describe a run: plain values, no path and nothing of a case."""
    lock = run.lock
    recipe = lock.recipe
    return {
        "data": lock.stamp or lock.content["data"]["name"],
        "recipe_hash": lock.recipe_hash,
        "seed": recipe.seed,
        "fusion": recipe.fusion.name,
        "backbone": recipe.backbone.name,
        "objective": recipe.objective.name,
        "optimizer": recipe.train.optimizer.use,
        "lr": recipe.train.optimizer.lr,
        "epochs": recipe.train.epochs,
        "batch_size": recipe.train.batch_size,
    }
