"""The pytest plugin: the fixture ``echokit_check`` turns each conformance check into a test."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from echokit.testing.trial import Trial

_counts = pytest.StashKey[dict[str, int]]()


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", "echokit_plugin(name): the plugin that the fixture echokit_check checks")
    config.stash[_counts] = {}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrize a test with every check of what the marked plugin adds."""
    if "echokit_check" not in metafunc.fixturenames:
        return
    from echokit.testing.conformance import groups_of

    marker = metafunc.definition.get_closest_marker("echokit_plugin")
    if marker is None or len(marker.args) != 1:
        raise pytest.UsageError(
            f'{metafunc.function.__name__}: mark it with @pytest.mark.echokit_plugin("your_plugin")'
        )
    checks = [trial for _, trials in groups_of(marker.args[0]) for trial in trials()]
    ids = [f"{trial.label}-{trial.name}".replace(" ", "_") for trial in checks]
    metafunc.parametrize("echokit_check", checks, ids=ids, indirect=True)


@pytest.fixture
def echokit_check(request: pytest.FixtureRequest) -> Callable[[], None]:
    """Return a function that runs one check; known failures are reported as xfail."""
    from echokit.testing.case import Expected, Skip

    trial: Trial = request.param
    counts = request.config.stash[_counts]

    def check() -> None:
        counts[trial.plugin] = counts.get(trial.plugin, 0) + 1
        try:
            trial.run()
        except Expected as expected:
            pytest.xfail(str(expected))
        except Skip as skip:
            pytest.skip(str(skip))

    return check


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the number of checks that ran."""
    for plugin, count in sorted(config.stash[_counts].items()):
        terminalreporter.write_line(f"echokit: {count} conformance checks of the plugin {plugin} ran")
