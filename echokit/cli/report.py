"""``echokit report``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("report", short_help="Make the page of a finished run again.")
@click.argument("run")
@click.option("--frames", is_flag=True, help="Show frames of patients; such a page must not be shared.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Where runs are.")
def command(run: str, frames: bool, out: Path) -> None:
    """Write report.html into RUN, a run directory or the name of a run.

    The page needs no network and can be opened from the file. Frames of phantoms are always shown; those of patients
    only with --frames, masked pixels only, and the page then says that it must not be shared.

    \b
    Example: echokit report ef_112
    """
    from echokit.cli.console import Screen
    from echokit.pipeline.write_report import report
    from echokit.progress import shown_by
    from echokit.run_directory import find_finished

    with shown_by(Screen()):
        path = report(find_finished(run, out), frames=frames)
    click.echo(path)
