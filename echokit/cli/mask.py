"""``echokit mask``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("mask", short_help="Mask videos; a masked AVI and a picture each.")
@click.argument("sources", nargs=-1, required=True)
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Folder for the masked videos and pictures."
)
@click.option("--method", default="motion_mask", show_default=True, help="A preprocessor that masks.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="A parameter of the method; may be repeated.",
)
def command(sources: tuple[str, ...], out: Path, method: str, settings: tuple[str, ...]) -> None:
    """Mask SOURCES (AVI, MP4 or DICOM files, or folders of them): a masked AVI and an overlay picture each.

    DICOM files are named by pseudonyms, in the order given.

    \b
    Example: echokit mask clip.dcm --out masked --set threshold=3.5
    """
    from echokit.cli.console import Screen
    from echokit.identity import case_ids
    from echokit.masking import mask_videos, masking_step
    from echokit.sources import expand

    step = masking_step(method, settings)
    files = expand(sources)
    failed = damaged = 0
    screen = Screen()
    with screen.task("Masking videos", len(files)) as advance:
        for row in mask_videos(list(zip(case_ids(files), files, strict=True)), step, out):
            advance(1)
            failed += row.problem is not None
            damaged += row.damaged
            if row.problem:
                screen.say(f"{row.case_id}: not masked: {row.problem}")
            else:
                notes = f" ({'; '.join(row.notes)})" if row.notes else ""
                screen.say(f"{row.case_id}: {row.kept:.0%} of the picture kept{notes}")
    click.echo(f"{len(files) - failed} masked videos in {out}")
    if failed:
        click.echo(f"{failed} of {len(files)} videos could not be masked", err=True)
    if damaged:
        click.echo(f"{damaged} of {len(files)} videos are damaged, the frames that are left were masked", err=True)
    if failed or damaged:
        raise click.exceptions.Exit(2)
