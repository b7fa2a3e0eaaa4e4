"""Measure the cost of reading clips: training steps on clips from disk and on one resident batch."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.timing import interleaved, ratio
from echokit.data.clips.clip_file import write_clip
from echokit.data.clips.prepared_clips import PreparedClips
from echokit.data.video.clip import Clip, Stream

RESIDENT, STORE, DEVICE = "one random batch, resident", "from the store", "all clips resident on the GPU"


def measure(
    *,
    seed: int,
    repetitions: int = 5,
    clips: int = 64,
    batch: int = 4,
    side: int = 112,
    frames: int = 38,
    width: int = 64,
    device: str = "auto",
) -> dict[str, Any]:
    """Measure ``loader``.

    Args:
        seed: Seed of pixels and order.
        repetitions: Epochs of each variant, in turns.
        clips: Clips in an epoch.
        batch: Clips in a step.
        side: Height and width.
        frames: Of a window; the clips are twice as long.
        width: Filters of the stem of the two-stream ResNet18 that is trained; 64 in the reference study.
        device: ``auto``, ``cpu`` or ``cuda``.
    """
    from echokit.system.malloc import tune_allocator

    tune_allocator()
    import torch

    from echokit.data.sampling.window_sampler import Window
    from echokit.system.environment import environment
    from echokit.training.batches.batches import in_batches, read_batches
    from echokit.training.batches.gpu_clips import make_resident
    from echokit.training.hardware.conv3d_fix import avoid_conv3d_gradient_bug
    from echokit.training.hardware.device import choose_device, choose_precision, fix_threads, reproducible

    fix_threads()
    chosen = choose_device(device)
    precision = choose_precision(chosen, "auto")
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory(prefix="echokit-bench-") as folder:
        store = _store(Path(folder), clips, 2 * frames, side, rng)
        windows = Window(frames=frames, start="random")(store.lengths, "train", 1, seed)
        parts = in_batches(rng.permutation(clips), batch)
        model, learn = _training(store, frames, width, batch, chosen, precision)
        held = next(read_batches(store, windows, parts[:1], chosen))
        ways: dict[str, Callable[[], object]] = {
            RESIDENT: lambda: [learn(held) for _ in parts],
            STORE: lambda: [learn(read) for read in read_batches(store, windows, parts, chosen)],
        }
        if chosen.type == "cuda":
            everything = make_resident(store, np.arange(clips), chosen)
            ways[DEVICE] = lambda: [learn(gathered) for gathered in everything.batches(windows, parts)]
        with reproducible(chosen, True), precision.rounding(chosen), avoid_conv3d_gradient_bug(model, chosen):
            seconds = interleaved({name: _finished(way, chosen) for name, way in ways.items()}, repetitions)
        started = time.perf_counter()
        for _ in read_batches(store, windows, parts, torch.device("cpu")):
            pass
        alone = clips / (time.perf_counter() - started)
    where = torch.cuda.get_device_name() if chosen.type == "cuda" else environment()["processor"]
    lost = {name: seconds[name] / seconds[RESIDENT] - 1 for name in ways if name != RESIDENT}
    return {
        "title": "What reading costs a training",
        "about": (
            f"{clips} clips of {side} x {side} with their flow, windows of {frames} frames, {batch} a step of a "
            f"two-stream ResNet18 of width {width} on {where} ({precision.why}). Random pixels. "
            "At most 5 % may be lost."
        ),
        "tables": [
            {
                "head": ["way", "clips/s", "lost to reading"],
                "rows": [
                    [name, f"{clips / taken:.2f}", f"{lost[name]:+.1%}" if name in lost else ""]
                    for name, taken in seconds.items()
                ],
            }
        ],
        "numbers": {
            **{f"lost to reading: {name}": share for name, share in lost.items()},
            "clips a second that are read, checked and made float32, without a model": alone,
        },
        "notes": [f"Without a model, one thread reads, checks and makes {alone:.0f} clips a second."],
        "ratios": [
            ratio(
                "a training step with its reading",
                "the same on one resident batch",
                ours=seconds[STORE],
                usual=seconds[RESIDENT],
                note="the usual way reads nothing at all",
            )
        ],
    }  # fmt: skip


def _store(folder: Path, clips: int, length: int, side: int, rng: np.random.Generator) -> PreparedClips:
    paths = [folder / f"{number}.safetensors" for number in range(clips)]
    for path in paths:
        video = rng.integers(0, 256, (length, side, side), np.uint8)
        flow = rng.integers(-127, 128, (2, length - 1, side, side), np.int8)
        write_clip(path, Clip(video, fps=50.0, streams={"flow": Stream(flow, 0.05)}), None)
    return PreparedClips(paths)


def _training(
    store: PreparedClips, frames: int, width: int, batch: int, device: Any, precision: Any
) -> tuple[Any, Callable[[Any], object]]:
    """Build a model, and a function that trains it on a batch."""
    import torch

    from echokit.data.cohort.targets import Targets
    from echokit.models.backbones.preact_resnet import ResNet18
    from echokit.models.echo_model import build_model
    from echokit.models.fusions.fusions import TwoStream
    from echokit.models.input_shape import InputShape
    from echokit.models.norm import Norm
    from echokit.training.context import TrainingContext
    from echokit.training.hardware.device import Compute
    from echokit.training.hardware.distributed import ALONE
    from echokit.training.objectives.cross_entropy import CrossEntropy
    from echokit.training.phases import plan_phases
    from echokit.training.settings import TrainSettings
    from echokit.training.step.train_step import MicroBatch, make_step

    shapes = {
        name: InputShape(channels, frames - (name != "video"), *store.size) for name, channels in store.channels.items()
    }
    norms = {name: Norm((1.0,) * shape.channels, (60.0,) * shape.channels) for name, shape in shapes.items()}
    model = build_model(TwoStream(), ResNet18(width=width), shapes, 2, norms, seed=0).to(device)
    settings = TrainSettings.model_validate({"epochs": 1, "batch_size": batch})
    [phase] = plan_phases(settings, norms_given=False, cases=1000)
    y_true = np.arange(batch) % 2
    objective = CrossEntropy()(Targets(y_true, y_true.astype(np.float64)))
    context = TrainingContext(settings, 0, Compute(device, precision), Path())
    step = make_step(model, objective, phase, context, ALONE)
    classes = torch.arange(batch, device=device) % 2
    model.train()

    def learn(read: Any) -> object:
        n = len(read.rows)
        return step([MicroBatch(read, classes[:n], classes[:n].float(), 0)], n, 1e-5)

    return model, learn


def _finished(way: Callable[[], object], device: Any) -> Callable[[], object]:
    """Wait for the GPU, which works asynchronously."""
    import torch

    def whole() -> None:
        way()
        if device.type == "cuda":
            torch.cuda.synchronize()

    return whole
