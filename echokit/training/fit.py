"""Train one fold, select one epoch, and be able to stop and resume anywhere with the same bits."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from echokit.data.cohort.cohort import Fold
from echokit.errors import DataError, EchokitError
from echokit.system.malloc import give_memory_back
from echokit.system.stop_signals import stop_on_signal
from echokit.training.batches.augment import Augmentation
from echokit.training.batches.batch_sources import ClipSource, FeatureSource, Source, ValidationOutputs
from echokit.training.batches.features import FeatureCache, FeatureJob, FeatureSamples, backbone_hash, compute_features
from echokit.training.checkpoints.checkpoint_writer import CheckpointWriter
from echokit.training.checkpoints.epoch_selection import SelectedEpoch, require_validation, select_epoch
from echokit.training.checkpoints.training_state import FoldFiles, SavedState, TrainingState
from echokit.training.context import FoldTask, TrainingContext
from echokit.training.hardware.conv3d_fix import avoid_conv3d_gradient_bug
from echokit.training.hardware.device import reproducible
from echokit.training.hardware.distributed import processes
from echokit.training.hardware.out_of_memory import explain_out_of_memory
from echokit.training.model_parts import require_parts
from echokit.training.objectives.objective import Objective
from echokit.training.phase_trainer import PhaseTraining
from echokit.training.phases import Phase, can_be_longer, current_phase, plan_phases
from echokit.training.step.train_step import make_step

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FitResult:
    """A trained fold; the model has the weights of the selected epoch.

    Attributes:
        history: One record for each epoch, as in ``history.jsonl``.
        selected: The selected epoch, and a note about the choice.
        best: The checkpoint that holds it.
        validated: The outputs of the validation of the selected epoch; None if it was in another process, or if there
            was none by the whole model.
    """

    history: tuple[Mapping[str, Any], ...]
    selected: SelectedEpoch
    best: Path
    validated: ValidationOutputs | None = field(default=None, compare=False)


def fit(model: nn.Module, objective: Objective, task: FoldTask, context: TrainingContext) -> FitResult:
    """Train a model on one fold.

    Everything random in a step (order, windows, augmentation, dropout) follows from (seed, fold, epoch, step)
    alone. So a checkpoint holds weights, optimizer and a position, and a resumed training has the bits of one that
    was never stopped. The caller's random state is left alone.

    Args:
        model: Called with streams and valid masks, each by stream name; returns (B, outputs). Moved to the device.
        objective: Its loss is minimised.
        task: What the fold learns.
        context: How it is trained.

    Raises:
        EchokitError: A loss that is not finite, too little memory, a keep rule without validation cases, a phase
            of a part that the model lacks, a checkpoint that is damaged or of another training.
        Interrupted: SIGINT, SIGTERM or SIGHUP came; the position is saved.
    """
    settings, fold, device = context.settings, task.fold, context.compute.device
    _check_task(task, context)
    plan = plan_phases(settings, norms_given=context.norms_given, cases=len(fold.train), lower=context.lower)
    require_parts(model, [part for planned in plan for part in planned.parts], "train.phases")
    require_parts(model, settings.l1.on if settings.l1 else (), "train.l1.on")
    model.to(device)
    distributed = processes()
    if distributed.count > 1 and device.type == "cuda":
        convert: Any = nn.SyncBatchNorm.convert_sync_batchnorm  # in place; names and values stay
        convert(model)
    files = _fold_files(model, task, context)
    if not context.resume:
        files.require_empty()
    distributed.wait()
    context.directory.mkdir(parents=True, exist_ok=True)
    validated: dict[int, ValidationOutputs] = {}
    clip_source = ClipSource(task.clips, task.sampler, fold, context.seed, device, context.callback)
    # A backbone that has not been trained yet is not written in every epoch; its hash identifies it.
    initial = (context.backbone_hash or backbone_hash(model)) if plan[0].head_only else None
    never_trained = initial if all(phase.head_only for phase in plan) else None
    with (
        reproducible(device, settings.deterministic),
        context.compute.precision.rounding(device),
        avoid_conv3d_gradient_bug(model, device),
        torch.random.fork_rng([device] if device.type == "cuda" else []),
        stop_on_signal() as stop,
    ):
        saved = files.resume(model, plan, context.callback) if context.resume else SavedState(TrainingState())
        state = saved.state
        files.write_history(state.history)
        context.callback.on_fold_start(fold.number, state.history)
        while (phase := current_phase(plan, state.history)) is not None:
            before = plan[: plan.index(phase)]
            untrained = initial if all(earlier.head_only for earlier in before) else None
            step = make_step(model, objective, phase, context, distributed)
            source: Source = clip_source
            if phase.head_only:
                with explain_out_of_memory(settings.eval_batch_size or settings.batch_size):
                    source = feature_source(model, clip_source, phase, context, untrained)
            if saved.phase == phase.name:
                saved.restore(step)
            untrained = untrained if phase.head_only else None
            writer = CheckpointWriter(files, step, plan, phase, settings.keep, untrained, never_trained, context.lower)
            training = PhaseTraining(phase, step, source, task, context, writer, validated)
            if not phase.head_only:
                training.report_determinism_cost(state.epoch)
            state = training.run(state, stop)
    selected = select_epoch(settings.keep, state.history, context.lower)
    give_memory_back()  # otherwise, a memory limit may leave no room for the weights
    best = files.load_best(model, selected.epoch, never_trained)
    files.finish(keep_state=can_be_longer(plan, settings, state.history))
    if selected.note:
        context.callback.on_warning(selected.note)
    context.callback.on_fold_end(fold.number, state.history)
    if stop:  # it came after the last step: the fold is done, the run is not
        raise stop.interrupted()
    return FitResult(tuple(state.history), selected, best, validated.get(selected.epoch))


def feature_source(
    model: nn.Module, source: ClipSource, phase: Phase, context: TrainingContext, backbone: str | None
) -> FeatureSource:
    """Compute the features of a fold, or find them in the cache.

    Args:
        model: Its backbone is frozen.
        source: The clips.
        phase: Gives the number of augmented copies.
        context: Device, precision, augmentation and cache.
        backbone: Hash of the backbone, if it is known.
    """
    settings, fold, device = context.settings, source.fold, context.compute.device
    backbone = backbone or backbone_hash(model)
    cache = context.cache or FeatureCache(None, "")

    def features(split: str, cases: Integers, copy: int, augment: tuple[Augmentation, ...]) -> FeatureSamples:
        shared = cache.cases is not None and len(cases) > 0
        windows = source.windows(split, max(copy, 1), cache.cases if shared else cases)  # type: ignore[arg-type]
        batch_size = settings.eval_batch_size or settings.batch_size
        job = FeatureJob(source.clips, windows, batch_size, augment, source.seed, copy)
        values = compute_features(model, job, backbone=backbone, cache=cache, compute=context.compute)
        rows = np.isin(windows.case, cases)
        return FeatureSamples(windows.case[rows], torch.from_numpy(values[rows]).to(device))

    copies = tuple(features("train", fold.train, copy, context.augment) for copy in range(1, phase.copies + 1))
    return FeatureSource(copies, features("val", fold.val, 0, ()))


def _fold_files(model: nn.Module, task: FoldTask, context: TrainingContext) -> FoldFiles:
    """Describe a training, so that a resume refuses the checkpoint of another one."""
    shapes = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    crc = zlib.crc32(json.dumps(shapes, sort_keys=True).encode())
    identity = _identity(crc, task.fold, context)
    earlier = tuple(_identity(crc, task.fold, shorter) for shorter in context.extends)
    computed = {
        "device": context.compute.device.type,
        "precision": context.compute.precision.why,
        "threads": torch.get_num_threads(),
        "torch": str(torch.__version__),
    }
    return FoldFiles(context.directory, identity, identity["metadata"], computed, earlier)


def _identity(model: int, fold: Fold, context: TrainingContext) -> dict[str, Any]:
    return {
        "settings": context.settings.model_dump(mode="json"),
        "seed": context.seed,
        "processes": processes().count,
        "fold": fold.number,
        "training cases": zlib.crc32(fold.train.astype("<i8").tobytes()),
        "validation cases": zlib.crc32(fold.val.astype("<i8").tobytes()),
        "model": model,
        "metadata": json.loads(json.dumps(dict(context.metadata), allow_nan=False)),
    }


def _check_task(task: FoldTask, context: TrainingContext) -> None:
    """Refuse a fold without the cases or frames that the settings need."""
    fold, lengths = task.fold, task.clips.lengths
    require_validation(context.settings.keep, len(fold.val))
    if context.settings.early_stop and not len(fold.val):
        raise EchokitError(
            "early stopping needs a validation set, and this fold has none",
            hint="remove early_stop, or give the resampler a validation set (val: 0.2)",
            where="train.early_stop",
            code="train.no_validation",
        )
    if not len(fold.train):
        raise EchokitError(f"fold {fold.number} has no training cases", code="fold.no_cases")
    rows = np.concatenate([fold.train, fold.val])
    empty = rows[lengths[rows] == 0]
    if len(empty):
        raise DataError(
            f"{len(empty)} cases of fold {fold.number} have no frames, for example {task.case_ids[empty[0]]}",
            hint="exclude them with data.exclude",
            code="fold.no_frames",
        )
