"""The command ``echokit audit``: check whether the numbers of a published K-fold table are possible."""

from __future__ import annotations

from pathlib import Path

import click

from echokit.cli import options


@click.command("audit", short_help="Check whether the numbers of a published K-fold table are possible.")
@click.argument("table", type=click.Path(path_type=Path))
@click.option("--n", "patients", type=int, help="Number of patients, if the table has no column n.")
@click.option("--events", type=int, help="Number of positive patients, if the table has no column events.")
@options.as_json
def command(table: Path, patients: int | None, events: int | None, as_json: bool) -> None:
    """Check whether the accuracies in TABLE are arithmetically possible.

    TABLE is a CSV with the columns n (patients), events (positive patients), k (folds), accuracy and sd, one row per
    result. An accuracy counts patients, so a small cohort allows only few means and SDs over folds. Each row is
    compared with always predicting the larger class.

    \b
    Example: echokit audit table.csv --n 34 --events 7
    """
    import json
    from dataclasses import asdict

    from echokit.evaluation.published.audit_table import audit_table

    rows = audit_table(table, patients=patients, events=events)
    if as_json:
        click.echo(json.dumps([asdict(row) for row in rows], indent=2))
        return
    for row in rows:
        click.echo(row.words)
