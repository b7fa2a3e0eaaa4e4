"""The command ``echokit evaluate``: evaluate a CSV of predictions from any model."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from echokit.evaluation.evaluation import Evaluation
    from echokit.evaluation.files.foreign_predictions import ForeignPredictions

CLASSES = ("accuracy", "balanced_accuracy", "sensitivity", "specificity", "ppv", "npv", "auroc", "auprc")
PROBABILITIES = ("brier", "calibration")
MAX_SUBGROUPS = 20
ESTIMATES = ("mae", "rmse", "r2", "bland_altman")


def _finite(context: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"{value} is not a finite number.", context, parameter)
    return value


@click.command("evaluate", short_help="Evaluate a CSV of predictions from any model.")
@click.argument("predictions", type=click.Path(path_type=Path))
@click.option("--positive", metavar="VALUE", help="Value of the positive class.")
@click.option(
    "--negative",
    multiple=True,
    metavar="VALUE",
    help="Value of the negative class; may be repeated.  [default: all others]",
)
@click.option("--true", "y_true", metavar="COLUMN", help="Column of true classes.")
@click.option("--score", "y_score", metavar="COLUMN", help="Column of scores.")
@click.option("--patient", metavar="COLUMN", help="Column of patients; scores are averaged per patient.")
@click.option("--threshold", type=float, callback=_finite, help="Scores from this value up are classified as positive.")
@click.option(
    "--truth", type=click.Path(path_type=Path), help="FileList.csv of the dataset, for predictions of echonet/dynamic."
)
@click.option(
    "--below",
    type=click.FloatRange(0, 100),
    callback=_finite,
    default=50.0,
    show_default=True,
    help="EF (%) below which a heart is positive, with --truth.",
)
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="NAME",
    help="Evaluator to compute; may be repeated.  [default: all that fit]",
)
@click.option("--by", multiple=True, metavar="COLUMN", help="Column that defines subgroups; may be repeated.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Random seed of the bootstrap.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, in the format of metrics.json.")
def command(
    predictions: Path,
    positive: str | None,
    negative: tuple[str, ...],
    y_true: str | None,
    y_score: str | None,
    patient: str | None,
    threshold: float | None,
    truth: Path | None,
    below: float,
    metrics: tuple[str, ...],
    by: tuple[str, ...],
    seed: int,
    as_json: bool,
) -> None:
    """Evaluate PREDICTIONS of any model, with intervals and baselines.

    PREDICTIONS is a CSV file of true classes and scores.

    The test_predictions.csv of echonet/dynamic contains no true values: add its FileList.csv as --truth.

    \b
    Example: echokit evaluate predictions.csv --positive died
    """
    from echokit.errors import DataError
    from echokit.evaluation.evaluate_folds import evaluate_folds
    from echokit.evaluation.files.foreign_predictions import (
        is_echonet_predictions,
        read_echonet_predictions,
        read_foreign_predictions,
    )
    from echokit.plugins.discovery import installed
    from echokit.plugins.foreign_code import output_to_stderr

    requested = {"y_true": y_true, "y_score": y_score, "patient_id": patient}
    columns = {ours: theirs for ours, theirs in requested.items() if theirs is not None}
    by = tuple(dict.fromkeys(by))
    options = {"--positive": positive, "--negative": negative, "--threshold": threshold}
    echonet = not columns and is_echonet_predictions(predictions)
    if unused := [name for name, value in options.items() if value not in (None, ())] if echonet else []:
        raise DataError(
            f"{', '.join(unused)} has no use with predictions of echonet/dynamic: a heart is positive below an EF",
            hint="--below EF",
            where=str(predictions),
            code="predictions.unused_option",
        )
    if truth is not None and not echonet:
        raise DataError(
            "--truth is for predictions of echonet/dynamic: lines of video, number of the clip and EF",
            hint="this file has its own true classes; leave --truth out",
            where=str(predictions),
            code="predictions.unused_option",
        )
    if echonet:
        if truth is None:
            raise DataError(
                "these are predictions of echonet/dynamic, without true values",
                hint="add the list of the dataset: --truth FileList.csv",
                where=str(predictions),
                code="predictions.no_truth",
            )
        found = read_echonet_predictions(predictions, truth, below=below)
    else:
        found = read_foreign_predictions(
            predictions, positive=positive, negative=negative, threshold=threshold, columns=columns
        )
    registry = installed().registry
    components = [registry.get("evaluator", name) for name in dict.fromkeys(metrics or _default_metrics(found))]
    for column in by:
        _check_subgroup_column(found, column)
    with output_to_stderr():
        evaluators = [(one.full_name, _built(one.name, one.load())) for one in components]
        if by:
            evaluators.append(("subgroups", registry.get("evaluator", "subgroups").load()(by=list(by))))
        evaluation = evaluate_folds(found.predictions, evaluators, seed=seed)
    if as_json:
        from echokit.evaluation.files.metric_files import metrics_json

        for note in found.notes:
            click.echo(note, err=True)
        click.echo(metrics_json(evaluation, stamp=found.stamp))
    else:
        _show(found, evaluation)


def _built(name: str, evaluator: Any) -> Any:
    """Build an evaluator that needs no parameters."""
    import inspect

    from echokit.errors import EchokitError

    parameters = inspect.signature(evaluator).parameters.values()
    needed = [p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if needed:
        raise EchokitError(
            f"the evaluator {name!r} needs {', '.join(needed)}",
            hint="--by COLUMN" if name == "subgroups" else "use it in a recipe, which gives parameters",
            where="--metric",
            code="evaluator.needs_parameters",
        )
    return evaluator()


def _check_subgroup_column(found: ForeignPredictions, column: str) -> None:
    """Reject a text column with too many values to define subgroups.

    Such a column often holds names.
    """
    from echokit.errors import DataError

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


def _show(found: ForeignPredictions, evaluation: Evaluation) -> None:
    from echokit.results.summary.cautions import cautions
    from echokit.results.wording import interval, number, p_value, title

    if found.stamp:
        click.echo(f"{found.stamp}: synthetic hearts; these results do not apply to patients")
    for note in found.notes:
        click.echo(note)
    lines = [("split", "fold", "metric", "value", "interval", "baseline", "n", "positive")]
    reasons: dict[str, list[str]] = {}
    for metric in evaluation.metrics:
        name = title(metric.metric) + (f" [{metric.subgroup}]" if metric.subgroup else "")
        ends = interval(metric)
        if ends is None and metric.interval:
            reasons.setdefault(metric.interval, []).append(name)
        fold = "all" if metric.fold is None else str(metric.fold)
        baseline = "" if metric.baseline is None else number(metric.baseline)
        counts = (str(metric.n), str(metric.events))
        lines.append((metric.split, fold, name, number(metric.value), ends or "none", baseline, *counts))
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    for reason, names in reasons.items():
        click.echo(f"{', '.join(dict.fromkeys(names))}: {reason}")
    tests: dict[str, list[str]] = {}
    for metric in evaluation.metrics:
        if text := p_value(metric):
            tests.setdefault(f"{metric.split}, {text}", []).append(title(metric.metric))
    for text, names in tests.items():
        click.echo(f"against the baseline on {text}: {', '.join(names)}")
    splits = dict.fromkeys(metric.split for metric in evaluation.metrics)
    for caution in cautions(evaluation.metrics, "test" if "test" in splits else next(iter(splits), "test")):
        click.echo(f"caution: {caution}")
