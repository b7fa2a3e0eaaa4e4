"""A head alone, on features that are at hand: a fold of a frozen backbone in a fraction of a second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from echokit.cohort.cohort import Fold
from echokit.objectives.objective import Objective, Targets
from echokit.training.data import Integers
from echokit.training.device import choose_precision, one_thread, reproducible
from echokit.training.epoch import PhaseTraining
from echokit.training.features import FeatureSamples
from echokit.training.keep import SelectedEpoch, require_validation, select_epoch
from echokit.training.phases import current_phase, plan_phases
from echokit.training.processes import ALONE
from echokit.training.progress import Progress
from echokit.training.samples import FeatureSource
from echokit.training.settings import TrainSettings
from echokit.training.signals import stop_on_signal
from echokit.training.step import Step, make_step
from echokit.training.watch import TrainingCallback


class Head(nn.Module):
    """Dropout and one dense layer, with the names and the start that they have in an `EchoModel`.

    Args:
        features: Width of the input.
        outputs: Numbers to give.
        dropout: Rate of features dropped.
        seed: Of the initial weights; the global random state is neither read nor moved.
    """

    def __init__(self, features: int, outputs: int, *, dropout: float, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self.dropout = nn.Dropout(dropout)
            self.head = nn.Linear(features, outputs)
            nn.init.xavier_uniform_(self.head.weight)
            nn.init.zeros_(self.head.bias)

    def answer(self, features: Tensor) -> Tensor:
        """(B, features) to (B, outputs)."""
        outputs: Tensor = self.head(self.dropout(features))
        return outputs


@dataclass(frozen=True, slots=True)
class HeadFit:
    """A head that was trained; the one given to `fit_head` now has the kept weights.

    Attributes:
        history: One record an epoch.
        kept: The epoch that was kept.
    """

    history: tuple[Mapping[str, Any], ...]
    kept: SelectedEpoch


@one_thread()
def fit_head(
    head: nn.Module,
    objective: Objective,
    copies: Tensor,
    case: Integers,
    targets: Targets,
    fold: Fold,
    settings: TrainSettings,
    *,
    seed: int,
    device: torch.device,
    watch: TrainingCallback,
    case_ids: Sequence[str],
    validation: tuple[Tensor, Integers] | None = None,
) -> HeadFit:
    """Train a head on features, as `echokit.training.loop.fit` does in a phase whose backbone is frozen.

    Nothing is written: it takes less time to train again than to resume.

    Args:
        head: Has ``answer``; moved to ``device``.
        objective: Its loss is minimised.
        copies: (copies, n, features) float32 of the training samples; the epochs take the copies in turn.
        case: (n,) int64 case of each sample.
        targets: One entry a case of the cohort.
        fold: Its number seeds the steps; its validation cases are those of ``validation``.
        settings: Every phase must train the head alone.
        seed: Of the run.
        device: Where to train.
        watch: Told of every step and epoch.
        case_ids: One a case of the cohort, for messages.
        validation: (m, features) float32 and (m,) int64 cases; None where there is no validation part.

    Raises:
        EchokitError: A loss that is not finite, or a keep rule without validation cases.
        Interrupted: SIGINT, SIGTERM or SIGHUP came.
    """
    nothing = (copies.new_zeros((0, copies.shape[-1])), case[:0])
    val_values, val_case = validation or nothing
    require_validation(settings.keep, len(val_case))
    plan = plan_phases(settings, norms_given=True, cases=len(case))
    if not all(phase.head_only for phase in plan):
        raise ValueError("fit_head trains heads: every phase has train: [head]")
    head.to(device)
    source = FeatureSource(
        tuple(FeatureSamples(case, copy.to(device)) for copy in copies),
        FeatureSamples(val_case, val_values.to(device)),
    )
    precision = choose_precision(device, "float32")
    progress = Progress()
    best: dict[str, Tensor] = {}
    gpus = [device] if device.type == "cuda" else []
    with reproducible(device, settings.deterministic), torch.random.fork_rng(gpus), stop_on_signal() as stop:
        while (phase := current_phase(plan, progress.history)) is not None:
            step = make_step(head, objective, settings, phase, precision, device, (), ALONE)
            keeper = _InMemory(step, settings, best)
            training = PhaseTraining(
                phase, step, source, targets, fold, seed, watch, tuple(case_ids), settings.epochs, keeper
            )
            progress = training.run(progress, stop)
    head.load_state_dict(best)
    return HeadFit(tuple(progress.history), select_epoch(settings.keep, progress.history))


@dataclass
class _InMemory:
    """Keeps the best weights of a head; see `echokit.training.keeper.CheckpointWriter`."""

    step: Step
    settings: TrainSettings
    best: dict[str, Tensor]

    def epoch(self, progress: Progress, record: Mapping[str, Any]) -> None:
        if select_epoch(self.settings.keep, progress.history).epoch == record["epoch"]:
            with self.step.averaged():
                self.best |= {name: tensor.detach().clone() for name, tensor in self.step.model.state_dict().items()}

    def stop(self, progress: Progress) -> None:
        pass
