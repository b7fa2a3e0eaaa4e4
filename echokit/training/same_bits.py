"""What the same bits twice cost on a GPU, measured, and which operations can not give them."""

from __future__ import annotations

import re
import statistics
import time
import warnings
from collections.abc import Callable

import torch

from echokit.training.device import reproducible

_LACKS = re.compile(r"(\w+) does not have a deterministic implementation")
_REPEATS = 3


def determinism_cost(attempt: Callable[[], None], device: torch.device) -> str:
    """Time a training step with deterministic algorithms and with any, and say what came of it.

    Args:
        attempt: Computes the gradients of one step and leaves no trace.
        device: Where it computes.
    """
    seconds: dict[bool, float] = {}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for wanted in (False, True):
            with reproducible(device, wanted):
                seconds[wanted] = _seconds(attempt, device)
    lacking = sorted({name for warning in caught for name in _LACKS.findall(str(warning.message))})
    told = f"deterministic: a training step takes {seconds[True] / seconds[False]:.2f} times as long (measured)"
    if lacking:
        told += f"; torch has no deterministic form of {', '.join(lacking)}: the last bits can still differ"
    return told


def _seconds(attempt: Callable[[], None], device: torch.device) -> float:
    found = []
    for _ in range(1 + _REPEATS):  # the first one chooses algorithms and takes memory
        started = time.perf_counter()
        attempt()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        found.append(time.perf_counter() - started)
    return statistics.median(found[1:])
