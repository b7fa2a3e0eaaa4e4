"""fit: train one fold, keep one epoch, and be able to stop and resume anywhere with the same bits."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from echokit.cohort.cohort import Fold
from echokit.errors import DataError, EchokitError
from echokit.objectives.objective import Objective, Targets
from echokit.training.allocator import give_memory_back
from echokit.training.augmented import Augmentation
from echokit.training.convolution import sound_gradients
from echokit.training.data import PreparedClips
from echokit.training.device import Precision, choose_precision, fix_threads, reproducible
from echokit.training.epoch import PhaseTraining
from echokit.training.features import FeatureCache, backbone_hash
from echokit.training.keep import Kept, kept_epoch, require_validation
from echokit.training.keeper import Keeper
from echokit.training.memory import memory_told
from echokit.training.parts import require_parts
from echokit.training.phases import current_phase, plan_phases
from echokit.training.processes import processes
from echokit.training.progress import FoldFiles, Progress, Saved
from echokit.training.samples import ClipSource, Sampler, Source, feature_source
from echokit.training.settings import TrainSettings
from echokit.training.signals import stop_on_signal
from echokit.training.step import make_step
from echokit.training.watch import Watch

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FitResult:
    """A fold that was trained; the model given to `fit` now has the kept weights.

    Attributes:
        history: One record an epoch, as in ``history.jsonl``.
        kept: The epoch that was kept, and what the user should know of the choice.
        best: The checkpoint that holds it.
        precision: The number format that was used.
        threads: CPU threads that were used.
    """

    history: tuple[Mapping[str, Any], ...]
    kept: Kept
    best: Path
    precision: Precision
    threads: int


def fit(
    model: nn.Module,
    objective: Objective,
    clips: PreparedClips,
    targets: Targets,
    fold: Fold,
    sampler: Sampler,
    settings: TrainSettings,
    *,
    seed: int,
    device: torch.device,
    directory: Path,
    resume: bool,
    watch: Watch,
    case_ids: Sequence[str],
    augment: Sequence[Augmentation] = (),
    metadata: Mapping[str, Any] | None = None,
    norms_given: bool = False,
    cache: FeatureCache | None = None,
    backbone: str | None = None,
) -> FitResult:
    """Train a model on one fold.

    Everything random in a step (order, windows, augmentation, dropout) follows from (seed, fold, epoch, step)
    alone. So weights, optimizer and a position are all that a checkpoint holds, and a training that was
    stopped and resumed gives the bits of one that never stopped. The caller's random state is left alone.

    Args:
        model: Called with streams and valid masks, each by stream name; gives (B, outputs). Moved to
            ``device``.
        objective: Its loss is minimised.
        clips: Prepared clips of the whole cohort.
        targets: One entry a case of the cohort.
        fold: Row positions of the training and validation cases in the cohort.
        sampler: Called with the lengths of all clips; the windows of the fold's cases are used.
        settings: How to train.
        seed: Seed of the run.
        device: Where to train.
        directory: Gets ``last/`` (until the end), ``best/`` and ``history.jsonl``.
        resume: Go on from what ``directory`` holds; else it must hold no training.
        watch: Told of every step and epoch.
        case_ids: One a case of the cohort, for messages.
        augment: Called with the streams of a batch and a generator on the device; gives streams.
        metadata: Strict JSON that is embedded in the weights (clip policy, label definition, recipe hash).
        norms_given: Whether the statistics of the batch norms come from given weights: they then stay as they are in a
            small cohort.
        cache: Where the features of a frozen backbone are kept; None keeps none.
        backbone: From `backbone_hash`, where it is known: many folds share a frozen backbone.

    Raises:
        EchokitError: A loss that is not finite, too little memory, a keep rule without validation cases, a phase
            of a part that the model lacks, a checkpoint that is damaged or of another training.
        Interrupted: SIGINT, SIGTERM or SIGHUP came; the position is saved.
    """
    require_validation(settings.keep, len(fold.val))
    if settings.early_stop and not len(fold.val):
        raise EchokitError(
            "an early stop follows the validation part, and this fold has none",
            hint="leave early_stop out, or give the resampler a validation part (val: 0.2)",
            where="train.early_stop",
        )
    _require_clips(clips.lengths, fold, case_ids)
    plan = plan_phases(settings, norms_given=norms_given, cases=len(fold.train))
    require_parts(model, [part for planned in plan for part in planned.parts], "train.phases")
    require_parts(model, settings.l1.on if settings.l1 else (), "train.l1.on")
    precision = choose_precision(device, settings.precision)
    model.to(device)
    threads = fix_threads()
    computed = {
        "device": device.type,
        "precision": precision.why,
        "threads": threads,
        "torch": str(torch.__version__),
    }
    together = processes()
    if together.count > 1 and device.type == "cuda":
        convert: Any = nn.SyncBatchNorm.convert_sync_batchnorm  # in place, names and values kept
        convert(model)
    metadata = json.loads(json.dumps(dict(metadata or {}), allow_nan=False))
    files = FoldFiles(directory, _identity(model, fold, settings, seed, metadata), metadata, computed)
    if not resume:
        files.require_empty()
    together.wait()
    directory.mkdir(parents=True, exist_ok=True)
    clip_source = ClipSource(clips, sampler, fold, seed, device, watch)
    # A backbone that is still as it was found need not be written again and again: its hash names it.
    found = (backbone or backbone_hash(model)) if plan[0].head_only else None
    untrained = found if all(phase.head_only for phase in plan) else None
    gpus = [device] if device.type == "cuda" else []
    with (
        reproducible(device, settings.deterministic),
        precision.rounding(device),
        sound_gradients(model, device),
        torch.random.fork_rng(gpus),
        stop_on_signal() as stop,
    ):
        saved = files.resume(model, plan, watch) if resume else Saved(Progress())
        progress = saved.progress
        files.write_history(progress.history)
        while (phase := current_phase(plan, progress.history)) is not None:
            before = plan[: plan.index(phase)]
            untouched = found if all(earlier.head_only for earlier in before) else None
            step = make_step(model, objective, settings, phase, precision, device, augment, together)
            source: Source = clip_source
            if phase.head_only:
                with memory_told(settings.eval_batch_size or settings.batch_size):
                    source = feature_source(
                        step, clip_source, phase, augment, cache or FeatureCache(None, ""), untouched
                    )
            if saved.phase == phase.name:
                saved.restore(step)
            untouched = untouched if phase.head_only else None
            keeper = Keeper(files, step, plan, phase, settings.keep, untouched, untrained)
            training = PhaseTraining(
                phase, step, source, targets, fold, seed, watch, tuple(case_ids), settings.epochs, keeper
            )
            if not phase.head_only:
                training.tell_cost(progress.epoch)
            progress = training.run(progress, stop)
    kept = kept_epoch(settings.keep, progress.history)
    give_memory_back()  # what only training needed: where memory is short, the file finds no room beside it
    best = files.load_best(model, kept.epoch, untrained)
    files.finish()
    if kept.note:
        watch.note(kept.note)
    if stop:  # it came after the last step: the fold is done, the run is not
        raise stop.interrupted()
    return FitResult(tuple(progress.history), kept, best, precision, threads)


def _identity(
    model: nn.Module, fold: Fold, settings: TrainSettings, seed: int, metadata: Mapping[str, Any]
) -> dict[str, Any]:
    shapes = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    return {
        "settings": settings.model_dump(mode="json"),
        "seed": seed,
        "processes": processes().count,
        "fold": fold.number,
        "training cases": zlib.crc32(fold.train.astype("<i8").tobytes()),
        "validation cases": zlib.crc32(fold.val.astype("<i8").tobytes()),
        "model": zlib.crc32(json.dumps(shapes, sort_keys=True).encode()),
        "metadata": dict(metadata),
    }


def _require_clips(lengths: Integers, fold: Fold, case_ids: Sequence[str]) -> None:
    if not len(fold.train):
        raise EchokitError(f"fold {fold.number} has no training cases")
    rows = np.concatenate([fold.train, fold.val])
    empty = rows[lengths[rows] == 0]
    if len(empty):
        raise DataError(
            f"{len(empty)} cases of fold {fold.number} have no frames, for example {case_ids[empty[0]]}",
            hint="leave them out with data.exclude",
        )
