"""Train a head alone on given features: a fold of a frozen backbone in a fraction of a second."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from echokit.system.stop_signals import stop_on_signal
from echokit.training.batches.batch_sources import FeatureSource
from echokit.training.checkpoints.epoch_selection import require_validation, select_epoch
from echokit.training.checkpoints.training_state import TrainingState
from echokit.training.context import FoldTask, TrainingContext
from echokit.training.hardware.device import Compute, choose_precision, one_thread, reproducible
from echokit.training.hardware.distributed import ALONE
from echokit.training.objectives.objective import Objective
from echokit.training.phase_trainer import PhaseTraining
from echokit.training.phases import current_phase, plan_phases
from echokit.training.settings import TrainSettings
from echokit.training.step.train_step import Step, make_step

CPU = torch.device("cpu")


class Head(nn.Module):
    """Dropout and one dense layer, with the names and initial weights of an `EchoModel`.

    Args:
        features: Width of the input.
        outputs: Number of outputs.
        dropout: Dropout rate.
        seed: Seed of the initial weights; the global random state is neither read nor changed.
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
        """Compute (B, outputs) from (B, features)."""
        outputs: Tensor = self.head(self.dropout(features))
        return outputs


@one_thread()
def fit_head(
    head: nn.Module,
    objective: Objective,
    samples: FeatureSource,
    task: FoldTask,
    settings: TrainSettings,
    *,
    seed: int = 0,
    device: torch.device = CPU,
) -> tuple[Mapping[str, Any], ...]:
    """Train a head on features, as `echokit.training.fit.fit` does in a phase with a frozen backbone.

    Nothing is written: it takes less time to train again than to resume.

    Args:
        head: Has ``answer``; moved to ``device``. Gets the weights of the selected epoch.
        objective: Its loss is minimised.
        samples: Training features, whose copies the epochs take in turn, and validation features.
        task: Targets and fold; the number of the fold seeds the steps. Clips and sampler are not used.
        settings: Every phase must train the head alone.
        seed: Seed of the run.
        device: Device of head and samples.

    Returns:
        One record for each epoch, as in ``history.jsonl``.

    Raises:
        EchokitError: A loss that is not finite, or a keep rule without validation cases.
        Interrupted: SIGINT, SIGTERM or SIGHUP came.
    """
    require_validation(settings.keep, len(samples.validation.case))
    plan = plan_phases(settings, norms_given=True, cases=len(samples.copies[0].case))
    if not all(phase.head_only for phase in plan):
        raise ValueError("fit_head trains heads: every phase has train: [head]")
    head.to(device)
    compute = Compute(device, choose_precision(device, "float32"))
    context = TrainingContext(settings, seed, compute, Path())
    state = TrainingState()
    best: dict[str, Tensor] = {}
    gpus = [device] if device.type == "cuda" else []
    with reproducible(device, settings.deterministic), torch.random.fork_rng(gpus), stop_on_signal() as stop:
        while (phase := current_phase(plan, state.history)) is not None:
            step = make_step(head, objective, phase, context, ALONE)
            writer: Any = _InMemoryWriter(step, settings, best)
            state = PhaseTraining(phase, step, samples, task, context, writer).run(state, stop)
    head.load_state_dict(best)
    return tuple(state.history)


@dataclass
class _InMemoryWriter:
    """Keeps the best weights of a head in memory, in place of a `CheckpointWriter`."""

    step: Step
    settings: TrainSettings
    best: dict[str, Tensor]

    def write_epoch(self, state: TrainingState, record: Mapping[str, Any]) -> None:
        """Copy the weights if this epoch is the selected one."""
        if select_epoch(self.settings.keep, state.history).epoch == record["epoch"]:
            with self.step.averaged():
                self.best |= {name: tensor.detach().clone() for name, tensor in self.step.model.state_dict().items()}

    def write_stop(self, state: TrainingState) -> None:
        """Write nothing."""
