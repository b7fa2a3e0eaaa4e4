"""``echokit compare``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("compare", short_help="Hold finished runs against each other, on the same patients.")
@click.argument("runs", nargs=-1, required=True, metavar="RUN RUN...")
@click.option("--to", type=click.Path(path_type=Path), help="The page; OUT/compare/NAMES.html by default.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Where runs are.")
def command(runs: tuple[str, ...], to: Path | None, as_json: bool, out: Path) -> None:
    """Compare finished RUNs (run directories, or names) with the first of them, and write a page.

    Differences are paired over the same test patients. Runs in folds are shown beside each other but not tested: their
    scores come from different models.

    \b
    Example: echokit compare ef_56 ef_56_weighted
    """
    import json

    from echokit.page.comparison import compare_runs
    from echokit.page.write import write_comparison
    from echokit.report.wording import title
    from echokit.run_directory import find_finished

    found = compare_runs([find_finished(run, out) for run in runs])
    names = "-".join(name.replace(" ", "-") for name in found.names)
    path = write_comparison(found, to or out / "compare" / f"{names}.html")
    if as_json:
        click.echo(json.dumps(found.plain(), indent=2))
        return
    stamp = next((stamp for stamp in found.stamps if stamp), None)
    if stamp:
        click.echo(f"{stamp}: synthetic hearts; these numbers say nothing about patients")
    widths = [max(len(row[i]) for row in (("", *found.names), *found.metrics)) for i in range(len(found.names) + 1)]
    for row in (("", *found.names), *found.metrics):
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for pair in found.pairs:
        click.echo(f"\n{pair.other} less {found.names[0]}")
        if pair.problem:
            click.echo(f"  {pair.problem}")
        for one in pair.differences:
            ends = "no interval" if one.low is None else f"95 % CI {one.low:+.3f} to {one.high:+.3f}"
            p = "" if one.p is None else f", p {one.p:.3f}"
            value = "undefined" if one.value is None else f"{one.value:+.3f}"
            click.echo(f"  {title(one.metric)} {value} ({ends}{p}); n {one.n}, {one.events} events; {one.method}")
        if pair.cases:
            click.echo(f"  {pair.disagreeing} of {pair.cases} videos are called differently")
    if found.recipes:
        click.echo("\nrecipes")
        for key, *said in found.recipes:
            click.echo(f"  {key}: {' | '.join(said)}")
    click.echo(f"\npage: {path}")
