"""The measures that a suite may name: functions that time echokit beside the usual way, in one run."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from echokit.errors import EchokitError, did_you_mean

MEASURES: dict[str, str] = {}
"""Name to ``package.module:function``; a suite can name these and nothing else."""


@dataclass(frozen=True)
class Measure:
    """A measure: ``function(**options, seed=...)`` gives JSON-able data."""

    name: str
    module: str
    function: str

    def run(self, options: Mapping[str, Any], seed: int) -> Any:
        """Measure."""
        return getattr(importlib.import_module(self.module), self.function)(**options, seed=seed)


def measure_named(name: str) -> Measure:
    """The measure of a name.

    Raises:
        EchokitError: There is none.
    """
    if name not in MEASURES:
        raise EchokitError(
            f"there is no measure {name!r}",
            hint=did_you_mean(name, MEASURES) or f"the measures are {', '.join(MEASURES)}",
        )
    module, _, function = MEASURES[name].partition(":")
    return Measure(name, module, function)
