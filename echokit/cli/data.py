"""The command ``echokit data``: create, check, prepare and convert datasets."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from echokit.cli import options
from echokit.phantom.layouts import LAYOUTS


def _default_cases() -> str:
    return ", ".join(f"{layout.cases} {layout.counted} ({name})" for name, layout in LAYOUTS.items())


@click.group("data", short_help="Create, check, prepare and convert datasets.")
def command() -> None:
    """Create, check, prepare and convert datasets."""


@command.command("phantom")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option(
    "--layout",
    type=click.Choice(list(LAYOUTS)),
    default="echonet_dynamic",
    show_default=True,
    help="Dataset whose files and tables to imitate.",
)
@click.option(
    "--cases", type=click.IntRange(min=1), help=f"Number of hearts or patients.  [default: {_default_cases()}]"
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Random seed of the hearts.")
@click.option(
    "--ef",
    type=click.Choice(["realistic", "wide"]),
    help="Distribution of ejection fractions; not for clinical.  [default: realistic]",
)
def phantom(
    directory: Path, layout: str, cases: int | None, seed: int, ef: Literal["realistic", "wide"] | None
) -> None:
    """Write a dataset of synthetic beating hearts into DIRECTORY.

    It has the layout of a real dataset.

    The layout clinical contains patients with an outcome, as DICOM and AVI files like those of scanners.

    \b
    Example: echokit data phantom phantom --cases 100 --seed 1
    Example: echokit data phantom phantom --layout camus
    """
    from echokit.cli.screen import Screen
    from echokit.errors import DataError
    from echokit.system.phantom_mark import STAMP

    layout_spec = LAYOUTS[layout]
    if ef is not None and layout_spec.own_ef:
        raise DataError(
            f"the layout {layout} has its own ejection fractions",
            hint="remove --ef",
            where="--ef",
            code="phantom.fixed_ef",
        )
    cases = cases or layout_spec.cases
    ef_options = {} if layout_spec.own_ef else {"ef": ef or "realistic"}
    with Screen().task("Creating phantom hearts", cases) as advance:
        layout_spec.load()(directory, **{layout_spec.keyword: cases}, seed=seed, advance=advance, **ef_options)
    click.echo(f"{STAMP}: {cases} synthetic {layout_spec.counted} in {directory}")


@command.command("check")
@click.argument("dataset", type=click.Path(path_type=Path))
@options.as_json
@click.option(
    "--exclusions", type=click.Path(path_type=Path), metavar="FILE", help="Write a list of the cases to exclude."
)
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="A parameter of the table dataset; may be repeated."
)
@options.plugin_files
def check(dataset: Path, as_json: bool, exclusions: Path | None, settings: tuple[str, ...]) -> None:
    """Check DATASET, a directory in a known layout or a table, and decode every video.

    Exit code 1: a problem was found that would corrupt training or testing.

    \b
    Example: echokit data check EchoNet-Dynamic --exclusions excluded.txt
    Example: echokit data check cases.csv --set target=died
    """
    import json

    from echokit.cli.screen import Screen
    from echokit.recipe.compose import apply_override
    from echokit.recipe.tree import Node, Origin
    from echokit.system.progress import show_progress_on
    from echokit.system.terminal_text import printable
    from echokit.tools.dataset_check.check_dataset import check_dataset
    from echokit.tools.dataset_check.report import as_json as checkup_json
    from echokit.tools.dataset_check.report import lines, write_exclusions

    tree = Node({}, Origin("--set"))
    for text in settings:
        tree = apply_override(tree, text)
    with show_progress_on(Screen()):
        checkup = check_dataset(dataset, tree.plain())
    click.echo(json.dumps(checkup_json(checkup), indent=2) if as_json else printable("\n".join(lines(checkup))))
    if exclusions is not None:
        count = write_exclusions(checkup, exclusions)
        click.echo(f"{count} cases to exclude: {exclusions} (data: {{exclude: {exclusions}}})", err=True)
    if checkup.corrupting:
        raise click.exceptions.Exit(1)


@command.command("prepare")
@click.argument("recipe")
@options.overrides
@options.plugin_files
def prepare_clips(recipe: str, overrides: tuple[str, ...]) -> None:
    """Decode and preprocess the videos of a RECIPE, without training.

    The prepared clips go into the clip cache.

    Clips that exist already are verified, and damaged ones are prepared again.

    \b
    Example: echokit data prepare ef_112
    """
    from echokit.cli.screen import Screen
    from echokit.pipeline import cohort_stage
    from echokit.recipe.compose import find_recipe
    from echokit.results.lock import recipe_of
    from echokit.system.progress import show_progress_on

    with show_progress_on(Screen()):
        cohort = cohort_stage.load_cohort(recipe_of(find_recipe(recipe), overrides))
        preparation = cohort_stage.prepare_clips(cohort, verify=True).preparation
    ready, new = len(preparation.clips), preparation.made
    click.echo(
        f"{ready} clips are ready: {new} new, {ready - new} already prepared; {len(preparation.failures)} unreadable"
    )


@command.command("convert")
@click.argument("sources", nargs=-1, required=True, metavar="STUDIES...")
@click.option("--to", "directory", type=click.Path(path_type=Path), required=True, help="Folder for the dataset.")
@click.option(
    "--table",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Table of patients (column patient_id) or files (source) with outcomes, EF, or any other column.",
)
@click.option("--target", metavar="COLUMN", help="Column of the table to predict.  [default: target, or the only one]")
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="COLUMN",
    help="Keep this column of the table although it may identify a patient; may be repeated.",
)
@click.option(
    "--size",
    type=click.IntRange(min=32),
    default=112,
    show_default=True,
    help="Height and width of the videos, in pixels.",
)
@options.plugin_files
def convert(
    sources: tuple[str, ...],
    directory: Path,
    table: Path | None,
    target: str | None,
    columns: tuple[str, ...],
    size: int,
) -> None:
    """Convert STUDIES into a dataset, and a table of patients into its cohort.

    STUDIES are DICOM, AVI or MP4 files, or folders of them.

    B-mode clips of the heart are masked, cropped to the ultrasound sector, resized and given pseudonyms. Everything
    else (stills, Doppler, contrast, M-mode, other organs, reports) is left out, with the reason in conversion.csv.

    With --table, cohort.csv has the columns of the table for each clip. Patients are matched by the patient ID of the
    DICOM. Without it, the dataset is for predict only.

    \b
    Example: echokit data convert studies --to dataset --table outcomes.csv
    """
    from echokit.cli.screen import Screen
    from echokit.system.phantom_mark import STAMP
    from echokit.system.progress import show_progress_on
    from echokit.system.terminal_text import printable
    from echokit.tools.convert.convert import NO_VIDEO, convert_studies
    from echokit.tools.convert.listing import REPORT

    with show_progress_on(Screen()):
        dataset = convert_studies(sources, directory, table=table, target=target, columns=columns, size=size)
    if dataset.phantom:
        click.echo(f"{STAMP}: the sources are synthetic, and the dataset is marked as synthetic")
    others = sum(row.remark == NO_VIDEO for row in dataset.rows)
    left_out = f"{dataset.count('left out') - others} left out and {others} not videos, see {REPORT} there"
    click.echo(
        f"{dataset.count('converted')} of {len(dataset.rows)} files converted to clips in {directory}; {left_out}"
    )
    for line in (*dataset.remarks, dataset.next_step):
        click.echo(printable(line))
    unreadable, damaged = dataset.count("unreadable"), sum(row.damaged for row in dataset.rows)
    if unreadable:
        click.echo(f"{unreadable} of {len(dataset.rows)} files cannot be read", err=True)
    if damaged:
        click.echo(f"{damaged} clips are damaged; their readable frames were used", err=True)
    if unreadable or damaged:
        raise click.exceptions.Exit(2)
