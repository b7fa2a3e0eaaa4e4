"""All runs of a folder, with the one figure that each is known by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from echokit.errors import EchokitError
from echokit.evaluation.evaluation import Metric
from echokit.recipe.yaml_file import read_yaml
from echokit.results.run import LOCK, Run, changed_files
from echokit.results.wording import count, estimate, number
from echokit.system.phantom_mark import STAMP


@dataclass(frozen=True)
class RunRow:
    """What a list says about a run.

    Attributes:
        name: Name of the recipe.
        path: Directory of the run.
        created: When it was started or extended, in UTC.
        epochs: Largest number of epochs.
        state: ``finished``, ``unfinished``, or ``damaged: `` and what has changed.
        data: Name of the dataset; None if the lock cannot be read.
        cases: Number of cases.
        phantom: Whether the data are synthetic; None if the lock cannot be read.
        metric: The headline metric of the test set; None if the run is unfinished or damaged.
    """

    name: str
    path: Path
    created: str | None
    epochs: int | None
    state: str
    data: str | None
    cases: int | None
    phantom: bool | None
    metric: Metric | None

    def to_dict(self) -> dict[str, Any]:
        """Convert to JSON content."""
        return {**asdict(self), "path": str(self.path), "stamp": STAMP if self.phantom else None}

    def lines(self) -> tuple[str, str, str]:
        """Describe the run: its place and state, its data, its headline metric."""
        when = "" if self.created is None else f", {self.created[:16].replace('T', ' ')}"
        data = "data unknown: the lock cannot be read"
        if self.data is not None:
            data = f"{self.data}, {count(self.cases or 0, 'case')}, {count(self.epochs or 0, 'epoch')}"
            data += f"; {STAMP}" if self.phantom else ""
        result = "no result"
        if self.metric is not None:
            baseline = "none" if self.metric.baseline is None else number(self.metric.baseline)
            result = (
                f"test {estimate(self.metric)}; baseline {baseline}; n {self.metric.n}, {self.metric.events} positive"
            )
        return f"{self.path}: {self.state}{when}", data, result


def list_runs(out: Path) -> list[RunRow]:
    """List the runs of a folder by name, the newest of a name first."""
    locks = sorted((lock for lock in out.glob(f"*/*/{LOCK}") if not lock.parent.is_symlink()), reverse=True)
    return sorted((_row(Run(lock.parent)) for lock in locks), key=lambda row: row.name)


def _row(run: Run) -> RunRow:
    content = _content(run.path / LOCK)
    data, recipe = content.get("data", {}), content.get("recipe", {})
    state, metric = "unfinished", None
    if changed := changed_files(run):
        state = f"damaged: {', '.join(changed[:3])} changed"
    elif run.complete:
        state = "finished"
        try:
            metric = _headline(run)
        except EchokitError as error:
            state = f"damaged: {error.message}"
    return RunRow(
        name=str(recipe.get("name", run.path.parent.name)),
        path=run.path,
        created=content.get("created"),
        epochs=recipe.get("train", {}).get("epochs"),
        state=state,
        data=data.get("name"),
        cases=data.get("cases"),
        phantom=data.get("phantom"),
        metric=metric,
    )


def _headline(run: Run) -> Metric | None:
    from echokit.results.headline import headline

    return next(iter(headline(run.metrics, "test")), None)


def _content(lock: Path) -> Mapping[str, Any]:
    """Read a lock without validating its recipe: a plugin may be missing today."""
    try:
        content = read_yaml(lock, environment={}).plain()
    except EchokitError:
        return {}
    return content if isinstance(content, dict) else {}
