"""The command ``echokit mask``: mask videos and write an overlay image of each."""

from __future__ import annotations

from pathlib import Path

import click

from echokit.cli import options

_CARE = "The images also show what the mask removes, including burnt-in names: store them as securely as the videos."


@click.command("mask", short_help="Mask videos and write an overlay image of each.")
@click.argument("sources", nargs=-1, required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for the masked videos and images.")
@click.option("--method", default="motion_mask", show_default=True, help="Preprocessor that computes the mask.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="A parameter of the method; may be repeated.",
)
@click.option(
    "--audit",
    is_flag=True,
    help="Write no videos; compare the mask with the ground truth, the sector, no mask and a random mask.",
)
@click.option(
    "--keep-unmasked", is_flag=True, help="Write also videos of which the mask removes nothing, names in them included."
)
@click.option("--json", "as_json", is_flag=True, help="With --audit: print the audit as JSON.")
@options.plugin_files
def command(
    sources: tuple[str, ...],
    out: Path,
    method: str,
    settings: tuple[str, ...],
    audit: bool,
    keep_unmasked: bool,
    as_json: bool,
) -> None:
    """Mask SOURCES, and write a masked AVI and an overlay image of each.

    SOURCES are AVI, MP4 or DICOM files, or folders of them.

    A video in which there is nothing to mask is listed and not written. Exit code 2: some videos could not be masked,
    or are damaged. DICOM files are given pseudonyms, in the order of the sources.

    With --audit a source can also be a dataset: a folder in the EchoNet-Dynamic layout (its tracings are the ground
    truth) or a clinical phantom.

    \b
    Example: echokit mask clip.dcm --out masked --set threshold=3.5
    """
    if audit:
        _audit(sources, out, method, settings, as_json)
        return
    if as_json:
        raise click.UsageError("--json needs --audit")
    from echokit.cli.screen import Screen
    from echokit.system.progress import show_progress_on
    from echokit.tools.mask_videos import mask_sources, masking_step

    screen = Screen()
    with show_progress_on(screen):
        videos = mask_sources(sources, masking_step(method, settings), out, keep_unmasked=keep_unmasked)
    screen.show_files((row.case_id, file) for row, file in zip(videos.rows, videos.files, strict=True) if row.problem)
    click.echo(f"{videos.masked} masked videos in {out}")
    if videos.masked or (videos.unmasked and keep_unmasked):
        click.echo(_CARE)
    for note in videos.notes:
        click.echo(note, err=True)
    if not videos.whole:
        raise click.exceptions.Exit(2)


def _audit(sources: tuple[str, ...], out: Path, method: str, settings: tuple[str, ...], as_json: bool) -> None:
    import json

    from echokit.cli.screen import Screen
    from echokit.system.progress import show_progress_on
    from echokit.tools.mask_audit.audit import audit_masks
    from echokit.tools.mask_audit.files import Sheet, plain, table, write_audit
    from echokit.tools.mask_audit.subjects import subjects_of
    from echokit.tools.mask_videos import masking_step

    masks = {method: masking_step(method, settings).make}
    for control in ("sector_mask", "no_mask", "random_mask"):
        masks.setdefault(control, masking_step(control, ()).make)
    sheet = Sheet(list(masks))
    with show_progress_on(Screen()):
        result = audit_masks(subjects_of(sources), masks, sheet.add)
    write_audit(result, out)
    sheet.write(out / "sheet.png", result.phantom)
    click.echo(json.dumps(plain(result), indent=1) if as_json else table(result), nl=as_json)
    if not as_json:
        click.echo(f"audit.md, audit.json, audit.csv and sheet.png are in {out}")
        if not result.phantom:
            click.echo(_CARE)
    if result.failures:
        click.echo(f"{len(result.failures)} clips could not be read", err=True)
        raise click.exceptions.Exit(2)
