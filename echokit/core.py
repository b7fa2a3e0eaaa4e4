"""The core loop: recipe -> cohort -> prepared clips -> fit, fold by fold -> predictions -> evaluation -> report.

Each arrow is one function with one input and one output, and each output is a file that a person can open.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from echokit.affordable import many_models, refuse_many
from echokit.buildable import require_model, shapes_ahead
from echokit.cohort.absent import AbsentError
from echokit.cohort.cohort import SPLITS, Cohort
from echokit.cohort.exclusions import exclude
from echokit.cohort.target import on_both_sides, targets_of
from echokit.controls import compute_controls, require_controls
from echokit.errors import DataError, EchokitError
from echokit.fingerprint import digest
from echokit.fold import Compute, Material, check_fold, fit_fold, shapes_of
from echokit.frozen import shared_backbone
from echokit.leaks import refuse_leaks
from echokit.lock import Lock, differences, make_lock
from echokit.objectives.objective import Targets
from echokit.plugins import installed
from echokit.procedure import HeadProcedure, procedure_for
from echokit.progress import Silent as Nothing
from echokit.progress import display, shown_by
from echokit.quality import reference_of, write_reference
from echokit.recipe.check import with_fallback
from echokit.recipe.recipe import Recipe
from echokit.reporting import frames_of, make_report
from echokit.results import write_results, write_table
from echokit.run_directory import Run, create_run
from echokit.run_hooks import HookedWatch, RunHooks
from echokit.sampling.windows import Windows
from echokit.stamp import PRETRAINED_STAMP, STAMP
from echokit.starting_weights import StartingWeights, find_weights
from echokit.store import ClipStore, Preparation, steps_of
from echokit.workers import stop_in_a_worker
from echokit.workspace import workspace

if TYPE_CHECKING:
    from echokit.training.watch import Watch


CONTROL_MASKS = ("no_mask", "random_mask")
"""Masks that know nothing of what they hide: names of patients may be left."""


@dataclass(frozen=True)
class Data:
    """A recipe with its data.

    Attributes:
        recipe: As it runs: on its fallback where the dataset is absent.
        cohort: Its cases.
        targets: What is to be learned, a row a case.
    """

    recipe: Recipe
    cohort: Cohort
    targets: Targets


def read_data(recipe: Recipe) -> Data:
    """Recipe -> Cohort, with its classes. A dataset that is absent gives way to the recipe's fallback, and it is said.

    Raises:
        DataError: The dataset is absent and there is no fallback, or the user named it by an environment variable or
            by ``--set``, or it can not be used.
    """
    try:
        cohort: Cohort = recipe.data.build()()
    except AbsentError as absent:
        if recipe.fallback is None:
            raise
        _refuse_a_wrong_name(recipe, absent)
        recipe = with_fallback(recipe)
        cohort = recipe.data.build()()
        display().say(f"{absent.message}; the recipe's fallback takes its place")
    if cohort.phantom:
        display().say(f"{STAMP}: synthetic hearts, no patient; every output of this run says so")
    if recipe.exclude is not None:
        cohort = exclude(cohort, Path(recipe.exclude))
    targets = targets_of(cohort, recipe.target)
    torn = on_both_sides(cohort, targets)
    if torn:
        said = (
            f"{torn} patients have cases of both classes ({recipe.target.definition}), as at different times: in "
            "metrics each of them counts once in each class"
        )
        cohort = replace(cohort, warnings=(*cohort.warnings, said))
    return Data(recipe, replace(cohort, cases=cohort.cases.assign(y_true=targets.y_true)), targets)


def _refuse_a_wrong_name(recipe: Recipe, absent: AbsentError) -> None:
    """Who says where the data are wants these data: a slip of the pen must not train on others for a night."""
    for _, leaf in recipe.tree.at(("data",)).leaves():
        origin = leaf.origin
        said = origin.variable or (origin.file if origin.file.startswith("--set ") else None)
        if said and isinstance(leaf.value, str) and str(Path(leaf.value).expanduser()) in absent.message:
            hint = f"{said} names it: correct it, or leave it away to run on the recipe's fallback"
            raise DataError(absent.message, hint=hint, where="data") from None


def prepare(data: Data, *, verify: bool = False) -> Preparation:
    """Cohort -> ClipStore: decode and preprocess every video that is not in the store yet.

    Args:
        data: The cohort, and the recipe with its steps.
        verify: Read every clip through that is there already.

    Raises:
        DataError: More than the recipe's ``data.max_unreadable`` of the videos can not be used.
    """
    sources = [
        (str(case), Path(source))
        for case, source in zip(data.cohort.cases["case_id"], data.cohort.cases["source"], strict=True)
    ]
    preparation = ClipStore(workspace() / "store").prepare(sources, steps_of(data.recipe.preprocess), verify=verify)
    if preparation.damaged:
        display().say(_changed(preparation.damaged))
    failures = preparation.failures
    places = data.cohort.places
    said = [f"{one.case_id}{f' ({places[one.case_id]})' if one.case_id in places else ''}" for one in failures]
    for name, failure in list(zip(said, failures, strict=True))[:10]:
        display().say(f"unreadable: {name}: {failure.reason}")
    share = len(failures) / len(sources)
    if share > data.recipe.max_unreadable:
        raise DataError(
            f"{len(failures)} of {len(sources)} videos can not be used, more than data.max_unreadable "
            f"({data.recipe.max_unreadable:.0%}): {said[0]}: {failures[0].reason}",
            hint="mend or exclude them (data.exclude), or allow more",
            where="data",
        )
    return preparation


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
    material = _material(data, preparation)
    if known is None:
        windows: Windows = data.recipe.clip.build()(material.clips.lengths, "train", 0, data.recipe.seed)
        require_model(data.recipe, shapes_of(material.clips, windows.frames.shape[1]))
    new = make_lock(
        data.recipe,
        _data_facts(data, preparation, material),
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
    padded = _padded(data.recipe, material)
    for line in padded if first else ():
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
                warnings=[*data.cohort.warnings, *told, *padded, *_counted(preparation)],
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
    material = _material(data, prepare(data))
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
    material = _material(data, preparation)
    if _data_facts(data, preparation, material)["fingerprint"] != lock.content["data"]["fingerprint"]:
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


def _material(data: Data, preparation: Preparation) -> Material:
    rows = preparation.rows
    targets = replace(data.targets, y_true=data.targets.y_true[rows], value=data.targets.value[rows])
    return Material(data.cohort.cases.iloc[rows].reset_index(drop=True), preparation.clips, targets)


def _data_facts(data: Data, preparation: Preparation, material: Material) -> dict[str, Any]:
    cases = material.cases
    rows = zip(cases["case_id"], cases["split"], preparation.contents, material.targets.value, strict=True)
    fingerprint = digest([[str(case), str(split), content, repr(float(value))] for case, split, content, value in rows])
    splits = {
        split: {"cases": int(chosen.sum()), "positive": int(cases["y_true"][chosen].sum())}
        for split in SPLITS
        if (chosen := (cases["split"] == split)).any()
    }
    return {
        "name": data.cohort.name,
        "phantom": data.cohort.phantom,
        "fingerprint": fingerprint,
        "cases": len(cases),
        "excluded": data.cohort.excluded,
        "unreadable": len(preparation.failures),
        "splits": splits,
    }


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


def _padded(recipe: Recipe, material: Material) -> list[str]:
    """Say how many videos are too short for what the recipe cuts of each."""
    lengths = material.clips.lengths
    windows: Windows = recipe.clip.build()(lengths, "test", 0, recipe.seed)
    count, frames = windows.padded(), windows.frames.shape[1]
    if not count:
        return []
    return [
        f"{count} of {len(lengths)} videos are too short for a clip of {frames} frames: blank frames were added to them"
    ]


def _counted(preparation: Preparation) -> list[str]:
    changed = [_changed(preparation.changed)] if preparation.changed else []
    notes = sorted(preparation.notes().items(), key=lambda n: (-n[1], n[0]))
    return [*changed, *(f"{count} videos: {note}" for note, count in notes)]


def _changed(count: int) -> str:
    return f"{count} prepared clips had changed since they were written (a failing disk?) and were made anew"
