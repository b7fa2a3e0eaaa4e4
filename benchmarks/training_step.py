"""Measure a training step of the two-stream ResNet18 of the reference study: plain float32 and echokit.

Each variant runs in its own process, as the allocator cannot be changed later; rounds take turns.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.timing import ratio

PLAIN, OURS = "plain float32, contiguous", "echokit"
EPOCH = 7465  # training clips of EchoNet-Dynamic
STUDY = "1,239 to 2,368 s on a P100"
PARTS = {
    "convolution": ("convolution",),
    "batch norm": ("batch_norm",),
    "ReLU": ("relu", "threshold", "clamp_min"),
    "max-pooling": ("max_pool",),
    "copies and casts": ("copy_", "fill_", "zero_", "contiguous", "cat"),
    "optimizer": ("adam", "lerp", "addc", "foreach"),
}


@dataclass(frozen=True)
class Way:
    """How a step is computed.

    Attributes:
        ours: Whether echokit's step is used, and not a plain loop.
        channels_last: Whether the tensors of a plain loop are channels last; echokit's always are.
        allocator: Whether freed memory stays in the process.
        precision: As in a recipe.
        compile: As in a recipe.
        deterministic: As in a recipe.
    """

    ours: bool = False
    channels_last: bool = False
    allocator: bool = False
    precision: str = "float32"
    compile: bool = False
    deterministic: bool = True


@dataclass(frozen=True)
class Setting:
    """Shape of the batch (``batch`` clips of ``frames`` frames of ``side`` x ``side``) and number of steps."""

    batch: int
    side: int
    frames: int
    width: int
    steps: int
    device: str


@dataclass(frozen=True)
class RoundResult:
    """Results of one round of one variant.

    Attributes:
        seconds: Duration of each step.
        cpu: Duration of each step in CPU seconds of all cores.
        memory: Peak memory in bytes.
        why: The number format and the reason for it.
        parts: Share of each part of the step.
        work: Multiply-adds of one clip, forward; 0 for a plain loop.
        peak: What the device reaches in bfloat16 matrix products, in operations a second; 0 on a CPU.
        checkpoint: Seconds to write the exact position; 0 for a plain loop.
        where: Name of the device.
    """

    seconds: list[float]
    cpu: list[float]
    memory: int
    why: str
    parts: dict[str, float]
    work: int
    peak: float
    checkpoint: float
    where: str


def measure(
    *,
    seed: int,
    repetitions: int = 5,
    steps: int = 2,
    batch: int = 4,
    side: int = 112,
    frames: int = 38,
    width: int = 64,
    device: str = "auto",
    compiled: bool = False,
) -> dict[str, Any]:
    """Measure ``training_step``.

    Args:
        seed: Not used: speed does not depend on the numbers.
        repetitions: Rounds.
        steps: Timed in each round, after one that is not.
        batch: Clips of a step.
        side: Height and width.
        frames: Of a clip.
        width: Filters of the stem; the study's are 64.
        device: ``auto``, ``cpu`` or ``cuda``.
        compiled: Also with torch.compile, which takes minutes.
    """
    import torch

    gpu = device == "cuda" or (device == "auto" and torch.cuda.is_available())
    setting = Setting(batch, side, frames, width, steps, "cuda" if gpu else "cpu")
    ways = ways_on(gpu=gpu, compiled=compiled)
    rounds: dict[str, list[RoundResult]] = {name: [] for name in ways}
    for _ in range(repetitions):
        for name, way in ways.items():
            rounds[name].append(_in_own_process(way, setting))
    return _report(rounds, setting)


def ways_on(*, gpu: bool, compiled: bool) -> dict[str, Way]:
    """The ways that make a difference on a device."""
    ours = Way(ours=True, allocator=True, precision="auto")
    ways = {PLAIN: Way(), "the same, channels last": Way(channels_last=True)}
    if gpu:
        ways["echokit in TF32"] = Way(ours=True, allocator=True, precision="tf32")
        ways["echokit, deterministic: false"] = Way(ours=True, allocator=True, precision="auto", deterministic=False)
    else:
        ways["channels last, freed memory kept"] = Way(channels_last=True, allocator=True)
        ways["echokit in float32"] = Way(ours=True, allocator=True)
    ways[OURS] = ours
    if compiled:
        ways["echokit, compiled"] = Way(ours=True, allocator=True, precision="auto", compile=True)
    return ways


def _report(rounds: Mapping[str, Sequence[RoundResult]], setting: Setting) -> dict[str, Any]:
    seconds = {name: statistics.median(s for result in all_ for s in result.seconds) for name, all_ in rounds.items()}
    cpu = {name: statistics.median(s for result in all_ for s in result.cpu) for name, all_ in rounds.items()}
    first = {name: all_[0] for name, all_ in rounds.items()}
    ours, plain = first[OURS], first[PLAIN]
    numbers = {f"clips a second: {name}": setting.batch / value for name, value in seconds.items()}
    numbers["seconds to write a checkpoint"] = statistics.median(result.checkpoint for result in rounds[OURS])
    operations = 6 * ours.work * setting.batch  # a multiply-add is two; backward does twice the forward pass's
    notes = [
        f"echokit computes in {ours.why}.",
        f"The exact position (weights and optimizer) is on disk {numbers['seconds to write a checkpoint']:.1f} s after "
        "a step at which it is requested.",
    ]
    if ours.peak:
        numbers["share of the bfloat16 matrix peak"] = operations / seconds[OURS] / ours.peak
        numbers["seconds for an epoch of EchoNet-Dynamic"] = EPOCH / setting.batch * seconds[OURS]
        notes.append(
            f"{numbers['share of the bfloat16 matrix peak']:.0%} of the {ours.peak / 1e12:.0f} Tflop/s that a bfloat16 "
            f"matrix product reached in the same process. An epoch of {EPOCH:,} clips takes "
            f"{numbers['seconds for an epoch of EchoNet-Dynamic']:.0f} s at this speed; the study's took {STUDY}."
        )
    else:
        numbers["operations a second and core, in 1e9"] = operations / cpu[OURS] / 1e9
        numbers["times fewer CPU seconds"] = cpu[PLAIN] / cpu[OURS]
        notes.append(f"In seconds of all cores together echokit takes {cpu[PLAIN] / cpu[OURS]:.2f} times fewer.")
    return {
        "title": "A training step",
        "about": (
            f"Two-stream ResNet18 of width {setting.width}, {setting.frames} frames of {setting.side} x "
            f"{setting.side}, {setting.batch} clips a step, forward, backward and Adam, on {ours.where}. The plain "
            "loop has the same layers. Random pixels: this says nothing of how well anything learns."
        ),
        "tables": [
            {
                "head": ["way", "clips/s", "s/step", "CPU s/step", "memory, GB"],
                "rows": [
                    [
                        name,
                        f"{setting.batch / value:.2f}",
                        f"{value:.3f}",
                        f"{cpu[name]:.3f}",
                        f"{statistics.median(result.memory for result in rounds[name]) / 1e9:.1f}",
                    ]
                    for name, value in seconds.items()
                ],
            },
            {
                "head": ["part of the step", PLAIN, OURS],
                "rows": [
                    [part, f"{1000 * plain.parts[part] * seconds[PLAIN]:.0f} ms ({plain.parts[part]:.0%})",
                     f"{1000 * ours.parts[part] * seconds[OURS]:.0f} ms ({ours.parts[part]:.0%})"]
                    for part in ours.parts
                ],
            },
        ],
        "numbers": numbers,
        "notes": notes,
        "ratios": [
            ratio(
                "a training step of the two-stream ResNet18",
                "float32, contiguous tensors, torch's defaults",
                ours=seconds[OURS],
                usual=seconds[PLAIN],
                asked=4.0 if setting.device == "cuda" or "AMX" in ours.why else None,
                note="" if setting.device == "cuda" else "asked: 4 on a CPU with AMX",
            )
        ],
    }  # fmt: skip


def _in_own_process(way: Way, setting: Setting) -> RoundResult:
    request = json.dumps({"way": asdict(way), "setting": asdict(setting)})
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.training_step", request], check=True, capture_output=True, text=True
    )
    return RoundResult(**json.loads(done.stdout.splitlines()[-1]))


def work(way: Way, setting: Setting) -> RoundResult:
    """Measure one way, in a process that has not imported torch."""
    from echokit.system.malloc import tune_allocator

    if way.allocator:
        tune_allocator()
    import torch

    from echokit.system.environment import environment
    from echokit.training.hardware.device import choose_device, fix_threads

    fix_threads()
    device = choose_device(setting.device)
    made = _ours(way, setting, device) if way.ours else _plain(way, setting, device)
    with made as (step, why, multiply_adds, save):
        seconds, cpu = _timed(step, setting.steps, device)
        gpu = device.type == "cuda"
        memory = torch.cuda.max_memory_allocated() if gpu else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return RoundResult(
            seconds,
            cpu,
            int(memory),
            why,
            _parts(step, device),
            multiply_adds,
            _matrix_peak(device) if gpu else 0.0,
            save(),
            torch.cuda.get_device_name() if gpu else f"{environment()['processor']}, {torch.get_num_threads()} threads",
        )


Made = tuple[Callable[[], object], str, int, Callable[[], float]]


@contextmanager
def _plain(way: Way, setting: Setting, device: Any) -> Iterator[Made]:
    import torch
    from torch import nn

    from echokit.models.backbones.preact_blocks import PreActResNet3D

    streams, classes = _batch(setting, device)
    nets = nn.ModuleList(
        PreActResNet3D(channels, (2, 2, 2, 2), bottleneck=False, width=setting.width, dropout=0.0)
        for channels in (1, 2)
    )
    head = nn.Linear(2 * 8 * setting.width, 2)
    model = nn.ModuleDict({"nets": nets, "head": head}).to(device)
    if way.channels_last:
        model.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    optimizer = torch.optim.Adam(model.parameters(), 1e-4)

    def step() -> float:
        optimizer.zero_grad()
        ready = [(stream - 1.0) / 2.0 for stream in streams.values()]
        if way.channels_last:
            ready = [stream.contiguous(memory_format=torch.channels_last_3d) for stream in ready]
        features = torch.cat([net(stream) for net, stream in zip(nets, ready, strict=True)], 1)
        loss = nn.functional.cross_entropy(head(features), classes)
        torch.autograd.backward(loss)
        optimizer.step()
        return loss.item()

    yield step, "float32", 0, lambda: 0.0


@contextmanager
def _ours(way: Way, setting: Setting, device: Any) -> Iterator[Made]:
    import numpy as np
    import torch

    from echokit.data.cohort.targets import Targets
    from echokit.models.backbones.preact_resnet import ResNet18
    from echokit.models.cost import multiply_adds
    from echokit.models.echo_model import build_model
    from echokit.models.fusions.fusions import TwoStream
    from echokit.models.input_shape import InputShape
    from echokit.models.norm import Norm
    from echokit.training.batches.batches import Batch
    from echokit.training.checkpoints.training_state import FoldFiles, TrainingState
    from echokit.training.context import TrainingContext
    from echokit.training.hardware.conv3d_fix import avoid_conv3d_gradient_bug
    from echokit.training.hardware.device import Compute, choose_precision, reproducible
    from echokit.training.hardware.distributed import ALONE
    from echokit.training.objectives.cross_entropy import CrossEntropy
    from echokit.training.phases import plan_phases
    from echokit.training.settings import TrainSettings
    from echokit.training.step.train_step import MicroBatch, make_step

    streams, classes = _batch(setting, device)
    shapes = {
        name: InputShape(stream.shape[1], stream.shape[2], setting.side, setting.side)
        for name, stream in streams.items()
    }
    norms = {name: Norm((1.0,) * shape.channels, (2.0,) * shape.channels) for name, shape in shapes.items()}
    model = build_model(TwoStream(), ResNet18(width=setting.width), shapes, 2, norms, seed=0)
    cost = multiply_adds(model, shapes)
    model.to(device)
    settings = TrainSettings.model_validate({"epochs": 1, "batch_size": setting.batch, "compile": way.compile})
    [phase] = plan_phases(settings, norms_given=False, cases=1000)
    precision = choose_precision(device, way.precision)
    y_true = np.arange(setting.batch) % 2
    objective = CrossEntropy()(Targets(y_true, y_true.astype(np.float64)))
    context = TrainingContext(settings, 0, Compute(device, precision), Path())
    step = make_step(model, objective, phase, context, ALONE)
    valid = {name: torch.ones(s.shape[0], s.shape[2], dtype=torch.bool, device=device) for name, s in streams.items()}
    micro_batch = MicroBatch(Batch(streams, valid, np.arange(setting.batch)), classes, classes.float(), 0)
    model.train()

    def save() -> float:
        with tempfile.TemporaryDirectory(prefix="echokit-bench-") as folder:
            started = time.perf_counter()
            FoldFiles(Path(folder), {}, {}, {}).save_last(step, TrainingState(), "all", None)
            return time.perf_counter() - started

    with reproducible(device, way.deterministic), precision.rounding(device), avoid_conv3d_gradient_bug(model, device):
        yield lambda: step([micro_batch], setting.batch, 1e-4), precision.why, cost, save


def _batch(setting: Setting, device: Any) -> tuple[dict[str, Any], Any]:
    import torch

    torch.manual_seed(0)
    size = (setting.side, setting.side)
    streams = {
        "video": torch.rand(setting.batch, 1, setting.frames, *size, device=device) * 255,
        "flow": torch.randn(setting.batch, 2, setting.frames - 1, *size, device=device),
    }
    return streams, torch.arange(setting.batch, device=device) % 2


def _timed(step: Callable[[], object], steps: int, device: Any) -> tuple[list[float], list[float]]:
    import torch

    seconds, cpu = [], []
    for _ in range(1 + steps):  # the first one takes memory, chooses algorithms, compiles
        started, spent = time.perf_counter(), time.process_time()
        step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
        cpu.append(time.process_time() - spent)
    return seconds[1:], cpu[1:]


def _parts(step: Callable[[], object], device: Any) -> dict[str, float]:
    """Share of the time of one step that each part takes, by torch's own profiler."""
    from torch.autograd import DeviceType
    from torch.profiler import ProfilerActivity, profile

    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])]
    with profile(activities=activities) as profiler:
        step()
    clock = "self_device_time_total" if device.type == "cuda" else "self_cpu_time_total"
    spent = dict.fromkeys([*PARTS, "all else"], 0.0)
    for event in profiler.key_averages():
        if event.device_type == DeviceType.CPU:
            name = event.key.lower()
            part = next((part for part, keys in PARTS.items() if any(key in name for key in keys)), "all else")
            spent[part] += getattr(event, clock)
    return {part: value / sum(spent.values()) for part, value in spent.items()}


def _matrix_peak(device: Any) -> float:
    import torch

    n, repeats = 8192, 20
    a = torch.randn(n, n, device=device, dtype=torch.bfloat16)
    for _ in range(3):
        a @ a
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(repeats):
        a @ a
    torch.cuda.synchronize()
    return 2 * n**3 * repeats / (time.perf_counter() - started)


if __name__ == "__main__":
    request = json.loads(sys.argv[1])
    print(json.dumps(asdict(work(Way(**request["way"]), Setting(**request["setting"])))))
