"""The two values that `fit` takes beside model and objective: what one fold learns, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from echokit.data.clips.prepared_clips import PreparedClips
from echokit.data.cohort.cohort import Fold
from echokit.data.cohort.targets import Targets
from echokit.training.batches.augment import Augmentation
from echokit.training.batches.features import FeatureCache
from echokit.training.callback import NoCallback, TrainingCallback
from echokit.training.epoch_metric import EpochMetric
from echokit.training.hardware.device import Compute
from echokit.training.phases import LOWER
from echokit.training.settings import TrainSettings

if TYPE_CHECKING:
    from echokit.training.batches.batch_sources import Sampler


@dataclass(frozen=True)
class FoldTask:
    """What one fold learns.

    Attributes:
        clips: Prepared clips of the whole cohort.
        targets: One entry for each case of the cohort.
        fold: Row positions of the training and validation cases in the cohort.
        case_ids: One for each case of the cohort, for messages.
        sampler: Called with the lengths of all clips; the windows of the fold's cases are used.
    """

    clips: PreparedClips
    targets: Targets
    fold: Fold
    case_ids: tuple[str, ...]
    sampler: Sampler


@dataclass(frozen=True)
class TrainingContext:
    """How one fold is trained.

    Attributes:
        settings: The recipe's ``train``.
        seed: Seed of the run.
        compute: Device and precision.
        directory: Gets ``last/``, ``best/`` and ``history.jsonl``. ``last/`` stays only if more epochs can follow.
        resume: Continue from the content of ``directory``; otherwise it must hold no training.
        callback: Called after every step and epoch.
        augment: Called with the streams of a batch and a generator on the device; each returns streams.
        metadata: Strict JSON that is embedded in the weights (clip policy, label definition, recipe hash).
        norms_given: Whether the statistics of the batch norms come from initial weights; in a small cohort they then
            stay as they are.
        cache: Where the features of a frozen backbone are stored; None stores none.
        backbone_hash: Hash of the backbone, if it is known: many folds share a frozen one.
        metrics: Computed after each epoch, for ``keep`` and ``early_stop``.
        extends: The same training with fewer epochs, each as it was: its checkpoints are continued.
    """

    settings: TrainSettings
    seed: int
    compute: Compute
    directory: Path
    resume: bool = False
    callback: TrainingCallback = field(default_factory=NoCallback)
    augment: tuple[Augmentation, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    norms_given: bool = False
    cache: FeatureCache | None = None
    backbone_hash: str | None = None
    metrics: tuple[EpochMetric, ...] = ()
    extends: tuple[TrainingContext, ...] = ()

    @property
    def lower(self) -> frozenset[str]:
        """The numbers of a history of which less is better."""
        return LOWER | {metric.name for metric in self.metrics if not metric.larger_is_better}
