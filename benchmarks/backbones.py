"""What every backbone costs on this machine: parameters, multiply-adds, clips a second, memory.

Each backbone is measured in a process of its own, on the grey stream, with the number format that echokit would choose;
the rounds are interleaved, so that a slow minute of the machine does not fall on one of them. Run from the repository:
``python -m benchmarks.backbones``.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from echokit.lock import environment
from echokit.plugins import installed

HERE = Path(__file__).parent
RESULTS, DOCS = HERE / "results", HERE.parent / "docs" / "backbones.md"
BEGIN, END = "<!-- benchmarks.backbones: begin -->", "<!-- benchmarks.backbones: end -->"


@dataclass(frozen=True)
class Setting:
    """What is measured on: ``batch`` clips of ``frames`` of ``side`` x ``side``, each step ``repeats`` times."""

    frames: int
    side: int
    batch: int
    repeats: int


@dataclass(frozen=True)
class Cost:
    """What one round found of one backbone.

    Attributes:
        name: In the registry.
        parameters: Trainable numbers, the head of two outputs among them.
        multiply_adds: Of one clip, forward.
        train, infer: Clips a second, the median step.
        memory: Largest memory of the training beyond that of the libraries, in bytes.
        device: Where, and in which number format.
        problem: Why there are no numbers.
    """

    name: str
    parameters: int | None = None
    multiply_adds: int | None = None
    train: float | None = None
    infer: float | None = None
    memory: int | None = None
    device: str = ""
    problem: str | None = None


def measure(name: str, setting: Setting, device: str) -> Cost:
    """Measure one backbone in this process, which must be fresh for the memory to be its own."""
    from echokit.training.allocator import tune_allocator

    tune_allocator()  # as every command of echokit does, before torch is there
    import torch
    from torch import nn

    from echokit.models.cost import count_parameters, multiply_adds
    from echokit.models.echo_model import build_model
    from echokit.models.fusion import SingleStream
    from echokit.models.norm import Norm
    from echokit.models.shape import InputShape
    from echokit.training.convolution import sound_gradients
    from echokit.training.device import choose_device, choose_precision, fix_threads

    fix_threads()
    chosen = choose_device(device)
    precision = choose_precision(chosen, "auto")
    shape = {"video": InputShape(1, setting.frames, setting.side, setting.side)}
    backbone = installed().registry.get("backbone", name).load()()
    before = _memory(chosen)
    model = build_model(SingleStream(), backbone, shape, 2, {"video": Norm((33.0,), (50.0,))}, seed=0)
    work = multiply_adds(model, shape)
    model.to(chosen)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-5, fused=True)
    streams = {"video": torch.rand(setting.batch, 1, setting.frames, setting.side, setting.side, device=chosen) * 255}
    valid = {"video": torch.ones(setting.batch, setting.frames, dtype=torch.bool, device=chosen)}
    classes = torch.arange(setting.batch, device=chosen) % 2

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

    with sound_gradients(model, chosen):
        trained = setting.batch / _median(train, setting.repeats)
    memory = _memory(chosen) - before
    model.eval()
    inferred = setting.batch / _median(infer, setting.repeats)
    where = torch.cuda.get_device_name() if chosen.type == "cuda" else environment()["processor"]
    kind = str(precision.dtype).removeprefix("torch.")
    return Cost(name, count_parameters(model)[0], work, trained, inferred, memory, f"{where}, {kind}")


def _median(work: Callable[[], None], repeats: int) -> float:
    work()  # the first step allocates and chooses algorithms
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def _memory(device: Any) -> int:
    if device.type == "cuda":
        import torch

        return int(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def in_own_process(name: str, setting: Setting, device: str, limit: float) -> Cost:
    """Measure one backbone in a process of its own; what goes wrong is its row."""
    call = [sys.executable, "-m", "benchmarks.backbones", "--one", name, "--device", device]
    call += [f"--{key}={value}" for key, value in asdict(setting).items()]
    try:
        done = subprocess.run(call, capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return Cost(name, problem=f"took more than {limit:g} s")
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"ended with {done.returncode}"]
        return Cost(name, problem=lines[-1][:160])
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def middle(rounds: list[Cost]) -> Cost:
    """The median of the rounds; of a backbone that failed once, the failure."""
    if failed := [cost for cost in rounds if cost.problem]:
        return failed[0]
    numbers = {key: statistics.median(getattr(cost, key) for cost in rounds) for key in ("train", "infer", "memory")}
    return Cost(**{**asdict(rounds[0]), **numbers})


def table(costs: list[Cost]) -> str:
    """Markdown, the fastest in training first."""
    lines = [
        "| backbone | parameters (M) | multiply-adds (G) | training (clips/s) | inference (clips/s) | memory (GB) |",
        "|---|---|---|---|---|---|",
    ]
    for cost in sorted(costs, key=lambda cost: -(cost.train or 0)):
        if cost.problem or not (cost.parameters and cost.multiply_adds and cost.train and cost.infer and cost.memory):
            lines.append(f"| {cost.name} | {cost.problem} | | | | |")
            continue
        lines.append(
            f"| {cost.name} | {cost.parameters / 1e6:.1f} | {cost.multiply_adds / 1e9:.2f} | {cost.train:.2f} | "
            f"{cost.infer:.2f} | {cost.memory / 1e9:.2f} |"
        )
    return "\n".join(lines)


def write(costs: list[Cost], setting: Setting, rounds: int, command: str) -> str:
    """Write the records as Markdown, CSV and JSON, and put the table into the documentation."""
    machine = environment()
    where = next((cost.device for cost in costs if cost.device), machine["processor"])
    text = f"""One stream of {setting.frames} frames of {setting.side} x {setting.side}, {setting.batch} clips a step;
{where}, {machine["cores"]} cores, torch {machine["packages"]["torch"]}. Median of {rounds} interleaved rounds of
{setting.repeats} steps, each in a process of its own. `timm` is its default, resnet18 with the mean over time.
Multiply-adds: convolutions and matrix products of one clip, forward. Memory: the most that training took beyond the
libraries. Random pixels: this says nothing of how well a backbone learns.

