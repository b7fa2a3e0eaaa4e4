"""The command ``echokit mask``: mask videos and write an overlay image of each."""

from __future__ import annotations

from pathlib import Path

import click

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
    from echokit.data.cohort.pseudonyms import case_ids, sources_note
    from echokit.data.preprocess.mask_region import KEPT
    from echokit.data.video.find import expand, split_videos
    from echokit.tools.mask_videos import mask_videos, masking_step

    step = masking_step(method, settings)
    files, others = split_videos(expand(sources))
    names = case_ids(files)
    failed = damaged = unmasked = 0
    screen = Screen()
    with screen.task("Masking videos", len(files)) as advance:
        for row in mask_videos(list(zip(names, files, strict=True)), step, out, keep_unmasked=keep_unmasked):
            advance(1)
            failed += row.problem is not None
            damaged += row.damaged
            unmasked += row.unmasked
            notes = f" ({'; '.join(row.notes)})" if row.notes else ""
            if row.problem:
                screen.show_message(f"{row.case_id}: not masked: {row.problem}")
            elif row.unmasked:
                written = "written as it is" if keep_unmasked else "not written"
                screen.show_message(f"{row.case_id}: nothing to mask: {written}{notes}")
            else:
                screen.show_message(f"{row.case_id}: {KEPT.format(row.kept)}{notes}")
    masked = len(files) - failed - unmasked
    click.echo(f"{masked} masked videos in {out}")
    if masked or (unmasked and keep_unmasked):
        click.echo(_CARE)
    pseudonyms = sources_note(names, files)
    if pseudonyms:
        click.echo(pseudonyms, err=True)
    if others:
        click.echo(f"{others} files are not videos and were not read", err=True)
    if unmasked:
        written = "written as they are" if keep_unmasked else "not written (--keep-unmasked writes them as they are)"
        click.echo(f"{unmasked} of {len(files)} videos have nothing to mask: {written}", err=True)
    if failed:
        click.echo(f"{failed} of {len(files)} videos could not be masked", err=True)
    if damaged:
        click.echo(f"{damaged} of {len(files)} videos are damaged; their readable frames were masked", err=True)
    if failed or damaged or not masked or (unmasked and not keep_unmasked):
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
