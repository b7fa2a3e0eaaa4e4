"""The command ``echokit compare``: compare finished runs on the same patients."""

from __future__ import annotations

from pathlib import Path

import click

from echokit.cli import options


@click.command("compare", short_help="Compare finished runs on the same patients.")
@click.argument("runs", nargs=-1, required=True, metavar="RUN RUN...")
@click.option("--to", type=click.Path(path_type=Path), help="File for the page.  [default: OUT/compare/NAMES.html]")
@options.as_json
@options.runs_folder
@options.plugin_files
def command(runs: tuple[str, ...], to: Path | None, as_json: bool, out: Path) -> None:
    """Compare finished RUNs with the first one, and write an HTML page.

    Each RUN is a run directory or the name of a run.

    Differences are paired over the same test patients. Cross-validated runs are shown side by side but not tested,
    because their scores come from different models.

    \b
    Example: echokit compare ef_56 ef_56_weighted
    """
    import json

    from echokit.api import compare
    from echokit.results.wording import title

    comparison = compare(*runs, to=to, out=out)
    if as_json:
        click.echo(json.dumps(comparison.to_dict(), indent=2))
        return
    stamp = next((stamp for stamp in comparison.stamps if stamp), None)
    if stamp:
        click.echo(f"{stamp}: synthetic hearts; these results do not apply to patients")
    widths = [
        max(len(row[i]) for row in (("", *comparison.names), *comparison.metrics))
        for i in range(len(comparison.names) + 1)
    ]
    for row in (("", *comparison.names), *comparison.metrics):
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for pair in comparison.pairs:
        click.echo(f"\n{pair.other} minus {comparison.names[0]}")
        if pair.problem:
            click.echo(f"  {pair.problem}")
        for difference in pair.differences:
            ends = (
                "no interval" if difference.low is None else f"95 % CI {difference.low:+.3f} to {difference.high:+.3f}"
            )
            p = "" if difference.p is None else f", p {difference.p:.3f}"
            value = "undefined" if difference.value is None else f"{difference.value:+.3f}"
            counts = f"n {difference.n}, {difference.events} positive"
            click.echo(f"  {title(difference.metric)} {value} ({ends}{p}); {counts}; {difference.method}")
        if pair.cases:
            click.echo(f"  {pair.disagreeing} of {pair.cases} videos are classified differently")
    if comparison.recipes:
        click.echo("\nrecipes")
        for key, *values in comparison.recipes:
            click.echo(f"  {key}: {' | '.join(values)}")
    click.echo(f"\npage: {comparison.page}")
