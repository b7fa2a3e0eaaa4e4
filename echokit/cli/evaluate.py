"""``echokit evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from echokit.evaluate.anybody import Found
    from echokit.evaluate.evaluation import Evaluation

CLASSES = ("accuracy", "balanced_accuracy", "sensitivity", "specificity", "ppv", "npv", "auroc", "auprc")
PROBABILITIES = ("brier", "calibration")
MOST_GROUPS = 20
ESTIMATES = ("mae", "rmse", "r2", "bland_altman")


@click.command("evaluate", short_help="Evaluate anybody's predictions: metrics with intervals and baselines.")
@click.argument("predictions", type=click.Path(path_type=Path))
@click.option("--positive", metavar="VALUE", help="The class that is positive.")
@click.option("--true", "y_true", metavar="COLUMN", help="Column of the true classes.")
@click.option("--score", "y_score", metavar="COLUMN", help="Column of the scores.")
@click.option("--patient", metavar="COLUMN", help="Column of the patients; their scores are averaged.")
@click.option("--threshold", type=float, help="Score from which on a patient is called positive.")
@click.option("--truth", type=click.Path(path_type=Path), help="FileList.csv, for predictions of echonet/dynamic.")
@click.option("--below", type=float, default=50.0, show_default=True, help="EF below which such a heart is positive.")
@click.option("--metric", "metrics", multiple=True, metavar="NAME", help="An evaluator; may be repeated.")
@click.option("--by", multiple=True, metavar="COLUMN", help="Make subgroups by this column; may be repeated.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the bootstrap.")
@click.option("--json", "as_json", is_flag=True, help="Print metrics.json.")
def command(
    predictions: Path,
    positive: str | None,
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
    """Evaluate PREDICTIONS, a CSV with a column of true classes and one of scores: echokit's or anybody's.

    The test_predictions.csv of echonet/dynamic holds no truth: give its FileList.csv as --truth.

    \b
    Example: echokit evaluate predictions.csv --positive died
    """
    from echokit.errors import DataError
    from echokit.evaluate.anybody import is_echonet, read_anybody, read_echonet
    from echokit.evaluate.assessment import assess
    from echokit.plugins import installed

    asked = {"y_true": y_true, "y_score": y_score, "patient_id": patient}
    columns = {ours: theirs for ours, theirs in asked.items() if theirs is not None}
    if not columns and is_echonet(predictions):
        if truth is None:
            raise DataError(
                "these are estimates of echonet/dynamic, without the truth",
                hint="give the dataset's list: --truth FileList.csv",
                where=str(predictions),
            )
        found = read_echonet(predictions, truth, below=below)
    else:
        found = read_anybody(predictions, positive=positive, threshold=threshold, columns=columns)
    registry = installed().registry
    names = metrics or _usual(found)
    evaluators: list[tuple[str, Any]] = [(name, registry.get("evaluator", name).load()()) for name in names]
    for column in by:
        _refuse_names(found, column)
    if by:
        evaluators.append(("subgroups", registry.get("evaluator", "subgroups").load()(by=list(by))))
    evaluation = assess(found.predictions, evaluators, seed=seed)
    if as_json:
        from echokit.evaluate.files import metrics_json

        click.echo(metrics_json(evaluation, stamp=found.stamp))
    else:
        _show(found, evaluation)


def _refuse_names(found: Found, column: str) -> None:
    """Refuse a column in which nearly every patient stands alone: its parts are no subgroups."""
    from echokit.errors import DataError

    table = found.predictions.table
    if column in table.columns and (many := table[column].astype(str).nunique()) > MOST_GROUPS:
        texts = table[column].astype(str)
        if not texts.str.fullmatch(r"\s*[-+]?[0-9.]+\s*").all():  # numbers are cut at their median
            raise DataError(
                f"the column {column!r} has {many} values: that many subgroups say nothing",
                hint=f"give a column with at most {MOST_GROUPS} values, or one of numbers",
                where="--by",
            )


def _usual(found: Found) -> tuple[str, ...]:
    columns = found.predictions.table.columns
    names = CLASSES + (PROBABILITIES if found.predictions.probability else ())
    return names + (ESTIMATES if {"target", "prediction"} <= set(columns) else ())


def _show(found: Found, evaluation: Evaluation) -> None:
    from echokit.report.caution import cautions
    from echokit.report.wording import interval, number, title

    if found.stamp:
        click.echo(f"{found.stamp}: synthetic hearts; these numbers say nothing about patients")
    for note in found.notes:
        click.echo(note)
    lines = [("split", "fold", "metric", "value", "interval", "baseline", "n", "events")]
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
    for reason, of in reasons.items():
        click.echo(f"{', '.join(dict.fromkeys(of))}: {reason}")
    splits = dict.fromkeys(metric.split for metric in evaluation.metrics)
    for caution in cautions(evaluation.metrics, "test" if "test" in splits else next(iter(splits), "test")):
        click.echo(f"caution: {caution}")
