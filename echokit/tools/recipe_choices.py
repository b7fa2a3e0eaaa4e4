"""Names that a recipe can use and that are no components: optimizers, schedules, trackers, metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from echokit.plugins.discovery import installed

if TYPE_CHECKING:
    from echokit.evaluation.predictions import Predictions
    from echokit.plugins.registry import Component

CHOICES = {
    "optimizer": "train.optimizer: {use: NAME}; of torch or timm",
    "schedule": "train.schedule: {use: NAME}; of torch or timm",
    "tracker": "track: [NAME]; gets the numbers of every epoch",
    "metric": "written to metrics.json by an evaluator; evaluate: [EVALUATOR]",
}


@dataclass(frozen=True)
class Choice:
    """One name.

    Attributes:
        kind: One of ``CHOICES``.
        name: The name.
        origin: Library, or the evaluator of a metric.
        summary: One line.
        parameters: Its own parameters with their defaults; None stands for none or for the length of the training.
    """

    kind: str
    name: str
    origin: str
    summary: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


def list_choices(kind: str) -> list[Choice]:
    """List all names of a kind."""
    return list(_LISTS[kind]())


def find_choices(name: str) -> list[Choice]:
    """Find a name, or KIND.NAME, with its parameters."""
    from echokit.training.optimizer_catalog import optimizer_parameters, schedule_parameters
    from echokit.training.settings import OneCycleSchedule

    kind, _, bare = name.partition(".") if name.partition(".")[0] in CHOICES else ("", "", name)
    found = [one for each in ([kind] if kind else CHOICES) for one in list_choices(each) if one.name == bare]
    own = {name: model.default for name, model in OneCycleSchedule.model_fields.items() if name != "use"}
    parameters: dict[str, Callable[[str], Mapping[str, Any]]] = {
        "optimizer": optimizer_parameters,
        "schedule": lambda use: {"constant": {}, "one_cycle": own}.get(use) or schedule_parameters(use),
    }
    return [
        Choice(one.kind, one.name, one.origin, one.summary, dict(parameters[one.kind](bare)))
        if one.kind in parameters and bare != "constant"
        else one
        for one in found
    ]


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


def _optimizers() -> Iterator[Choice]:
    from echokit.training.optimizer_catalog import optimizer_summaries

    for name, (origin, summary) in optimizer_summaries().items():
        yield Choice("optimizer", name, origin, summary)


def _schedules() -> Iterator[Choice]:
    from echokit.training.optimizer_catalog import schedule_summaries
    from echokit.training.settings import ConstantSchedule, OneCycleSchedule

    for model in (ConstantSchedule, OneCycleSchedule):
        use = model.model_fields["use"]
        yield Choice("schedule", str(use.default), "echokit", use.description or "")
    for name, (origin, summary) in schedule_summaries().items():
        yield Choice("schedule", name, origin, summary)


def _trackers() -> Iterator[Choice]:
    from importlib.util import find_spec

    from echokit.training.trackers import TRACKERS

    for name in TRACKERS:
        yield Choice("tracker", name, "accelerate", "installed" if find_spec(name) else "not installed")


def _metrics() -> Iterator[Choice]:
    registry = installed().registry
    for component in registry.components(["evaluator"]):
        for name, definition in metrics_of(component).items():
            yield Choice("metric", name, registry.name_of(component), definition)


_LISTS: dict[str, Callable[[], Iterator[Choice]]] = {
    "optimizer": _optimizers,
    "schedule": _schedules,
    "tracker": _trackers,
    "metric": _metrics,
}
