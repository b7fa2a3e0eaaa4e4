"""The command ``echokit bench-diff``: compare two benchmark tables; list the numbers that changed."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("bench-diff", short_help="Compare two benchmark tables; list the numbers that changed.")
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@click.option("--all", "everything", is_flag=True, help="Also list the numbers that did not change.")
def command(old: Path, new: Path, everything: bool) -> None:
    """Compare the OLD and the NEW table of a suite.

    Both are JSON files written by `echokit bench`.

    A number has moved if it lies outside the confidence interval of its old value. A number without an interval
    (seconds, bytes) has moved if it changed by more than 10 %. Exit code 1: a number has moved.

    \b
    Example: echokit bench-diff benchmarks/results/stage1-small.json runs/bench/small/stage1-small.json
    """
    from echokit.tools.bench.difference import compare_tables, read_table

    first, second = read_table(old), read_table(new)
    compared = list(compare_tables(first, second))
    moved = [difference for difference in compared if difference.verdict != "within"]
    for difference in compared if everything else moved:
        before = "none" if difference.old is None else f"{difference.old:.4g}"
        after = "none" if difference.new is None else f"{difference.new:.4g}"
        reason = f" ({difference.why})" if difference.why else ""
        click.echo(f"{difference.verdict}: {difference.row} {difference.column}: {before} -> {after}{reason}")
    click.echo(f"{len(moved)} of {len(compared)} numbers moved")
    if first["machine"] != second["machine"]:
        click.echo("the machines or library versions differ: times and exact bits cannot be compared", err=True)
    if moved:
        raise click.exceptions.Exit(1)
