"""The measures of suites: functions that time echokit and the common alternative in one run."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from echokit.errors import EchokitError, did_you_mean

MEASURES: dict[str, str] = {
    "stage1_published": "echokit.tools.bench.reference:stage1",
    "stage2_published": "echokit.tools.bench.reference:stage2",
    "start_up": "benchmarks.start_up:measure",
    "first_result": "benchmarks.first_result:measure",
    "bootstrap": "benchmarks.bootstrap:measure",
    "inference": "benchmarks.inference:measure",
    "growth": "benchmarks.growth:measure",
    "decoding": "benchmarks.decoding:measure",
    "masks": "benchmarks.masks:measure",
    "store": "benchmarks.store:measure",
    "training_step": "benchmarks.training_step:measure",
    "loader": "benchmarks.loader:measure",
    "backbone_costs": "benchmarks.backbones:measure",
    "data_check": "benchmarks.data_check:measure",
    "head_search": "benchmarks.head_search:measure",
    "full_layout": "benchmarks.full_layout:measure",
}
"""Name to ``package.module:function``; a suite can use only these."""


@dataclass(frozen=True)
class Measure:
    """A measure: ``function(**options, seed=...)`` returns JSON-serializable data."""

    name: str
    module: str
    function: str

    def run(self, options: Mapping[str, Any], seed: int) -> Any:
        """Run the measure."""
        return getattr(importlib.import_module(self.module), self.function)(**options, seed=seed)


def measure_named(name: str) -> Measure:
    """Look up a measure by name.

    Raises:
        EchokitError: There is none, or its code is in the repository but not in the installed package.
    """
    if name not in MEASURES:
        raise EchokitError(
            f"there is no measure {name!r}",
            hint=did_you_mean(name, MEASURES) or f"the measures are {', '.join(MEASURES)}",
            code="measure.unknown",
        )
    module, _, function = MEASURES[name].partition(":")
    if module.startswith("benchmarks.") and importlib.util.find_spec("benchmarks") is None:
        raise EchokitError(
            f"the measure {name!r} is part of the repository, not of the installed package",
            hint="run it in a clone of the repository",
            code="measure.not_installed",
        )
    return Measure(name, module, function)
