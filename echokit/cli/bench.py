"""``echokit bench``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click


@click.command("bench", short_help="Run a suite of recipes and measures, and make its table.")
@click.argument("suites", nargs=-1, metavar="[SUITE]...")
@click.option(
    "--scale",
    type=click.Choice(["tiny", "small", "full"]),
    default="tiny",
    show_default=True,
    help="tiny: minutes; small: an hour or two on 2 cores; full: the study's own size, on its data.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("runs/bench"),
    show_default=True,
    help="Where cells are kept.",
)
@click.option("--to", type=click.Path(path_type=Path), help="Write the tables here too.")
@click.option("--row", "rows", multiple=True, metavar="NAME", help="Only this row; may be repeated.")
@click.option("--seed", "seeds", multiple=True, type=int, help="Only this seed; may be repeated.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Cells at a time.")
@click.option("--again", is_flag=True, help="Run cells that are done again.")
def command(
    suites: tuple[str, ...],
    scale: Literal["tiny", "small", "full"],
    out: Path,
    to: Path | None,
    rows: tuple[str, ...],
    seeds: tuple[int, ...],
    jobs: int,
    again: bool,
) -> None:
    """Run every cell of a SUITE (a path, or the name of a shipped one) that is not done yet, and make its table.

    Without a SUITE, all shipped ones. Stop it at any moment: what is done is kept. A cell that fails is shown as
    failed, its log is beside it, and the table comes out all the same.

    \b
    Examples: echokit bench stage1
              echokit bench stage1 --scale small --row resnet18_28 --seed 0
    """
    from echokit.bench.execute import cells_of, execute
    from echokit.bench.suite import read_suite, shipped_suites
    from echokit.bench.table import make_table
    from echokit.bench.write import write_table
    from echokit.cli.console import Screen
    from echokit.progress import shown_by

    chosen = [read_suite(name, scale) for name in suites or shipped_suites()]
    screen = Screen()
    failed = 0
    for suite in chosen:
        screen.say(f"{suite.settings.title} ({suite.name}, {scale})")
        cells = cells_of(suite, out, rows, seeds)
        with shown_by(screen):
            results = execute(cells, jobs=jobs, again=again)
        table = make_table(suite, cells, results)
        for folder in filter(None, (out / scale, to)):
            files = write_table(table, folder)
        click.echo(files[0].read_text(encoding="utf-8") if len(chosen) == 1 else f"{suite.name}: {files[0]}")
        failed += sum(result.status != "done" for result in results.values())
    if failed:
        click.echo(f"{failed} cells failed; their logs: {out / scale}/SUITE/ROW/seed-N/log.txt", err=True)
        raise click.exceptions.Exit(2)
