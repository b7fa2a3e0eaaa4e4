"""Everything that is built in passes the checks that plugin authors run over their own."""

from collections.abc import Callable

import pytest


@pytest.mark.echokit_plugin("echokit")
def test_conformance(echokit_check: Callable[[], None]) -> None:
    echokit_check()
