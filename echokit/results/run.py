"""Run: the directory of one run, which can be read and reproduced."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from echokit.errors import EchokitError, did_you_mean
from echokit.results.lock import Lock, read_lock
from echokit.system.checksums import checksum_problem, read_checksums
from echokit.system.csv_cells import csv_text, unguarded
from echokit.system.files import write_text

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    import pandas as pd
    from matplotlib.figure import Figure

    from echokit.evaluation.evaluation import Metric

    AnyPath = str | os.PathLike[str]

NOTES = "notes.json"
"""Warnings about the data and the run: a list of texts."""
SECTIONS = "sections.json"
"""Report sections of plugins and controls: a list of title and text."""
LOCK, SUMMARY = "lock.yaml", "summary.md"
"""The first and the last file of a run."""


@dataclass(frozen=True, repr=False)
class Run:
    """The directory of a run.

    A file that has changed since the run wrote it is refused: ``checksums.json`` has the SHA-256 of each.

    Attributes:
        path: ``runs/NAME/STAMP``.
    """

    path: Path

    @cached_property
    def lock(self) -> Lock:
        """Recipe, data, environment and hashes of the run.

        Raises:
            EchokitError: There is no readable lock, or it has changed since the run wrote it.
        """
        if problem := checksum_problem(self.path, LOCK):
            raise EchokitError(
                f"the lock of the run is damaged: {problem}",
                hint="restore it from a copy, or run the recipe again",
                where=str(self.path / LOCK),
                code="run.damaged_file",
            )
        return read_lock(self.path / LOCK)

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """The table of ``predictions.csv``, one row a case and fold.

        Raises:
            EchokitError: The run is unfinished, or the file is damaged.
        """
        from echokit.evaluation.predictions import COLUMNS

        return self._table("predictions.csv", COLUMNS)

    @cached_property
    def cohort(self) -> pd.DataFrame:
        """The table of ``cohort.csv``, one row a case.

        Raises:
            EchokitError: The run is unfinished, or the file is damaged.
        """
        return self._table("cohort.csv", ("case_id", "patient_id", "y_true"))

    @cached_property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics of ``metrics.json``.

        Raises:
            EchokitError: The run is unfinished, or the file is damaged.
        """
        from echokit.evaluation.evaluation import Metric

        fields = Metric.__dataclass_fields__
        file = check_file(self, "metrics.json")
        try:
            entries = _json(file)
            return tuple(Metric(**{key: value for key, value in entry.items() if key in fields}) for entry in entries)
        except (AttributeError, TypeError) as error:
            raise _damaged(file, error) from None

    @property
    def curves(self) -> dict[str, Any]:
        """The content of ``curves.json``.

        Raises:
            EchokitError: The run is unfinished, or the file is damaged.
        """
        file = check_file(self, "curves.json")
        content = _json(file)
        if not isinstance(content, dict):
            raise _damaged(file, "it has no curves by name")
        return content

    @property
    def history(self) -> list[dict[str, Any]]:
        """The lines of ``history.jsonl``, one an epoch.

        Raises:
            EchokitError: The run is unfinished, or the file is damaged.
        """
        file = check_file(self, "history.jsonl")
        try:
            records = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        except ValueError as error:
            raise _damaged(file, error) from None
        if not all(isinstance(record, dict) for record in records):
            raise _damaged(file, "a line has no epoch")
        return records

    def metric(self, name: str, split: str = "test") -> Metric:
        """Return one metric of one split.

        Raises:
            EchokitError: The run has no such metric.
        """
        for metric in self.metrics:
            if (metric.metric, metric.split, metric.subgroup) == (name, split, None):
                return metric
        raise EchokitError(f"the run has no {name} of the {split} set", where=str(self.path), code="run.no_metric")

    @property
    def thresholds(self) -> tuple[float, ...]:
        """The threshold of each fold on the test set; empty without thresholds."""
        with_threshold = [
            m
            for m in self.metrics
            if m.split == "test" and m.subgroup is None and m.fold is not None and m.threshold is not None
        ]
        names = [m.metric for m in with_threshold]
        first = "accuracy" if "accuracy" in names else next(iter(names), None)
        return tuple(float(m.threshold) for m in with_threshold if m.metric == first and m.threshold is not None)

    @property
    def called_from(self) -> float | None:
        """The common threshold of all folds; None if they differ or have none."""
        thresholds = set(self.thresholds)
        return thresholds.pop() if len(thresholds) == 1 else None

    @property
    def report(self) -> Path:
        """The path of ``report.html``.

        Raises:
            EchokitError: The run has no report.
        """
        file = self.path / "report.html"
        if not file.is_file():
            raise _unfinished(self, "it has no report.html")
        return file

    def predict(
        self, sources: AnyPath | Iterable[AnyPath], *, overlays: AnyPath | None = None, device: str = "auto"
    ) -> pd.DataFrame:
        """Score new videos with this run: see ``echokit.predict``.

        Args:
            sources: AVI, MP4 or DICOM files, or folders of them; one or several.
            overlays: Folder for one annotated video per case.
            device: ``auto``, ``cpu`` or ``cuda``.

        Raises:
            EchokitError: The run is unfinished or damaged, or a source is missing or has no video.
        """
        import importlib

        api = importlib.import_module("echokit.api")  # by name, because it is above this room
        table: pd.DataFrame = api.predict(self, sources, overlays=overlays, device=device)
        return table

    def figure(self, name: str, split: str = "test") -> Figure:
        """Draw a plot of the run; a notebook shows it as the last line of a cell.

        Args:
            name: ``roc``, ``pr``, ``confusion``, ``learning_curves``, or a curve of a plugin: ``plugin:curve``.
            split: Which split; learning curves have none.

        Raises:
            EchokitError: There is no such plot, or the run is unfinished.
        """
        from echokit.evaluation.evaluation import Evaluation
        from echokit.results.figures.curve_figures import confusion_figure, pr_figure, roc_figure
        from echokit.results.figures.evaluator_curves import curve_figure, drawn_curves
        from echokit.results.figures.learning_figure import learning_curves_figure

        stamp, positive = self.lock.stamp, self.lock.recipe.target.positive
        if name == "learning_curves":
            return learning_curves_figure(self.history, stamp=stamp)
        figures = {"roc": roc_figure, "pr": pr_figure, "confusion": confusion_figure}
        own = drawn_curves(self.curves, split)
        if name in own:
            return curve_figure(own[name], positive=positive, split=split, stamp=stamp)
        if name not in figures:
            names = [*figures, "learning_curves", *own]
            hint = did_you_mean(name, names) or f"the plots are {', '.join(names)}"
            raise EchokitError(f"there is no plot {name!r}", hint=hint, code="run.unknown_plot")
        return figures[name](Evaluation(self.metrics, self.curves), positive=positive, split=split, stamp=stamp)

    def __repr__(self) -> str:
        return f"<Run {self.path}>" if self.complete else f"<Run {self.path}, not finished>"

    def _repr_html_(self) -> str:
        """Format the test metrics as a table, for notebooks."""
        from html import escape

        from echokit.results.wording import interval, number, title

        if not self.complete:
            return f"<p>Run {escape(str(self.path))}, not finished</p>"
        several = len({(m.repeat, m.fold) for m in self.metrics if m.fold is not None}) > 1
        rows = "".join(
            f"<tr><td>{escape(title(m.metric))}</td><td>{number(m.value)}</td><td>{escape(interval(m) or 'none')}</td>"
            f"<td>{'none' if m.baseline is None else number(m.baseline)}</td><td>{m.n}</td><td>{m.events}</td></tr>"
            for m in self.metrics
            if m.split == "test" and m.subgroup is None and (m.fold is None or not several)
        )
        stamp = f"<p><strong>{escape(self.lock.stamp)}</strong></p>" if self.lock.stamp else ""
        head = (
            "<tr><th>test metric</th><th>value</th><th>interval</th><th>baseline</th><th>n</th><th>positive</th></tr>"
        )
        return f"<p>Run {escape(str(self.path))}</p>{stamp}<table>{head}{rows}</table>"

    @property
    def complete(self) -> bool:
        """Whether the run has finished."""
        return SUMMARY in read_checksums(self.path) and (self.path / SUMMARY).is_file()

    def fold(self, number: int) -> Path:
        """Return the folder with the checkpoints of a fold."""
        return self.path / "checkpoints" / f"fold-{number}"

    def _table(self, name: str, columns: Sequence[str]) -> pd.DataFrame:
        """Read a table of the run; a row without a value in the given columns is an error."""
        import pandas as pd

        file = check_file(self, name)
        try:
            names = {"case_id": str, "patient_id": str}
            # A missing value is an empty cell; a patient may be called NA.
            table = unguarded(pd.read_csv(file, dtype=names, keep_default_na=False, na_values=[""]))
        except ValueError as error:
            raise _damaged(file, error) from None
        missing = [column for column in columns if column not in table.columns]
        if missing:
            raise _damaged(file, f"the columns {', '.join(missing)} are missing")
        texts = ("case_id", "patient_id", "split")
        whole = table[list(columns)].apply(
            lambda cells: cells if cells.name in texts else pd.to_numeric(cells, errors="coerce")
        )
        cut = not file.read_bytes().endswith(b"\n")
        if cut or whole.drop(columns="split", errors="ignore").isna().to_numpy().any():
            raise _damaged(file, "it ends inside a row" if cut else "a row lacks a value")
        return table


