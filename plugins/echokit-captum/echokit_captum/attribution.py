"""Two maps of the evidence, by Captum: what is lost when a part is hidden, and integrated gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from echokit import ModelInput, RunModel

TOGETHER = 4  # hidden or interpolated clips that are computed at once


@dataclass(frozen=True)
class Map:
    """Where the evidence is.

    Attributes:
        heat: (T, H, W) float32, evidence for the positive class above 0, against it below, over all streams.
        facts: JSON-able: share of each stream in the absolute evidence, and how far the map can be trusted.
    """

    heat: np.ndarray
    facts: dict[str, Any]


def occlusion(model: RunModel, given: ModelInput, *, patch: float, span: int) -> Map:
    """How much evidence is lost when a block of one stream is hidden by the mean of the training clips.

    Zeiler and Fergus, Visualizing and understanding convolutional networks, ECCV 2014.

    Args:
        model: The run.
        given: The video.
        patch: Side of the block, as a share of the picture.
        span: Frames of the block.
    """
    import torch
    from captum.attr import Occlusion

    names, inputs, empty = _inputs(given)
    windows, strides = [], []
    for stream in inputs:
        _, channels, frames, height, width = stream.shape
        block = (min(span, frames), max(round(patch * height), 1), max(round(patch * width), 1))
        windows.append((channels, *block))
        strides.append((channels, *(max(side // 2, 1) for side in block)))
    with torch.inference_mode():
        found = Occlusion(_forward(model, given, names)).attribute(
            inputs,
            sliding_window_shapes=tuple(windows),
            strides=tuple(strides),
            baselines=empty,
            perturbations_per_eval=TOGETHER,
        )
    block = windows[0]
    words = f"blocks of {block[1]} frames, {block[2]} x {block[3]} pixels, half overlapping"
    return _map(names, found, given, {"block": list(block), "words": words})


def gradients(model: RunModel, given: ModelInput, *, steps: int) -> Map:
    """Integrated gradients from the mean of the training clips to the video.

    Sundararajan, Taly and Yan, Axiomatic attribution for deep networks, ICML 2017. The parts of a whole map add up to
    the difference in evidence; what is missing to that is told, and becomes less with more steps.

    Args:
        model: The run.
        given: The video.
        steps: Of the integral.
    """
    import torch
    from captum.attr import IntegratedGradients

    names, inputs, empty = _inputs(given)
    forward = _forward(model, given, names)
    found, missing = IntegratedGradients(forward).attribute(
        inputs, baselines=empty, n_steps=steps, internal_batch_size=TOGETHER, return_convergence_delta=True
    )
    with torch.inference_mode():
        difference = float(forward(*inputs)[0] - forward(*empty)[0])
    gap = abs(float(missing[0])) / max(abs(difference), 1e-6)
    words = f"{steps} steps, {gap:.1%} of the evidence not accounted for"
    return _map(names, found, given, {"steps": steps, "evidence": difference, "gap": gap, "words": words})


def _inputs(given: ModelInput) -> tuple[list[str], tuple[Any, ...], tuple[Any, ...]]:
    names = list(given.streams)
    inputs = tuple(given.streams[name] for name in names)
    empty = tuple(given.empty[name].expand_as(given.streams[name]).contiguous() for name in names)
    return names, inputs, empty


def _forward(model: RunModel, given: ModelInput, names: list[str]):
    def forward(*streams):
        valid = {name: given.valid[name].expand(len(streams[0]), -1) for name in names}
        return model.evidence(dict(zip(names, streams, strict=True)), valid)

    return forward


def _map(names: list[str], found: tuple[Any, ...], given: ModelInput, facts: dict[str, Any]) -> Map:
    """Sum over channels and streams; the motion from one frame to the next counts half for each of the two."""
    count = len(given.frames)
    heat = np.zeros(given.frames.shape, np.float64)
    share = {}
    for name, tensor in zip(names, found, strict=True):
        values = tensor.detach()[0].sum(dim=0).double().cpu().numpy()
        placed = np.zeros_like(heat)
        if name == "video":
            placed += values[:count]
        else:
            between = values[: max(count - 1, 0)]
            placed[:-1] += between / 2
            placed[1:] += between / 2
        share[name] = float(np.abs(placed).sum())
        heat += placed
    total = sum(share.values())
    shares = {name: value / total if total else 0.0 for name, value in share.items()}
    return Map(heat.astype(np.float32), {"share": shares, **facts})
