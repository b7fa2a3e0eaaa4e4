"""Attribution maps with Captum: occlusion and integrated gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from echokit import ModelInput, RunModel

BATCH_SIZE = 4  # occluded or interpolated clips per forward pass


@dataclass(frozen=True)
class Map:
    """An attribution map.

    Attributes:
        heat: (T, H, W) float32, summed over streams; above 0 for the positive class, below 0 against it.
        facts: JSON-serializable: share of each stream in the absolute attribution, and details of the method.
    """

    heat: np.ndarray
    facts: dict[str, Any]


def occlusion(model: RunModel, model_input: ModelInput, *, patch: float, span: int) -> Map:
    """Replace blocks of one stream by the mean of the training clips, and measure the drop in evidence.

    Zeiler and Fergus, Visualizing and understanding convolutional networks, ECCV 2014.

    Args:
        model: The run.
        model_input: The video.
        patch: Side of a block, as a share of the image.
        span: Number of frames in a block.
    """
    import torch
    from captum.attr import Occlusion

    names, inputs, baselines = _inputs(model_input)
    windows, strides = [], []
    for stream in inputs:
        _, channels, frames, height, width = stream.shape
        block = (min(span, frames), max(round(patch * height), 1), max(round(patch * width), 1))
        windows.append((channels, *block))
        strides.append((channels, *(max(side // 2, 1) for side in block)))
    with torch.inference_mode():
        attributions = Occlusion(_forward(model, model_input, names)).attribute(
            inputs,
            sliding_window_shapes=tuple(windows),
            strides=tuple(strides),
            baselines=baselines,
            perturbations_per_eval=BATCH_SIZE,
        )
    block = windows[0]
    words = f"blocks of {block[1]} frames, {block[2]} x {block[3]} pixels, half overlapping"
    return _map(names, attributions, model_input, {"block": list(block), "words": words})


def gradients(model: RunModel, model_input: ModelInput, *, steps: int) -> Map:
    """Integrate gradients from the mean of the training clips to the video.

    Sundararajan, Taly and Yan, Axiomatic attribution for deep networks, ICML 2017. A whole map sums
    to the difference in evidence. The remaining error is reported and decreases with more steps.

    Args:
        model: The run.
        model_input: The video.
        steps: Number of integration steps.
    """
    import torch
    from captum.attr import IntegratedGradients

    names, inputs, baselines = _inputs(model_input)
    forward = _forward(model, model_input, names)
    attributions, delta = IntegratedGradients(forward).attribute(
        inputs, baselines=baselines, n_steps=steps, internal_batch_size=BATCH_SIZE, return_convergence_delta=True
    )
    with torch.inference_mode():
        difference = float(forward(*inputs)[0] - forward(*baselines)[0])
    gap = abs(float(delta[0])) / max(abs(difference), 1e-6)
    words = f"{steps} steps, {gap:.1%} of the evidence not accounted for"
    return _map(names, attributions, model_input, {"steps": steps, "evidence": difference, "gap": gap, "words": words})


def _inputs(model_input: ModelInput) -> tuple[list[str], tuple[Any, ...], tuple[Any, ...]]:
    names = list(model_input.streams)
    inputs = tuple(model_input.streams[name] for name in names)
    baselines = tuple(model_input.empty[name].expand_as(model_input.streams[name]).contiguous() for name in names)
    return names, inputs, baselines


def _forward(model: RunModel, model_input: ModelInput, names: list[str]):
    def forward(*streams):
        valid = {name: model_input.valid[name].expand(len(streams[0]), -1) for name in names}
        return model.evidence(dict(zip(names, streams, strict=True)), valid)

    return forward


def _map(names: list[str], attributions: tuple[Any, ...], model_input: ModelInput, facts: dict[str, Any]) -> Map:
    """Sum over channels and streams; the flow between two frames is divided equally between them."""
    count = len(model_input.frames)
    heat = np.zeros(model_input.frames.shape, np.float64)
    totals = {}
    for name, tensor in zip(names, attributions, strict=True):
        values = tensor.detach()[0].sum(dim=0).double().cpu().numpy()
        per_frame = np.zeros_like(heat)
        if name == "video":
            per_frame += values[:count]
        else:
            between = values[: max(count - 1, 0)]
            per_frame[:-1] += between / 2
            per_frame[1:] += between / 2
        totals[name] = float(np.abs(per_frame).sum())
        heat += per_frame
    total = sum(totals.values())
    shares = {name: value / total if total else 0.0 for name, value in totals.items()}
    return Map(heat.astype(np.float32), {"share": shares, **facts})
