"""Conformance: what every component promises, as checks that plugin authors run over their own.

``check_component("preprocessor", "half_mask")`` runs the checks of one component, ``check_plugin("half_mask")`` those
of everything that a plugin registers, ``echokit plugin check`` prints them as a table. In a test suite the fixture
``echokit_check`` makes a test of each::

    @pytest.mark.echokit_plugin("half_mask")
    def test_conformance(echokit_check):
        echokit_check()
"""

from __future__ import annotations

from echokit.testing.case import Case, Result
from echokit.testing.conformance import check_component, check_plugin

__all__ = ["Case", "Result", "check_component", "check_plugin"]
