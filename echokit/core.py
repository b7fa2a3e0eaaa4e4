"""The core loop: recipe -> cohort -> prepared clips -> fit, fold by fold -> predictions -> evaluation -> report.

Each arrow is one function with one input and one output, and each output is a file that a person can open.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from echokit.affordable import many_models, refuse_many
from echokit.buildable import require_model, shapes_ahead
from echokit.cohort.cohort import Cohort
from echokit.controls import compute_controls, require_controls
from echokit.data import Data, counted, facts_of, material_of, padded, prepare, read_data
from echokit.errors import DataError, EchokitError
from echokit.fold import Compute, Material, check_fold, fit_fold, shapes_of
from echokit.frozen import shared_backbone
from echokit.leaks import refuse_leaks
from echokit.lock import Lock, differences, make_lock
from echokit.plugins import installed
from echokit.procedure import HeadProcedure, procedure_for
from echokit.progress import Silent as Nothing
from echokit.progress import display, shown_by
from echokit.quality import reference_of, write_reference
from echokit.recipe.recipe import Recipe
from echokit.reporting import frames_of, make_report
from echokit.results import write_results, write_table
from echokit.run_directory import Run, create_run
from echokit.run_hooks import HookedWatch, RunHooks
from echokit.sampling.windows import Windows
from echokit.stamp import PRETRAINED_STAMP
from echokit.starting_weights import StartingWeights, find_weights
from echokit.workers import stop_in_a_worker

if TYPE_CHECKING:
    from echokit.training.watch import Watch


CONTROL_MASKS = ("no_mask", "random_mask")
"""Masks that know nothing of what they hide: names of patients may be left."""


def run(
    recipe: Recipe,
    *,
    out: Path = Path("runs"),
    device: str = "auto",
    lock: Lock | None = None,
    resume: Run | None = None,
    only_fold: int | None = None,
    watch: Watch | None = None,
) -> Run:
    """Run a recipe from its data to its summary.

    Args:
        recipe: What to run.
        out: Where run directories are made.
        device: ``auto``, ``cpu`` or ``cuda``.
        lock: The lock that is repeated; its data must be the same, and what else differs is said.
        resume: A run of the same recipe to go on with.
        only_fold: Train this fold only; the run is then not evaluated.
        watch: Told of training steps and epochs.

    Raises:
        EchokitError: Anything that the user can mend.
    """
    stop_in_a_worker()
    from echokit.training.allocator import allocator
    from echokit.training.device import choose_device, choose_precision, fix_threads
    from echokit.training.keep import require_validation
    from echokit.training.processes import join
    from echokit.training.track import require_trackers, tracked
    from echokit.training.watch import Silent

    require_trackers(recipe.track)
    threads = fix_threads()
    together, chosen = join(choose_device(device))
    first = together.first
    compute = Compute(chosen, choose_precision(chosen, recipe.train.precision))
    with shown_by(display() if first else Nothing()), together.first_alone():
        data = read_data(recipe)
        for warning in data.cohort.warnings:
            display().say(f"note: {warning}")
        data, weights = _start(data, out, resume)
        known = shapes_ahead(data.recipe)
        if known is not None:
            require_model(data.recipe, known)
        preparation = prepare(data)
    material = material_of(data, preparation)
    if known is None:
        windows: Windows = data.recipe.clip.build()(material.clips.lengths, "train", 0, data.recipe.seed)
        require_model(data.recipe, shapes_of(material.clips, windows.frames.shape[1]))
    new = make_lock(
        data.recipe,
        facts_of(data, preparation, material),
        {
            "device": chosen.type,
            "precision": str(compute.precision.dtype).removeprefix("torch."),
            "why": compute.precision.why,
            "threads": threads,
            "memory": f"channels_last_3d; {allocator()}",
            "processes": together.count,
        },
        weights.facts() if weights else None,
    )
    for change in differences(lock, new) if lock and first else ():
        display().say(f"differs from the lock: {change}")
    cohort = replace(data.cohort, cases=material.cases)
    folds = list(data.recipe.resample.build()(cohort, data.recipe.seed))
    by_patient = data.recipe.resample.name != "official"
    told = refuse_leaks(material.cases, material.clips.headers, folds, by_patient=by_patient)
    blank = padded(data.recipe, material)
    for line in blank if first else ():
        display().say(line)
    several, heads = len(folds) > 1, many_models(data.recipe, len(folds))
    frozen = shared_backbone(data.recipe, material, compute, weights) if several or heads else None
    if heads and frozen is None:
        refuse_many(heads, data.recipe, material, folds[0], compute)
    require_controls(data.recipe, material, frozen, weights)
    procedure = procedure_for(data.recipe, frozen, material.cases["patient_id"].to_numpy()) if frozen else None
    if only_fold is not None:
        folds = [fold for fold in folds if fold.number == only_fold] or _no_fold(only_fold, len(folds))
    for fold in folds:  # before there is a directory
        check_fold(fold, material.targets, material.cases["patient_id"].to_numpy())
        require_validation(data.recipe.train.keep, len(fold.val))
    opened = _open(new, out, resume).path if first or resume else None
    current = Run(together.agree(opened))
    if first:
        write_table(material.cases.drop(columns="source"), current.path / "cohort.csv", new.stamp)
    facts = _checkpoint_facts(new)
    hooks = RunHooks(current, installed())
    watching = HookedWatch(watch or Silent(), hooks) if first else Silent()
    names = data.recipe.track if first else ()
    with hooks.told() if first else nullcontext(), tracked(watching, names, *_tracked_as(new, current)) as following:
        results = [
            fit_fold(
                data.recipe,
                material,
                fold,
                compute,
                current.fold(fold.number),
                resume=resume is not None,
                watch=following,
                lock_facts=facts,
                weights=weights,
                frozen=frozen,
                procedure=procedure,
                together=several,
            )
            for fold in folds
        ]
        if only_fold is None and first:
            controls = compute_controls(
                data.recipe, cohort, material, folds, frozen=frozen, procedure=procedure, weights=weights
            )
            write_results(
                current.path,
                new,
                results,
                warnings=[*data.cohort.warnings, *told, *blank, *counted(preparation)],
                failures=[(failure.case_id, failure.reason) for failure in preparation.failures],
                hooks=hooks,
                controls=controls,
            )
            trained = np.unique(np.concatenate([fold.train for fold in folds]))
            write_reference(reference_of(material.clips.select(trained)), current.path)
            if data.recipe.report.page:
                _report(current, material, show=new.phantom)
    together.wait()
    return current


def procedure_of(run: Run, device: str = "auto") -> tuple[Cohort, HeadProcedure]:
    """The cohort of a run on a frozen backbone, and its procedure, to be repeated on other labels.

    Args:
        run: Its folds share a backbone that no phase trains.
        device: ``auto``, ``cpu`` or ``cuda``.

    Raises:
        EchokitError: The backbone is not frozen, or the data or the weights are not what they were.
    """
    from echokit.training.device import choose_device, choose_precision

    recipe = run.lock.recipe
    chosen = choose_device(device)
    data, weights = _start(read_data(recipe), run.path.parent.parent, run)
    material = material_of(data, prepare(data))
    compute = Compute(chosen, choose_precision(chosen, recipe.train.precision))
    frozen = shared_backbone(recipe, material, compute, weights)
    if frozen is None:
        raise EchokitError("the run has no frozen backbone that all folds share", where=str(run.path))
    procedure = HeadProcedure(recipe, frozen.features(), material.cases["patient_id"].to_numpy())
    return replace(data.cohort, cases=material.cases), procedure


def report(run: Run, *, frames: bool = False) -> Path:
    """Make the report of a finished run again.

    Args:
        run: The run.
        frames: Show frames of the cases though they are of patients; those of phantoms are shown in any case.

    Raises:
        EchokitError: The run is not finished, its data are not what they were, or the report can not be written.
    """
    lock = run.lock
    if not (frames or lock.phantom) or not lock.recipe.report.cases:
        return make_report(run)
    masks = [use.name for use in lock.recipe.preprocess if use.component.mask and use.name not in CONTROL_MASKS]
    if not lock.phantom and not masks:
        raise DataError(
            "the recipe has no mask, so frames may show names of patients",
            hint="add sector_mask or motion_mask to preprocess",
        )
    data = read_data(lock.recipe)
    preparation = prepare(data)
    material = material_of(data, preparation)
    if facts_of(data, preparation, material)["fingerprint"] != lock.content["data"]["fingerprint"]:
        raise DataError("the data are not those of the run", hint="without --frames the report needs no data")
    cases = material.cases["case_id"].astype(str).tolist()
    return make_report(run, frames_of(cases, material.clips, masked_only=not lock.phantom))


def _report(run: Run, material: Material, *, show: bool) -> None:
    """Write report.html; what goes wrong in it costs the page, never the run."""
    source = frames_of(material.cases["case_id"].astype(str).tolist(), material.clips) if show else None
    try:
        make_report(run, source)
    except Exception as error:
        said = str(error) if isinstance(error, EchokitError) else f"{type(error).__name__}: {error}"
        display().say(f"report.html was not made: {said}; echokit report {run.path} tries again")


def _tracked_as(lock: Lock, run: Run) -> tuple[str, Path, dict[str, Any]]:
    """Name, folder and facts of a run for trackers: plain values, no path and nothing of a case."""
    recipe = lock.recipe
    facts = {
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
    return recipe.name, run.path, facts


def _start(data: Data, out: Path, resume: Run | None) -> tuple[Data, StartingWeights | None]:
    """Find the weights to start from; the recipe then names them so that they can not become others."""
    settings = data.recipe.weights
    if settings is None:
        return data, None
    asked = settings.use
    before = (resume.lock.content.get("weights") or {}) if resume else {}
    if before.get("asked") == asked:  # go on from the same run, even where a newer one has been made since
        settings = settings.model_copy(update={"use": before["source"]})
    weights = replace(find_weights(settings, data.recipe.backbone, out), asked=asked)
    display().say(f"the model starts from {weights.settings.use} ({weights.content[:12]})")
    if weights.phantom:
        display().say(PRETRAINED_STAMP)
    return replace(data, recipe=replace(data.recipe, weights=weights.settings)), weights


def _checkpoint_facts(lock: Lock) -> dict[str, Any]:
    recipe, weights = lock.recipe, lock.content["weights"]
    return {
        "weights": weights and {key: weights[key] for key in ("content", "phantom")},
        "recipe_hash": lock.recipe_hash,
        "phantom": lock.phantom,
        "positive": recipe.target.positive,
        "target": recipe.target.definition,
        "clip": recipe.clip.plain(),
        "preprocess": [use.plain() for use in recipe.preprocess],
    }


def _open(lock: Lock, out: Path, resume: Run | None) -> Run:
    if resume is None:
        run = create_run(out, lock.recipe.name)
        lock.write(run.path / "lock.yaml")
        return run
    if resume.lock.recipe_hash != lock.recipe_hash:
        raise EchokitError(
            "the run to resume was made from another recipe, data or version",
            hint=f"its hash is {resume.lock.recipe_hash[:12]}, this one's {lock.recipe_hash[:12]}; start a new run",
            where=str(resume.path),
        )
    return resume


def _no_fold(number: int, folds: int) -> list[Any]:
    raise EchokitError(f"there is no fold {number}", hint=f"the folds are 0 to {folds - 1}", where="--fold")
