"""Which run can be continued, and with which recipe: the same one, or the same one with more epochs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from echokit.errors import EchokitError
from echokit.pipeline.fold_files import CALIBRATION, SCORES
from echokit.pipeline.session import RunRequest
from echokit.plugins.component_config import ComponentConfig
from echokit.recipe.recipe import Recipe
from echokit.recipe.search import searched_hyperparameters
from echokit.results.lock import Lock, data_paths, machine_differences, recipe_hash
from echokit.results.run import LOCK, Run

NOT_HASHED = ("name", "report", "data.fallback", "data.exclude", "model.weights")
"""Keys of a recipe that change no result, or whose content is compared instead."""
LENGTH = ("train.epochs", "train.phases")


def check_resume(request: RunRequest, recipe: Recipe) -> str | None:
    """Refuse to resume a run with a recipe that it cannot be continued with.

    Args:
        request: Names the run to resume, if there is one.
        recipe: As it runs.

    Returns:
        What is extended, in a sentence; None if nothing is.

    Raises:
        EchokitError: Another key than the number of epochs has changed, or the training cannot become longer.
    """
    if request.resume is None:
        return None
    run, old = request.resume, request.resume.lock.recipe
    changed = _changed_keys(old, recipe)
    if not changed:
        return None
    if other := [key for key in changed if not key.startswith(LENGTH)]:
        raise _other_recipe(run, f"{', '.join(other)} differ from its recipe")
    _check_longer(run, old, recipe)
    return f"extends {run.path} from {old.train.epochs} to {recipe.train.epochs} epochs"


def resumed_lock(run: Run, lock: Lock) -> Lock:
    """Return the lock of a resumed run, with what has been extended so far.

    Args:
        run: The run to resume.
        lock: That of the recipe as it runs now.

    Raises:
        EchokitError: The run has another recipe, other data or other code.
    """
    old = run.lock
    if old.recipe_hash == lock.recipe_hash:
        return Lock({**lock.content, "extended": list(old.extended)} if old.extended else lock.content, lock.recipe)
    weights = lock.content.get("weights")
    shorter = recipe_hash(
        replace(lock.recipe, train=lock.recipe.train.lasting(old.recipe.train.epochs)),
        lock.content["components"],
        str(lock.content["data"]["fingerprint"]),
        str(weights["content"]) if weights else None,
    )
    if shorter != old.recipe_hash:
        raise _other_recipe(run, "its data or the version of its code differ")
    entry = {
        "epochs": old.recipe.train.epochs,
        "recipe_hash": old.recipe_hash,
        "created": old.content["created"],
        "finished": run.complete,
        "differences": list(machine_differences(old, lock)),
    }
    return Lock({**lock.content, "extended": [*old.extended, entry]}, lock.recipe)


def extend_run(run: Run, lock: Lock) -> None:
    """Write the lock of an extended run, which is unfinished from here on."""
    for folder in run.path.glob("checkpoints/fold-*"):
        for name in (SCORES, CALIBRATION):
            (folder / name).unlink(missing_ok=True)
    lock.write(run.path / LOCK)


def extension_notes(lock: Lock) -> Iterator[str]:
    """Say what has been extended, and whether test results had been seen before."""
    epochs = [*(entry["epochs"] for entry in lock.extended), lock.recipe.train.epochs]
    for entry, now in zip(lock.extended, epochs[1:], strict=True):
        seen = "; its test results had been written before, so this choice may depend on them"
        yield f"Extended from {entry['epochs']} to {now} epochs{seen if entry['finished'] else ''}."
        for difference in entry["differences"]:
            yield f"Extended elsewhere: {difference}."


def _check_longer(run: Run, old: Recipe, recipe: Recipe) -> None:
    then, now = old.train.epochs, recipe.train.epochs
    fix = f"start a new run with {now} epochs: leave out --resume"
    if now < then:
        raise EchokitError(
            f"the run has {then} epochs and cannot get fewer",
            hint=f"--set train.epochs={then} continues it; or {fix}",
            where=str(run.path),
            code="resume.fewer_epochs",
        )
    if recipe.train.lasting(then).model_dump() != old.train.model_dump():
        raise EchokitError(
            "only the last phase of a training can become longer: those before it have shaped the weights",
            hint=fix,
            where="train.phases",
            code="resume.other_phases",
        )
    if recipe.train.schedule.follows_length:
        raise EchokitError(
            f"the schedule {recipe.train.schedule.use} spreads its learning rates over all epochs: "
            f"with {now} instead of {then}, those already trained would have had others",
            hint=fix,
            where="train.schedule",
            code="resume.schedule",
        )
    if searched_hyperparameters(recipe):
        raise EchokitError(
            f"the configuration of each fold was selected by trainings of {then} epochs",
            hint=fix,
            where="resample.search",
            code="resume.search",
        )
    _check_states(run, then, fix)


def _check_states(run: Run, epochs: int, fix: str) -> None:
    """Refuse folds that have ended and left no state to continue from."""
    from echokit.training.checkpoints.checkpoint_files import find_checkpoint
    from echokit.training.checkpoints.training_state import BEST, HISTORY, LAST
    from echokit.training.phases import stopped_by

    folders = sorted(run.path.glob("checkpoints/fold-*"))
    ended = [folder for folder in folders if find_checkpoint(folder, BEST) and not find_checkpoint(folder, LAST)]
    histories = {folder: _history(folder / HISTORY) for folder in ended}
    stopped = [folder for folder in ended if len(histories[folder]) < epochs or stopped_by(histories[folder])]
    if missing := [folder.name for folder in ended if folder not in stopped]:
        raise EchokitError(
            f"the state after the last epoch of {', '.join(missing)} is not there (checkpoints/{missing[0]}/{LAST})",
            hint=f"restore it from a copy; or {fix}",
            where=str(run.path),
            code="resume.no_state",
        )
    if stopped and stopped == folders:
        raise EchokitError(
            "every fold stopped early, before its last epoch: more epochs change nothing",
            hint="a new run with another train.early_stop, or without the callback that stopped them, can train longer",
            where="callbacks" if any(map(stopped_by, histories.values())) else "train.early_stop",
            code="resume.stopped_early",
        )


def _history(path: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError):
        return []


def _changed_keys(old: Recipe, new: Recipe) -> list[str]:
    then, now = (dict(_flat(recipe.without_watchers().to_dict(ComponentConfig.identity))) for recipe in (old, new))
    paths = tuple(f"data.{name}" for name in data_paths(old))
    keys = [key for key in {**then, **now} if then.get(key) != now.get(key)]
    return [key for key in keys if not key.startswith((*NOT_HASHED, *paths))]


def _flat(content: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(content, dict) and content:
        for name, value in content.items():
            yield from _flat(value, f"{key}.{name}" if key else str(name))
    else:
        yield key, json.dumps(content, default=str, sort_keys=True)


def _other_recipe(run: Run, why: str) -> EchokitError:
    extended = run.lock.extended
    return EchokitError(
        f"the run to resume is another one: {why}",
        hint=f"it was extended: add --set train.epochs={run.lock.recipe.train.epochs}"
        if extended
        else "resume with the same recipe, data and code; or start a new run: leave out --resume",
        where=str(run.path),
        code="run.other_recipe",
    )
