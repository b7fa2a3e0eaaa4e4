"""The command ``echokit report``: write the HTML report of a finished run again."""

from __future__ import annotations

from pathlib import Path

import click

from echokit.cli import options


@click.command("report", short_help="Write the HTML report of a finished run again.")
@click.argument("run")
@click.option("--frames", is_flag=True, help="Include frames of patients; such a page must not be shared.")
@options.runs_folder
@options.plugin_files
def command(run: str, frames: bool, out: Path) -> None:
    """Write report.html into RUN, a run directory or the name of a run.

    The page works offline. Frames of phantoms are always shown. Frames of patients are shown only with --frames and
    only after masking; the page is then marked as not to be shared.

    \b
    Example: echokit report ef_112
    """
    from echokit.cli.screen import Screen
    from echokit.pipeline.write_report import report
    from echokit.results.run_directories import find_finished
    from echokit.system.progress import show_progress_on

    with show_progress_on(Screen()):
        path = report(find_finished(run, out), frames=frames)
    click.echo(path)
