"""Measure the cost of deterministic algorithms on a GPU, and list operations without one."""

from __future__ import annotations

import re
import statistics
import time
import warnings
from collections.abc import Callable

import torch

from echokit.training.hardware.device import reproducible

_NOT_DETERMINISTIC = re.compile(r"(\w+) does not have a deterministic implementation")
_REPEATS = 3


def determinism_cost(attempt: Callable[[], None], device: torch.device) -> str:
    """Time a training step with and without deterministic algorithms.

    Args:
        attempt: Computes the gradients of one step and changes nothing.
        device: Its device.

    Returns:
        A message with the ratio and the operations that are not deterministic.
    """
    seconds: dict[bool, float] = {}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for deterministic in (False, True):
            with reproducible(device, deterministic):
                seconds[deterministic] = _seconds(attempt, device)
    lacking = sorted({name for warning in caught for name in _NOT_DETERMINISTIC.findall(str(warning.message))})
    ratio = seconds[True] / seconds[False]
    message = f"deterministic: a training step takes {ratio:.2f} times as long as without (measured)"
    if lacking:
        message += f"; torch has no deterministic form of {', '.join(lacking)}: the last bits may still differ"
    return message


def _seconds(attempt: Callable[[], None], device: torch.device) -> float:
    times = []
    for _ in range(1 + _REPEATS):  # the first one is a warm-up
        started = time.perf_counter()
        attempt()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])
