"""Layouts in which phantoms are written."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Layout:
    """A layout and its writer.

    Attributes:
        target: ``module:function`` that takes a directory, the number of cases, ``seed``, ``advance`` and ``ef``.
        cases: Usual number of cases.
        counted: Plural noun for the cases, for messages.
        keyword: Parameter of the function for the number of cases.
        own_ef: Whether the layout has its own distribution of ejection fractions; the function then takes no ``ef``.
    """

    target: str
    cases: int
    counted: str = "videos"
    keyword: str = "cases"
    own_ef: bool = False

    def load(self) -> Callable[..., Any]:
        """Import the function that writes the layout."""
        module, _, name = self.target.partition(":")
        function: Callable[..., Any] = getattr(importlib.import_module(module), name)
        return function


LAYOUTS = {
    "echonet_dynamic": Layout("echokit.phantom.write_echonet_dynamic:write_phantom", 224),
    "echonet_pediatric": Layout("echokit.phantom.write_echonet_pediatric:write_pediatric", 60, "patients"),
    "camus": Layout("echokit.phantom.write_camus:write_camus", 40, "patients"),
    "table": Layout("echokit.phantom.write_table:write_table", 40),
    "clinical": Layout("echokit.phantom.clinical.directory:write_clinical", 34, "patients", "patients", own_ef=True),
}
