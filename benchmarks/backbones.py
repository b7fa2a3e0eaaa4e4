"""What every backbone costs on this machine: parameters, multiply-adds, clips a second, memory.

Each backbone is measured in a process of its own, on the grey stream, with the number format that echokit would choose;
the rounds are interleaved, so that a slow minute of the machine does not fall on one of them.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

BATCH = 4  # clips a step
LIMIT = 600  # seconds for one backbone in one round


@dataclass(frozen=True)
class Setting:
    """What is measured: ``steps`` steps on clips of ``frames`` of ``side`` x ``side``, from weights of ``seed``."""

    frames: int
    side: int
    steps: int
    seed: int


@dataclass(frozen=True)
class Cost:
    """What one round found of one backbone.

    Attributes:
        name: In the registry.
        parameters: Trainable numbers, the head of two outputs among them.
        multiply_adds: Of one clip, forward.
        train, infer: Clips a second, the median step.
        memory: Largest memory of the training beyond that of the libraries, in bytes.
        where: On which device, and in which number format.
        problem: Why there are no numbers.
    """

    name: str
    parameters: int = 0
    multiply_adds: int = 0
    train: float = 0.0
    infer: float = 0.0
    memory: float = 0.0
    where: str = ""
    problem: str = ""


def measure(
    *,
    seed: int,
    repetitions: int = 3,
    backbones: Sequence[str] | None = None,
    frames: int = 16,
    side: int = 56,
    steps: int = 3,
) -> dict[str, Any]:
    """The measure ``backbone_costs``.

    Args:
        seed: Of the weights.
        repetitions: Rounds through all backbones.
        backbones: Only these; None for all that are registered.
        frames, side: Of the clips.
        steps: Of a round, after one that is not counted.
    """
    from echokit.plugins.discovery import installed

    names = backbones or [component.name for component in installed().registry.components(["backbone"])]
    setting = Setting(frames, side, steps, seed)
    rounds = [[_in_own_process(name, setting) for name in names] for _ in range(repetitions)]
    costs = sorted((_middle(found) for found in zip(*rounds, strict=True)), key=lambda cost: -cost.train)
    where = next((cost.where for cost in costs if cost.where), "no device")
    return {
        "title": "Backbones",
        "about": (
            f"One stream of {frames} frames of {side} x {side}, {BATCH} clips a step, on {where}. Medians of "
            f"{repetitions} x {steps} steps, each round in a process of its own. `timm` is its default, "
            "resnet18 with the mean over time. Multiply-adds: convolutions and matrix products of one clip, forward. "
            "Memory: the most that training took beyond the libraries. Random pixels: this says nothing of how well a "
            "backbone learns."
        ),
        "tables": [
            {
                "head": [
                    "backbone",
                    "parameters (M)",
                    "multiply-adds (G)",
                    "training (clips/s)",
                    "inference (clips/s)",
                    "memory (GB)",
                ],
                "rows": [_row(cost) for cost in costs],
            }
        ],
        "numbers": {f"clips/s in training: {cost.name}": cost.train for cost in costs if not cost.problem},
    }


def _row(cost: Cost) -> list[str]:
    if cost.problem:
        return [cost.name, cost.problem, "", "", "", ""]
    numbers = [f"{cost.parameters / 1e6:.1f}", f"{cost.multiply_adds / 1e9:.2f}", f"{cost.train:.2f}"]
    return [cost.name, *numbers, f"{cost.infer:.2f}", f"{cost.memory / 1e9:.2f}"]


def _middle(rounds: Sequence[Cost]) -> Cost:
    """The median of the rounds; of a backbone that failed once, the failure."""
    if failed := [cost for cost in rounds if cost.problem]:
        return failed[0]
    numbers = {key: statistics.median(getattr(cost, key) for cost in rounds) for key in ("train", "infer", "memory")}
    return Cost(**{**asdict(rounds[0]), **numbers})


def _in_own_process(name: str, setting: Setting) -> Cost:
    """Measure one backbone in a process of its own; what goes wrong is its row."""
    call = [sys.executable, "-m", "benchmarks.backbones", name, json.dumps(asdict(setting))]
    root = Path(__file__).parents[1]
    try:
        done = subprocess.run(call, cwd=root, capture_output=True, text=True, timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired:
        return Cost(name, problem=f"took more than {LIMIT} s")
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"ended with {done.returncode}"]
        return Cost(name, problem=lines[-1][:160])
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def cost_of(name: str, setting: Setting) -> Cost:
    """Measure one backbone in this process, which must be fresh for the memory to be its own."""
    from echokit.system.malloc import tune_allocator

    tune_allocator()  # as every command of echokit does, before torch is there
    import torch
    from torch import nn

    from echokit.models.cost import count_parameters, multiply_adds
    from echokit.models.echo_model import build_model
    from echokit.models.fusions.fusions import SingleStream
    from echokit.models.input_shape import InputShape
    from echokit.models.norm import Norm
    from echokit.plugins.discovery import installed
    from echokit.system.environment import environment
    from echokit.training.hardware.conv3d_fix import avoid_conv3d_gradient_bug
    from echokit.training.hardware.device import choose_device, choose_precision, fix_threads

    fix_threads()
    chosen = choose_device("auto")
    precision = choose_precision(chosen, "auto")
    shape = {"video": InputShape(1, setting.frames, setting.side, setting.side)}
    backbone = installed().registry.get("backbone", name).load()()
    before = _memory(chosen)
    model = build_model(SingleStream(), backbone, shape, 2, {"video": Norm((33.0,), (50.0,))}, seed=setting.seed)
    work = multiply_adds(model, shape)
    model.to(chosen)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-5, fused=True)
    streams = {"video": torch.rand(BATCH, 1, setting.frames, setting.side, setting.side, device=chosen) * 255}
    valid = {"video": torch.ones(BATCH, setting.frames, dtype=torch.bool, device=chosen)}
    classes = torch.arange(BATCH, device=chosen) % 2

    def infer() -> None:
        with torch.no_grad(), precision.context(chosen):
            model(streams, valid).sum().item()

    def train() -> None:
        with precision.context(chosen):
            outputs = model(streams, valid)
        loss = nn.functional.cross_entropy(outputs.float(), classes)
        torch.autograd.backward(loss)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        loss.item()

    with avoid_conv3d_gradient_bug(model, chosen):
        trained = BATCH / _median(train, setting.steps)
    memory = _memory(chosen) - before
    model.eval()
    inferred = BATCH / _median(infer, setting.steps)
    device = torch.cuda.get_device_name() if chosen.type == "cuda" else environment()["processor"]
    kind = str(precision.dtype).removeprefix("torch.")
    return Cost(name, count_parameters(model)[0], work, trained, inferred, memory, f"{device}, {kind}")


def _median(work: Callable[[], None], steps: int) -> float:
    work()  # the first step allocates and chooses algorithms
    seconds = []
    for _ in range(steps):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def _memory(device: Any) -> int:
    if device.type == "cuda":
        import torch

        return int(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    print(json.dumps(asdict(cost_of(sys.argv[1], Setting(**json.loads(sys.argv[2]))))))
