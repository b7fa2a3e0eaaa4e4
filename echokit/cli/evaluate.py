"""The command ``echokit evaluate``: evaluate a CSV of predictions from any model."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from echokit.cli import options

if TYPE_CHECKING:
    from echokit.evaluation.evaluation import Evaluation
    from echokit.evaluation.files.foreign_predictions import ForeignPredictions


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
    help="Evaluator or aggregator; may be repeated.  [default: all that fit]",
)
@click.option("--by", multiple=True, metavar="COLUMN", help="Column that defines subgroups; may be repeated.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Random seed of the bootstrap.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, in the format of metrics.json.")
@options.plugin_files
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
    from echokit.evaluation.files.evaluate_file import evaluate_file
    from echokit.plugins.foreign_code import output_to_stderr

    requested = {"y_true": y_true, "y_score": y_score, "patient_id": patient}
    with output_to_stderr():
        evaluated = evaluate_file(
            predictions,
            positive=positive,
            negative=negative,
            columns={ours: theirs for ours, theirs in requested.items() if theirs is not None},
            threshold=threshold,
            truth=truth,
            below=below,
            metrics=metrics,
            by=by,
            seed=seed,
        )
    if as_json:
        from echokit.evaluation.files.metric_files import metrics_json

        for note in evaluated.found.notes:
            click.echo(note, err=True)
        click.echo(metrics_json(evaluated.evaluation, stamp=evaluated.found.stamp))
    else:
        _show(evaluated.found, evaluated.evaluation)


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
