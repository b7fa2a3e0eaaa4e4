"""Names that a recipe can use and that are not only components: of libraries, metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from echokit.plugins.component import BUILT_IN, KINDS
from echokit.plugins.discovery import installed

if TYPE_CHECKING:
    from echokit.evaluation.predictions import Predictions
    from echokit.plugins.component import Component

CHOICES = {
    "optimizer": "train.optimizer: {use: NAME}; registered, or of torch or timm",
    "scheduler": "train.schedule: {use: NAME}; registered, or of torch or timm",
    "metric": "written to metrics.json by an evaluator; evaluate: [EVALUATOR]",
}
OTHER_WORDS = {"schedule": "scheduler"}
"""Words of the command line for a kind, and the kind."""


@dataclass(frozen=True)
class Choice:
    """One name.

    Attributes:
        kind: One of ``CHOICES``.
        name: The name.
        origin: echokit, a library, a plugin's package and version, or the evaluator of a metric.
        summary: One line.
        parameters: Its own parameters with their defaults; None stands for none or for the length of the training.
    """

    kind: str
    name: str
    origin: str
    summary: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


def list_choices(kind: str) -> list[Choice]:
    """List all names of a kind, registered components first."""
    components = installed().registry.components([kind] if kind in KINDS else ())
    registered = [Choice(kind, name_in_recipe(c), _origin(c), c.summary or "no summary") for c in components]
    return [*registered, *_LISTS[kind]()]


def _origin(component: Component) -> str:
    plugin = installed().plugin(component.plugin)
    return plugin.name if plugin.name == BUILT_IN else f"{plugin.package} {plugin.version}"


def find_choices(name: str) -> list[Choice]:
    """Find a name, or KIND.NAME, that is no registered component, with its parameters."""
    from echokit.training.optimizer_catalog import optimizer_parameters, schedule_parameters

    kind, _, bare = name.partition(".") if name.partition(".")[0] in CHOICES else ("", "", name)
    found = [one for each in ([kind] if kind else CHOICES) for one in _LISTS[each]() if one.name == bare]
    parameters = {"optimizer": optimizer_parameters, "scheduler": schedule_parameters}
    return [replace(one, parameters=parameters[one.kind](bare)) if one.kind in parameters else one for one in found]


def name_in_recipe(component: Component) -> str:
    """Return the shortest name that means a component in a recipe.

    The bare name of an optimizer or a schedule of a library never means that of a plugin.
    """
    from echokit.training.named_settings import OptimizerSettings, ScheduleSettings

    libraries = {settings.KIND: settings for settings in (OptimizerSettings, ScheduleSettings)}
    of_plugin = component.kind in libraries and component.plugin != BUILT_IN
    hidden = of_plugin and libraries[component.kind].in_library(component.name)
    return component.full_name if hidden else installed().registry.name_of(component)


def metrics_of(component: Component) -> dict[str, str]:
    """Return the metrics of an evaluator without parameters, by name.

    The values are their definitions, computed from an example. Empty if the evaluator needs parameters.
    """
    found: dict[str, str] = {}
    for predictions in _examples():
        try:
            evaluation = component.load()()(predictions)
        except Exception:  # of a plugin, or an evaluator that needs parameters or other targets
            continue
        found.update({metric.metric: metric.definition for metric in evaluation.metrics})
    return found


def _examples() -> Iterator[Predictions]:
    import numpy as np
    import pandas as pd

    from echokit.evaluation.predictions import Predictions

    rng, n = np.random.default_rng(0), 60
    y_true = np.arange(n) % 2
    table = pd.DataFrame(
        {
            "case_id": [f"c{k}" for k in range(n)],
            "patient_id": [f"p{k}" for k in range(n)],
            "split": "test",
            "repeat": 0,
            "fold": 0,
            "y_true": y_true,
            "y_score": np.clip(0.3 + 0.3 * y_true + rng.normal(0, 0.2, n), 0.01, 0.99),
        }
    )
    yield Predictions(table, "positive")
    ef = 60 - 20 * y_true + rng.normal(0, 3, n)
    yield Predictions(table.assign(target=ef, prediction=ef + rng.normal(0, 5, n)), "positive")


def _of_library(kind: str, summaries: Mapping[str, tuple[str, str]]) -> Iterator[Choice]:
    built_in = {c.name for c in installed().registry.components([kind]) if c.plugin == BUILT_IN}
    for name, (origin, summary) in summaries.items():
        if name not in built_in:
            yield Choice(kind, name, origin, summary)


def _optimizers() -> Iterator[Choice]:
    from echokit.training.optimizer_catalog import optimizer_summaries

    yield from _of_library("optimizer", optimizer_summaries())


def _schedulers() -> Iterator[Choice]:
    from echokit.training.optimizer_catalog import schedule_summaries

    yield from _of_library("scheduler", schedule_summaries())


def _metrics() -> Iterator[Choice]:
    registry = installed().registry
    for component in registry.components(["evaluator"]):
        for name, definition in metrics_of(component).items():
            yield Choice("metric", name, registry.name_of(component), definition)


_LISTS: dict[str, Callable[[], Iterator[Choice]]] = {
    "optimizer": _optimizers,
    "scheduler": _schedulers,
    "metric": _metrics,
}
