"""Evaluate a file of predictions from any model."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from echokit.errors import DataError, EchokitError
from echokit.evaluation.evaluate_folds import evaluate_folds
from echokit.evaluation.evaluation import EVALUATE, Evaluation
from echokit.evaluation.files.foreign_predictions import (
    ForeignPredictions,
    is_echonet_predictions,
    read_echonet_predictions,
    read_foreign_predictions,
)
from echokit.evaluation.files.metric_files import FIELDS
from echokit.plugins.component import Component
from echokit.plugins.discovery import installed

if TYPE_CHECKING:
    import pandas as pd

CLASSES = ("accuracy", "balanced_accuracy", "sensitivity", "specificity", "ppv", "npv", "auroc", "auprc")
PROBABILITIES = ("brier", "calibration")
ESTIMATES = ("mae", "rmse", "r2", "bland_altman")
MAX_SUBGROUPS = 20


@dataclass(frozen=True)
class EvaluatedFile:
    """Predictions of a file, and their metrics."""

    found: ForeignPredictions
    evaluation: Evaluation

    @property
    def table(self) -> pd.DataFrame:
        """One row a metric, with the fields of ``metrics.json``."""
        import pandas as pd

        entries = [asdict(metric) for metric in self.evaluation.metrics]
        table = pd.DataFrame([[entry[name] for name in FIELDS] for entry in entries], columns=list(FIELDS))
        numbers = ("threshold", "value", "low", "high", "level", "baseline", "p")
        table = table.astype({**dict.fromkeys(numbers, "float64"), "repeat": "Int64", "fold": "Int64"})
        return table.assign(data=self.found.stamp) if self.found.stamp else table


def evaluate_file(
    path: Path,
    *,
    positive: str | None = None,
    negative: Sequence[str] = (),
    columns: Mapping[str, str] | None = None,
    threshold: float | None = None,
    truth: Path | None = None,
    below: float = 50.0,
    metrics: Sequence[str] = (),
    by: Sequence[str] = (),
    seed: int = 0,
) -> EvaluatedFile:
    """Evaluate a CSV of true classes and scores, or predictions of echonet/dynamic.

    Args:
        path: The CSV.
        positive: Value of the positive class.
        negative: Values of the negative class; by default all others.
        columns: echokit's column to the file's: ``y_true``, ``y_score``, ``patient_id``.
        threshold: Scores from this value up are classified as positive.
        truth: FileList.csv of the dataset, for predictions of echonet/dynamic.
        below: EF (%) below which a heart is positive, with ``truth``.
        metrics: Evaluators, by default all that fit, and aggregators, which combine them over the folds of the file.
        by: Columns that define subgroups.
        seed: Seed of the bootstrap.

    Raises:
        EchokitError: The file cannot be used, or an argument does not fit it.
    """
    found = _read(path, positive, negative, dict(columns or {}), threshold, truth, below)
    by = tuple(dict.fromkeys(by))
    registry = installed().registry
    named = [registry.get(registry.kind_of(name, EVALUATE), name) for name in dict.fromkeys(metrics)]
    components = [one for one in named if one.kind == "evaluator"]
    components = components or [registry.get("evaluator", name) for name in _default_metrics(found)]
    for column in by:
        _check_subgroup_column(found, column)
    evaluators = [(one.full_name, _built(one)) for one in components]
    aggregators = [(one.full_name, _built(one)) for one in named if one.kind == "aggregator"]
    if by:
        evaluators.append(("subgroups", registry.get("evaluator", "subgroups").load()(by=list(by))))
    return EvaluatedFile(found, evaluate_folds(found.predictions, evaluators, seed=seed, aggregators=aggregators))


def _read(
    path: Path,
    positive: str | None,
    negative: Sequence[str],
    columns: dict[str, str],
    threshold: float | None,
    truth: Path | None,
    below: float,
) -> ForeignPredictions:
    options = {"--positive": positive, "--negative": tuple(negative), "--threshold": threshold}
    echonet = not columns and is_echonet_predictions(path)
    if unused := [name for name, value in options.items() if value not in (None, ())] if echonet else []:
        raise DataError(
            f"{', '.join(unused)} has no use with predictions of echonet/dynamic: a heart is positive below an EF",
            hint="--below EF",
            where=str(path),
            code="predictions.unused_option",
        )
    if truth is not None and not echonet:
        raise DataError(
            "--truth is for predictions of echonet/dynamic: lines of video, number of the clip and EF",
            hint="this file has its own true classes; leave --truth out",
            where=str(path),
            code="predictions.unused_option",
        )
    if not echonet:
        return read_foreign_predictions(
            path, positive=positive, negative=negative, threshold=threshold, columns=columns
        )
    if truth is None:
        raise DataError(
            "these are predictions of echonet/dynamic, without true values",
            hint="add the list of the dataset: --truth FileList.csv",
            where=str(path),
            code="predictions.no_truth",
        )
    return read_echonet_predictions(path, truth, below=below)


def _built(component: Component) -> Any:
    """Build a component that needs no parameters."""
    name, target = component.name, component.load()
    parameters = inspect.signature(target).parameters.values()
    needed = [p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if needed:
        raise EchokitError(
            f"the {component.kind} {name!r} needs {', '.join(needed)}",
            hint="--by COLUMN" if name == "subgroups" else "use it in a recipe, which gives parameters",
            where="--metric",
            code="evaluator.needs_parameters",
        )
    return target()


def _check_subgroup_column(found: ForeignPredictions, column: str) -> None:
    """Reject a text column with too many values to define subgroups.

    Such a column often holds names.
    """
    table = found.predictions.table
    if column in table.columns and (many := table[column].astype(str).nunique()) > MAX_SUBGROUPS:
        texts = table[column].astype(str)
        if not texts.str.fullmatch(r"\s*[-+]?[0-9.]+\s*").all():  # numbers are split at their median
            raise DataError(
                f"the column {column!r} has {many} values, too many for subgroups",
                hint=f"choose a column with at most {MAX_SUBGROUPS} values, or a numeric one",
                where="--by",
                code="subgroups.too_many_values",
            )


def _default_metrics(found: ForeignPredictions) -> tuple[str, ...]:
    columns = found.predictions.table.columns
    names = CLASSES + (PROBABILITIES if found.predictions.probability else ())
    return names + (ESTIMATES if {"target", "prediction"} <= set(columns) else ())
