"""The pytest plugin: the fixture ``echokit_check`` makes a test of every conformance check of a plugin."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from echokit.testing.conformance import Trial

_ran = pytest.StashKey[dict[str, int]]()


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers", "echokit_plugin(name): the plugin whose components the fixture echokit_check checks"
    )
    config.stash[_ran] = {}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of every check of every component that the marked plugin registers."""
    if "echokit_check" not in metafunc.fixturenames:
        return
    from echokit.testing.conformance import components_of, trials

    marker = metafunc.definition.get_closest_marker("echokit_plugin")
    if marker is None or len(marker.args) != 1:
        raise pytest.UsageError(
            f'{metafunc.function.__name__}: mark it with @pytest.mark.echokit_plugin("your_plugin")'
        )
    found = [trial for component in components_of(marker.args[0]) for trial in trials(component)]
    ids = [f"{trial.label}-{trial.name}".replace(" ", "_") for trial in found]
    metafunc.parametrize("echokit_check", found, ids=ids, indirect=True)


@pytest.fixture
def echokit_check(request: pytest.FixtureRequest) -> Callable[[], None]:
    """Call it to run one check: it fails with what was found, or skips or expects a failure with the reason."""
    from echokit.testing.case import Expected, Skip

    trial: Trial = request.param
    counts = request.config.stash[_ran]

    def check() -> None:
        component = trial.subject.component
        counts[component.plugin] = counts.get(component.plugin, 0) + 1
        try:
            trial.run()
        except Expected as expected:
            pytest.xfail(str(expected))
        except Skip as skip:
            pytest.skip(str(skip))

    return check


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print how many checks ran."""
    for plugin, count in sorted(config.stash[_ran].items()):
        terminalreporter.write_line(f"echokit: {count} conformance checks of the plugin {plugin} ran")
