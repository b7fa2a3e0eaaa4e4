"""``echokit audit``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("audit", short_help="Ask of a published K-fold table whether its numbers can arise at all.")
@click.argument("table", type=click.Path(path_type=Path))
@click.option("--n", "patients", type=int, help="Patients, where the table has no column n.")
@click.option("--events", type=int, help="Events, where the table has no column events.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(table: Path, patients: int | None, events: int | None, as_json: bool) -> None:
    """Test the accuracies of TABLE, a CSV with the columns n, events, k, accuracy and sd, a row a result.

    An accuracy counts patients, so few means and SDs over folds are possible in a small cohort. Beside each row
    stands what always answering the larger class scores.

    \b
    Example: echokit audit table.csv --n 34 --events 7
    """
    import json
    from dataclasses import asdict

    from echokit.evaluate.audit_table import audit_table

    rows = audit_table(table, patients=patients, events=events)
    if as_json:
        click.echo(json.dumps([asdict(row) for row in rows], indent=2))
        return
    for row in rows:
        click.echo(row.words)
