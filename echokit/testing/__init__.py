"""Conformance checks for plugin authors: what every component has to fulfil.

``check_component("preprocessor", "half_mask")`` checks one component, ``check_plugin("half_mask")`` every component of
a plugin, and ``echokit plugin check`` prints the results. In a test suite, the fixture ``echokit_check`` turns each
check into a test::

    @pytest.mark.echokit_plugin("half_mask")
    def test_conformance(echokit_check):
        echokit_check()
"""

from __future__ import annotations

from echokit.testing.case import Case, Result
from echokit.testing.conformance import check_component, check_plugin

__all__ = ["Case", "Result", "check_component", "check_plugin"]
