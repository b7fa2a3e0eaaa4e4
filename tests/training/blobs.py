"""A small dataset in memory (moving and still blobs), a small model, and one fold to train on."""

from __future__ import annotations

import json
import os
import signal
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from echokit.data.cohort.cohort import Fold
from echokit.data.cohort.targets import Targets
from echokit.data.sampling.window_sampler import Window
from echokit.data.sampling.windows import PADDING
from echokit.models.weights.weight_files import load_weights
from echokit.training.callback import NoCallback, StepProgress
from echokit.training.context import FoldTask, TrainingContext
from echokit.training.fit import FitResult, fit
from echokit.training.hardware.device import Compute, choose_precision
from echokit.training.objectives.objective import Objective
from echokit.training.settings import TrainSettings

SIZE = 12
CPU = torch.device("cpu")
COMPUTE = Compute(CPU, choose_precision(CPU, "float32"))
CLOCK = {"seconds", "clips_per_second"}
"""Keys of a history record that differ between equal trainings."""


class Blobs:
    """Clips of a bright blob that moves (odd cases) or stays (even); flow is the frame difference, twice."""

    def __init__(self, cases: int, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.lengths = rng.integers(5, 12, cases)
        self.channels: Mapping[str, int] = {"video": 1, "flow": 2}
        self.size = (SIZE, SIZE)
        self.scales = rng.uniform(0.5, 2.0, cases)
        self.videos = [self._video(case, rng) for case in range(cases)]

    def _video(self, case: int, rng: np.random.Generator) -> np.ndarray:
        y, x = np.mgrid[:SIZE, :SIZE]
        centre = rng.uniform(3, 6, 2)
        speed = rng.uniform(0.3, 0.6) * (case % 2)
        frames = [
            np.hypot(y - centre[0] - speed * t, x - centre[1] - speed * t) < 2.5 for t in range(self.lengths[case])
        ]
        return (np.array(frames) * 180 + rng.integers(0, 20, (len(frames), SIZE, SIZE))).astype(np.uint8)

    def identity(self, case: int) -> str:
        return f"blob {case} {zlib.crc32(self.videos[case].tobytes())}"

    def read(self, case: int, frames: np.ndarray) -> dict[str, tuple[np.ndarray, float]]:
        real = frames != PADDING
        video = np.where(real[:, None, None], self.videos[case][frames], 0).astype(np.uint8)
        change = (np.diff(video.astype(np.int16), axis=0) // 2).astype(np.int8)
        change[~real[1:]] = 0
        return {"video": (video[None], 1.0), "flow": (np.stack([change, -change]), float(self.scales[case]))}


class Tiny(nn.Module):
    """Two small convolutions, batch norm and dropout over both streams."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.video = nn.Conv3d(1, 4, 3, padding=1)
        self.flow = nn.Conv3d(2, 4, 3, padding=1).to(memory_format=torch.channels_last_3d)
        self.norm = nn.BatchNorm3d(4)
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(8, 2)

    def forward(self, streams: Mapping[str, Tensor], valid: Mapping[str, Tensor]) -> Tensor:
        return self.answer(self.encode(streams, valid))

    def answer(self, features: Tensor) -> Tensor:
        return self.head(self.dropout(features))

    def encode(self, streams: Mapping[str, Tensor], valid: Mapping[str, Tensor]) -> Tensor:
        video = self.video(streams["video"] / 100)
        flow = self.norm(self.flow(streams["flow"] / 50))
        return torch.cat([s.relu().mean((2, 3, 4)) for s in (video, flow)], 1)


class TwoClasses(Objective):
    """Cross-entropy on two outputs, with weights by class."""

    outputs = 2
    probability = True

    def loss(self, outputs: Tensor, y_true: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        weights = torch.tensor([0.8, 1.2], device=outputs.device)[y_true]
        return (nn.functional.cross_entropy(outputs, y_true, reduction="none") * weights).sum(), weights.sum()

    def score(self, outputs: Tensor) -> Tensor:
        return outputs.softmax(1)[:, 1]


CASES = 30
FOLD = Fold(3, 0, np.arange(0, 18), np.arange(18, 24), np.arange(24, 30))
NAMES = [f"case-{row}" for row in range(CASES)]


def targets() -> Targets:
    return Targets(np.arange(CASES) % 2, np.full(CASES, np.nan))


def shake(streams: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
    """An augmentation that draws from its generator."""
    noise = {k: torch.randn(v.shape, generator=generator) for k, v in streams.items()}
    return {k: v + noise[k] for k, v in streams.items()}


def train(directory: Path, *, model: nn.Module | None = None, fold: Fold = FOLD, **changes: object) -> FitResult:
    """Fit the tiny model for three epochs of five steps; ``changes`` go to the settings, the task or the context."""
    settings = {
        "epochs": 3, "batch_size": 4, "optimizer": {"lr": 0.02}, "l2_conv": 1e-4, "clip_gradients": 5.0,
    }  # fmt: skip
    task = {"clips": Blobs(CASES), "targets": targets(), "sampler": Window(frames=6, start="random")}
    context = {
        "seed": 7, "device": CPU, "resume": False, "callback": NoCallback(), "augment": (shake,),
        "metadata": {"recipe": "blobs"}, "cache": None, "extends": (), "metrics": (),
    }  # fmt: skip
    objective = changes.pop("objective", TwoClasses())
    for name, value in changes.items():
        next(group for group in (task, context, settings) if group is settings or name in group)[name] = value
    train_settings = TrainSettings.model_validate(settings)
    device = context.pop("device")
    compute = Compute(device, choose_precision(device, train_settings.precision))
    return fit(
        model or Tiny(),
        objective,
        FoldTask(fold=fold, case_ids=tuple(NAMES), **task),
        TrainingContext(train_settings, compute=compute, directory=directory, **context),
    )


class RecordingCallback(NoCallback):
    """Record steps, epochs and warnings, and optionally send a signal after a step or an epoch.

    Args:
        stop_at: Number of the step or epoch after which the signal is sent.
        signum: The signal.
        after: ``step`` or ``epoch``.
    """

    def __init__(self, stop_at: int | None = None, signum: int = signal.SIGINT, after: str = "step") -> None:
        self.steps, self.epochs, self.warnings = [], [], []
        self.stop_at, self.signum, self.after = stop_at, signum, after

    def on_step_end(self, progress: StepProgress) -> None:
        self.steps.append(progress)
        if self.after == "step" and len(self.steps) == self.stop_at:
            os.kill(os.getpid(), self.signum)

    def on_epoch_end(self, record: Mapping[str, object]) -> None:
        self.epochs.append(dict(record))
        if self.after == "epoch" and len(self.epochs) == self.stop_at:
            os.kill(os.getpid(), self.signum)

    def on_warning(self, message: str) -> None:
        self.warnings.append(message)


def bits(directory: Path) -> tuple[dict[str, bytes], list[dict]]:
    """Read the weights of the selected epoch and the history without its times."""
    tensors, _ = load_weights(directory / "best" / "model.safetensors")
    lines = [json.loads(line) for line in (directory / "history.jsonl").read_text().splitlines()]
    history = [{k: v for k, v in line.items() if k not in CLOCK} for line in lines]
    return {name: tensor.numpy().tobytes() for name, tensor in tensors.items()}, history
