"""How the cost of preparing and training grows with the amount of work: videos, frames, size, cores."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.timing import interleaved
from echokit.data.clips.clip_store import ClipStore
from echokit.data.clips.prepare_video import Step
from echokit.phantom.write_echonet_dynamic import write_phantom
from echokit.system.phantom_mark import STAMP
from echokit.tools.bench.plot import fitted_exponent

Points = list[tuple[float, float]]


def measure(
    *,
    seed: int,
    videos: Sequence[int] = (8, 16, 32),
    frames: Sequence[int] = (8, 16, 32, 64),
    sizes: Sequence[int] = (28, 56, 112),
    repetitions: int = 3,
    width: int = 16,
) -> dict[str, Any]:
    """The measure ``growth``. Steps are those of the Stage 1 recipes: trim, resize, optical flow."""
    cores = sorted({1, max(1, len(os.sched_getaffinity(0)))})
    with tempfile.TemporaryDirectory(prefix="echokit-bench-") as name:
        folder = Path(name)
        # Long enough for the largest number of frames.
        longest = max(frames)
        write_phantom(folder / "cases", cases=max(videos), seed=seed, frames=(longest, longest + 8))
        sources = [(path.stem, path) for path in sorted((folder / "cases" / "Videos").glob("*.avi"))]
        few = sources[: min(videos)]
        by_videos = {f"{n}": _preparing(folder, sources[:n], _steps(38, 56), 1) for n in videos}
        by_frames = {f"{n}": _preparing(folder, few, _steps(n, 56), 1) for n in frames}
        by_size = {f"{n}": _preparing(folder, few, _steps(38, n), 1) for n in sizes}
        by_cores = {f"{n}": _preparing(folder, sources, _steps(38, 56), n) for n in cores}
        preparing = {
            "videos": _points(by_videos, repetitions),
            "frames": _points(by_frames, repetitions),
            "size": _points(by_size, repetitions),
            "cores": _points(by_cores, repetitions),
        }
    training = {
        "frames": _points({f"{n}": _training_step(n, 56, width) for n in frames}, repetitions),
        "size": _points({f"{n}": _training_step(32, n, width) for n in sizes}, repetitions),
    }
    units = {"videos": "videos", "frames": "frames a video", "size": "pixels a side", "cores": "processes"}
    growth, rows = [], []
    for work, points in preparing.items():
        series = {"preparing": points}
        if work in training:
            series["training step"] = training[work]
        growth.append({"title": work, "work": units[work], "cost": "seconds", "series": series})
        for label, found in series.items():
            exponent = fitted_exponent([p[0] for p in found], [p[1] for p in found])
            shown = ", ".join(f"{amount:g}: {seconds:.3g} s" for amount, seconds in found)
            rows.append([label, units[work], shown, "one amount" if exponent is None else f"{exponent:.2f}"])
    return {
        "title": "Growth of the cost",
        "stamp": STAMP,
        "about": (
            "Seconds are proportional to (amount of work) to the power of the exponent: 1 is a straight line, 2 for "
            "pixels a side is one for pixels, -1 for processes is perfect sharing. Preparing: trim, resize, optical "
            f"flow into an empty store. Training step: two-stream ResNet18 of width {width}, batch 2."
        ),
        "tables": [{"head": ["what", "amount of work", "median seconds", "exponent"], "rows": rows}],
        "numbers": {f"exponent of {row[0]}, {row[1]}": float(row[3]) for row in rows if row[3] != "one amount"},
        "growth": growth,
    }


def _points(ways: dict[str, Callable[[], object]], repetitions: int) -> Points:
    return [(float(name), seconds) for name, seconds in interleaved(ways, repetitions).items()]


def _steps(frames: int, size: int) -> tuple[Step, ...]:
    from echokit.data.preprocess.optical_flow import OpticalFlow
    from echokit.data.preprocess.resize import Resize
    from echokit.data.preprocess.trim import Trim

    made = (("trim", Trim(frames=frames)), ("resize", Resize(size=size)), ("optical_flow", OpticalFlow()))
    return tuple(Step(name, make, False, f"{name} {frames} {size}") for name, make in made)


def _preparing(folder: Path, sources: Sequence[tuple[str, Path]], steps: tuple[Step, ...], workers: int) -> Any:
    def work() -> None:
        with tempfile.TemporaryDirectory(dir=folder) as store:
            prepared = ClipStore(Path(store)).prepare(sources, steps, workers=workers)
            assert prepared.made == len(sources)

    return work


def _training_step(frames: int, size: int, width: int) -> Any:
    import torch
    from torch import nn

    from echokit.models.echo_model import build_model
    from echokit.models.fusions.fusions import TwoStream
    from echokit.models.input_shape import InputShape
    from echokit.models.norm import Norm
    from echokit.plugins.discovery import installed

    shapes = {"video": InputShape(1, frames, size, size), "flow": InputShape(2, frames - 1, size, size)}
    norms = {"video": Norm((33.0,), (50.0,)), "flow": Norm((0.0, 0.0), (1.0, 1.0))}
    backbone = installed().registry.get("backbone", "resnet18").load()(width=width)
    model = build_model(TwoStream(), backbone, shapes, 2, norms, seed=0)
    optimizer = torch.optim.Adam(model.parameters(), 1e-5, fused=True)
    streams = {name: torch.rand(2, s.channels, s.frames, s.height, s.width) for name, s in shapes.items()}
    valid = {name: torch.ones(2, s.frames, dtype=torch.bool) for name, s in shapes.items()}

    def work() -> None:
        loss = nn.functional.cross_entropy(model(streams, valid), torch.tensor([0, 1]))
        torch.autograd.backward(loss)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return work
