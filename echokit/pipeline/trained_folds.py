"""The trained folds of a run, and whether its lock, its folds and their weights belong together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from echokit.errors import EchokitError
from echokit.results.run import Run, check_file
from echokit.system.checksums import CHECKSUMS, checksum_problem, read_checksums

if TYPE_CHECKING:
    from torch import Tensor

FOLDER = "fold-"


@dataclass(frozen=True)
class TrainedFold:
    """The weights of one fold of a run.

    Attributes:
        checkpoint: Their folder.
        tensors: By name.
        facts: What `checkpoint_facts` wrote into them.
    """

    checkpoint: Path
    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]


def finished_folds(run: Run) -> list[int]:
    """List the folds of a finished run.

    Raises:
        EchokitError: The run is unfinished, or has a folder of another fold beside its own.
    """
    names = [Path(name).parent.name for name in read_checksums(run.path) if Path(name).name == CHECKSUMS]
    if not run.complete or not names:
        raise EchokitError(
            "the run has not finished",
            hint="echokit run ... --resume continues it",
            where=str(run.path),
            code="run.unfinished",
        )
    present = {path.name for path in (run.path / "checkpoints").glob(f"{FOLDER}*")}
    if strange := sorted(present - set(names)):
        raise EchokitError(
            f"{', '.join(strange)} is not a fold of this run, which has {', '.join(sorted(names))}",
            hint="remove what was copied into it",
            where=str(run.path / "checkpoints"),
            code="run.strange_fold",
        )
    return sorted(int(name.removeprefix(FOLDER)) for name in names)


def load_trained(run: Run, fold: int) -> TrainedFold:
    """Load the weights of a fold, if all of its files belong to the run.

    Raises:
        EchokitError: There are none, they belong to another run or fold, or a file of the fold is missing or has
            changed.
    """
    from echokit.models.weights.weight_files import load_weights
    from echokit.training.checkpoints.checkpoint_files import MODEL, find_checkpoint

    folder = run.fold(fold)
    checkpoint = find_checkpoint(folder, "best")
    if checkpoint is None:
        raise EchokitError("there are no trained weights", where=str(folder), code="weights.no_checkpoint")
    weights = checkpoint / MODEL
    tensors, facts = load_weights(weights)
    _require_same(run, fold, weights, facts)
    if run.complete:
        check_file(run, str((folder / CHECKSUMS).relative_to(run.path)))
    for name in sorted({*read_checksums(folder), str(weights.relative_to(folder))}):
        if problem := checksum_problem(folder, name):
            raise EchokitError(
                f"a file of fold {fold} is damaged: {problem}",
                hint=f"restore it from a copy; or delete {folder} and train the fold again with --resume",
                where=str(folder / name),
                code="run.damaged_file",
            )
    return TrainedFold(checkpoint, tensors, facts)


def _require_same(run: Run, fold: int, weights: Path, facts: Mapping[str, Any]) -> None:
    if facts.get("recipe_hash") != run.lock.recipe_hash:
        raise EchokitError(
            "these weights belong to another run: "
            f"their recipe hash is {str(facts.get('recipe_hash'))[:12]}, that of the lock {run.lock.recipe_hash[:12]}",
            hint="restore the weights of this run from a copy",
            where=str(weights),
            code="weights.other_run",
        )
    if facts.get("fold") != fold:
        raise EchokitError(
            f"these weights belong to fold {facts.get('fold')}, not to fold {fold}",
            hint="restore the fold from a copy",
            where=str(weights),
            code="weights.other_fold",
        )
