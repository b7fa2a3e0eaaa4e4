"""The command ``echokit bench``: run a benchmark suite and write its table."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from echokit.cli import options


@click.command("bench", short_help="Run a benchmark suite and write its table.")
@click.argument("suites", nargs=-1, metavar="[SUITE]...")
@click.option(
    "--scale",
    type=click.Choice(["tiny", "small", "full"]),
    default="tiny",
    show_default=True,
    help="tiny: minutes; small: an hour or two on 2 cores; full: size and data of the reference study "
    f"({options.STUDY}).",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("runs/bench"),
    show_default=True,
    help="Folder for the results of each cell.",
)
@click.option("--to", type=click.Path(path_type=Path), help="Second folder for the tables.")
@click.option("--row", "rows", multiple=True, metavar="NAME", help="Only this row; may be repeated.")
@click.option("--seed", "seeds", multiple=True, type=int, help="Only this seed; may be repeated.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Cells to run in parallel.")
@click.option("--again", is_flag=True, help="Run finished cells again.")
@options.plugin_files
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
    """Run the unfinished cells of a SUITE and write its table.

    SUITE is a path, or the name of a shipped suite.

    A cell is one row of the suite with one seed. Without a SUITE, all shipped suites are run. You can stop at any
    time: finished cells are saved. A failed cell is marked in the table, and its log lies in its folder.

    \b
    Examples: echokit bench stage1
              echokit bench stage1 --scale small --row resnet18_28 --seed 0
    """
    from echokit.cli.screen import Screen
    from echokit.system.progress import show_progress_on
    from echokit.tools.bench.execute import cells_of, execute
    from echokit.tools.bench.suite import read_suite, shipped_suites
    from echokit.tools.bench.table import make_table
    from echokit.tools.bench.write import write_bench_table

    suites_to_run = [read_suite(name, scale) for name in suites or shipped_suites()]
    screen = Screen()
    failed = 0
    for suite in suites_to_run:
        screen.show_message(f"{suite.settings.title} ({suite.name}, {scale})")
        cells = cells_of(suite, out, rows, seeds)
        with show_progress_on(screen):
            results = execute(cells, jobs=jobs, again=again)
        table = make_table(suite, cells, results)
        for folder in filter(None, (out / scale, to)):
            files = write_bench_table(table, folder)
        click.echo(files[0].read_text(encoding="utf-8") if len(suites_to_run) == 1 else f"{suite.name}: {files[0]}")
        failed += sum(result.status != "done" for result in results.values())
    if failed:
        click.echo(f"{failed} cells failed; their logs: {out / scale}/SUITE/ROW/seed-N/log.txt", err=True)
        raise click.exceptions.Exit(2)
