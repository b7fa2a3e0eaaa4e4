"""Size, cost and speed of the model of a finished run."""

from __future__ import annotations

import statistics
import time
from typing import Any

from echokit.results.run import Run

LATENCY_REPEATS = 5


def model_facts(run: Run) -> dict[str, Any]:
    """Measure the model of the first fold of a run.

    Returns:
        ``parameters`` (trainable), ``multiply_adds`` of the forward pass of one clip, ``epochs`` trained, and
        ``latency``: seconds of the forward pass of one clip on the CPU, the median of five.
    """
    import torch

    from echokit.models.cost import count_parameters, multiply_adds
    from echokit.models.input_shape import InputShape
    from echokit.models.weights.weight_files import load_weights
    from echokit.pipeline.inference.predictor import Predictor
    from echokit.training.checkpoints.checkpoint_files import MODEL, find_checkpoint

    predictor = Predictor(run, device="cpu")
    model = predictor.members[0].model
    checkpoint = find_checkpoint(run.fold(0), "best")
    assert checkpoint is not None  # the predictor has loaded it
    _, metadata = load_weights(checkpoint / MODEL)
    shapes = {name: InputShape(*shape) for name, shape in metadata["shapes"].items()}
    streams = {name: torch.rand(1, s.channels, s.frames, s.height, s.width) for name, s in shapes.items()}
    valid = {name: torch.ones(1, s.frames, dtype=torch.bool) for name, s in shapes.items()}
    seconds = []
    with torch.inference_mode(), predictor.compute.precision.context(predictor.device):
        model(streams, valid)
        for _ in range(LATENCY_REPEATS):
            started = time.perf_counter()
            model(streams, valid)
            seconds.append(time.perf_counter() - started)
    return {
        "parameters": count_parameters(model)[0],
        "multiply_adds": multiply_adds(model, shapes),
        "epochs": run.lock.recipe.train.epochs,
        "latency": statistics.median(seconds),
    }
