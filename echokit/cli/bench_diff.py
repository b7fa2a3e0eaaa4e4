"""``echokit bench-diff``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("bench-diff", short_help="Say what moved between two tables, beyond its interval.")
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@click.option("--all", "everything", is_flag=True, help="Show what stayed within its interval too.")
def command(old: Path, new: Path, everything: bool) -> None:
    """Compare two tables of one suite, given as the .json that `echokit bench` wrote.

    A number moved when it lies outside the interval of its old value; one without an interval (seconds, bytes) when
    it changed by more than a tenth. Exit code 1 when anything moved.

    \b
    Example: echokit bench-diff benchmarks/results/stage1-small.json runs/bench/small/stage1-small.json
    """
    from echokit.bench.difference import differences, read_table

    first, second = read_table(old), read_table(new)
    found = list(differences(first, second))
    moved = [one for one in found if one.verdict != "within"]
    for one in found if everything else moved:
        was = "none" if one.old is None else f"{one.old:.4g}"
        now = "none" if one.new is None else f"{one.new:.4g}"
        click.echo(f"{one.verdict}: {one.row} {one.column}: {was} -> {now}" + (f" ({one.why})" if one.why else ""))
    click.echo(f"{len(moved)} of {len(found)} numbers moved")
    if first["machine"] != second["machine"]:
        click.echo("the machines or library versions differ: seconds and bits are not comparable", err=True)
    if moved:
        raise click.exceptions.Exit(1)