def check_file(run: Run, name: str) -> Path:
    """Return a file of a run if it is as the run wrote it.

    Args:
        run: The run.
        name: Relative to its directory.

    Raises:
        EchokitError: The run is unfinished, or the file is missing or has changed.
    """
    problem = checksum_problem(run.path, name)
    if problem is None:
        return run.path / name
    raise _damaged(run.path / name, problem) if run.complete else _unfinished(run, f"{name}: {problem}")


def changed_files(run: Run) -> list[str]:
    """List the files of a run that are missing or have changed since it wrote them.

    Of a fold, only the list of its checksums is compared: its weights can be large.
    """
    return [name for name in read_checksums(run.path) if checksum_problem(run.path, name)]


def _unfinished(run: Run, why: str) -> EchokitError:
    return EchokitError(
        f"the run did not finish: {why}",
        hint="echokit run ... --resume continues it",
        where=str(run.path),
        code="run.unfinished",
    )


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise _damaged(file, error) from None


def _damaged(file: Path, why: object) -> EchokitError:
    reason = " ".join(str(why).split())
    return EchokitError(
        f"{file.name} of the run is damaged: {reason}",
        hint="echokit run ... --resume writes the results again, and says which folds cannot be used",
        where=str(file),
        code="run.damaged_file",
    )


def read_notes(run: Run) -> list[str]:
    """Read the warnings of ``notes.json``; empty if the run has no such file.

    Raises:
        EchokitError: The file is damaged.
    """
    return [str(note) for note in _read_list(run, NOTES)]


def read_sections(run: Run) -> list[dict[str, str]]:
    """Read the report sections of ``sections.json``, each a ``title`` and a ``text``.

    Raises:
        EchokitError: The file is damaged.
    """
    return _read_list(run, SECTIONS)


def _read_list(run: Run, name: str) -> list[Any]:
    if name not in read_checksums(run.path) and not (run.path / name).exists():
        return []
    file = check_file(run, name)
    content = _json(file)
    if not isinstance(content, list):
        raise _damaged(file, "it is not a list")
    return content


def write_table(table: pd.DataFrame, path: Path, stamp: str | None) -> None:
    """Write a table as CSV with all digits; a stamp is written to the column ``data``."""
    write_text(path, csv_text(table.assign(data=stamp) if stamp else table))
