"""What deterministic algorithms cost is measured without leaving a trace in the training."""

from __future__ import annotations

import re
import warnings

import numpy as np
import torch

from echokit.sampling.window import Window
from echokit.training.data import in_batches, read_batches
from echokit.training.device import choose_precision
from echokit.training.phases import plan_phases
from echokit.training.processes import ALONE
from echokit.training.same_bits import determinism_cost
from echokit.training.settings import TrainSettings
from echokit.training.step import MicroBatch, make_step

from .blobs import CASES, Blobs, Tiny, TwoClasses

CPU = torch.device("cpu")


def test_the_cost_is_a_ratio_and_what_has_no_deterministic_form_is_named() -> None:
    def attempt() -> None:
        warnings.warn("max_pool3d_backward_cuda does not have a deterministic implementation, but ...", stacklevel=1)

    told = determinism_cost(attempt, CPU)
    assert re.match(r"deterministic: a training step takes \d+\.\d\d times as long \(measured\); torch has no", told)
    assert "max_pool3d_backward_cuda" in told
    assert "can still differ" not in determinism_cost(lambda: None, CPU)


def test_a_step_that_is_tried_leaves_no_trace() -> None:
    clips, model = Blobs(CASES), Tiny()
    settings = TrainSettings.model_validate({"epochs": 1})
    [phase] = plan_phases(settings, norms_given=False, cases=4)
    precision = choose_precision(CPU, "float32")
    step = make_step(model, TwoClasses(), settings, phase, precision, CPU, (), ALONE)
    [batch] = read_batches(clips, Window(frames=5)(clips.lengths, "train", 1, 0), in_batches(np.arange(4), 4), CPU)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.train()
    step.dry_run(MicroBatch(batch, torch.arange(4) % 2, torch.zeros(4), 0), 4)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    step.learn(MicroBatch(batch, torch.arange(4) % 2, torch.zeros(4), 0), 4)
    assert not torch.equal(model.norm.running_mean, before["norm.running_mean"])