{table(costs)}

Made by `{command}`.
"""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "backbones.md").write_text(f"# What every backbone costs\n\n{text}", encoding="utf-8")
    with (RESULTS / "backbones.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(asdict(costs[0])), lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(cost) for cost in costs)
    record = {"setting": asdict(setting), "rounds": rounds, "machine": machine, "backbones": [asdict(c) for c in costs]}
    (RESULTS / "backbones.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    page = DOCS.read_text(encoding="utf-8")
    head, _, rest = page.partition(BEGIN)
    DOCS.write_text(f"{head}{BEGIN}\n{text}{END}{rest.partition(END)[2]}", encoding="utf-8")
    return text


def main() -> None:
    """Measure every registered backbone and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=32)
    parser.add_argument("--side", type=int, default=112)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3, help="steps of a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--limit", type=float, default=600, help="seconds for one backbone in one round")
    parser.add_argument("--only", nargs="*", help="these backbones alone; nothing is written")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    setting = Setting(arguments.frames, arguments.side, arguments.batch, arguments.repeats)
    if arguments.one:
        print(json.dumps(asdict(measure(arguments.one, setting, arguments.device))))
        return
    names = arguments.only or [component.name for component in installed().registry.components(["backbone"])]
    found: dict[str, list[Cost]] = {name: [] for name in names}
    for number in range(arguments.rounds):
        for name in names:
            found[name].append(in_own_process(name, setting, arguments.device, arguments.limit))
            print(f"round {number + 1}: {found[name][-1]}", file=sys.stderr, flush=True)
    costs = [middle(rounds) for rounds in found.values()]
    command = " ".join(["python -m benchmarks.backbones", *sys.argv[1:]])
    print(table(costs) if arguments.only else write(costs, setting, arguments.rounds, command))


if __name__ == "__main__":
    from echokit.training.allocator import tune_allocator

    tune_allocator()  # before torch is imported, as `echokit run` does
    main()
