"""Measuring the cost of determinism leaves the training unchanged."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
import torch

from echokit.data.sampling.window_sampler import Window
from echokit.training.batches.batches import in_batches, read_batches
from echokit.training.context import TrainingContext
from echokit.training.hardware.determinism_cost import determinism_cost
from echokit.training.hardware.distributed import ALONE
from echokit.training.phases import plan_phases
from echokit.training.settings import TrainSettings
from echokit.training.step.train_step import MicroBatch, make_step

from .blobs import CASES, COMPUTE, CPU, Blobs, Tiny, TwoClasses


def test_cost_names_operations_that_are_not_deterministic() -> None:
    def attempt() -> None:
        warnings.warn("max_pool3d_backward_cuda does not have a deterministic implementation, but ...", stacklevel=1)

    message = determinism_cost(attempt, CPU)
    assert re.search(r"\d+\.\d\d times", message)
    assert "max_pool3d_backward_cuda" in message
    assert len(determinism_cost(lambda: None, CPU)) < len(message)


def test_dry_run_leaves_the_training_unchanged(tmp_path: Path) -> None:
    clips, model = Blobs(CASES), Tiny()
    settings = TrainSettings.model_validate({"epochs": 1})
    [phase] = plan_phases(settings, norms_given=False, cases=4)
    step = make_step(model, TwoClasses(), phase, TrainingContext(settings, 0, COMPUTE, tmp_path), ALONE)
    [batch] = read_batches(clips, Window(frames=5)(clips.lengths, "train", 1, 0), in_batches(np.arange(4), 4), CPU)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.train()
    step.dry_run(MicroBatch(batch, torch.arange(4) % 2, torch.zeros(4), 0), 4)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    step.accumulate_gradients(MicroBatch(batch, torch.arange(4) % 2, torch.zeros(4), 0), 4)
    assert not torch.equal(model.norm.running_mean, before["norm.running_mean"])
