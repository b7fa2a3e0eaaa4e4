"""``echokit data``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from echokit.cli.options import overrides as with_overrides
from echokit.phantom.layouts import LAYOUTS


def _usual_cases() -> str:
    return ", ".join(f"{layout.cases} {layout.counted} ({name})" for name, layout in LAYOUTS.items())


@click.group("data", short_help="Make, check and prepare data.")
def command() -> None:
    """Make, check and prepare data."""


@command.command("phantom")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option(
    "--layout",
    type=click.Choice(list(LAYOUTS)),
    default="echonet_dynamic",
    show_default=True,
    help="Whose files and tables it looks like.",
)
@click.option("--cases", type=click.IntRange(min=1), help=f"How many.  [default: {_usual_cases()}]")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the hearts.")
@click.option("--ef", type=click.Choice(["realistic", "wide"]), help="Not for clinical.  [default: realistic]")
def phantom(
    directory: Path, layout: str, cases: int | None, seed: int, ef: Literal["realistic", "wide"] | None
) -> None:
    """Write synthetic beating hearts into DIRECTORY, in the layout of a real dataset.

    The layout clinical holds patients with an outcome, in DICOM and AVI as scanners write them.

    \b
    Example: echokit data phantom phantom --cases 100 --seed 1
    Example: echokit data phantom phantom --layout camus
    """
    from echokit.cli.console import Screen
    from echokit.errors import DataError
    from echokit.stamp import STAMP

    chosen = LAYOUTS[layout]
    if ef is not None and chosen.own_ef:
        raise DataError(f"the layout {layout} has its own ejection fractions", where="--ef")
    cases = cases or chosen.cases
    options = {} if chosen.own_ef else {"ef": ef or "realistic"}
    with Screen().task("Making phantom hearts", cases) as advance:
        chosen.load()(directory, **{chosen.keyword: cases}, seed=seed, advance=advance, **options)
    click.echo(f"{STAMP}: {cases} synthetic {chosen.counted} in {directory}")


@command.command("check")
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option("--json", "in_json", is_flag=True, help="Print JSON.")
@click.option("--exclusions", type=click.Path(path_type=Path), metavar="FILE", help="Write the cases to leave out.")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="A parameter of a table, as in data; may be repeated."
)
def check(dataset: Path, in_json: bool, exclusions: Path | None, settings: tuple[str, ...]) -> None:
    """Examine DATASET: a directory in a known layout, or a table. Every video is decoded.

    Exit code 1: something was found that would corrupt training or testing.

    \b
    Example: echokit data check EchoNet-Dynamic --exclusions left_out.txt
    Example: echokit data check cases.csv --set target=died
    """
    import json

    from echokit.check.account import as_json, lines, write_exclusions
    from echokit.check.doctor import check_dataset
    from echokit.cli.console import Screen
    from echokit.printable import printable
    from echokit.progress import shown_by
    from echokit.recipe.compose import apply_override
    from echokit.recipe.tree import Node, Origin

    tree = Node({}, Origin("--set"))
    for text in settings:
        tree = apply_override(tree, text)
    with shown_by(Screen()):
        checkup = check_dataset(dataset, tree.plain())
    click.echo(json.dumps(as_json(checkup), indent=2) if in_json else printable("\n".join(lines(checkup))))
    if exclusions is not None:
        count = write_exclusions(checkup, exclusions)
        click.echo(f"{count} cases to leave out: {exclusions} (data: {{exclude: {exclusions}}})", err=True)
    if checkup.corrupting:
        raise click.exceptions.Exit(1)


@command.command("prepare")
@click.argument("recipe")
@with_overrides
def prepare_clips(recipe: str, overrides: tuple[str, ...]) -> None:
    """Decode and preprocess every video of a RECIPE into the clip store, without training.

    Clips that are there already are read through; those that are damaged are made anew.

    \b
    Example: echokit data prepare ef_112
    """
    from echokit.cli.console import Screen
    from echokit.lock import recipe_of
    from echokit.pipeline import cohort_stage
    from echokit.progress import shown_by
    from echokit.recipe.compose import find_recipe

    with shown_by(Screen()):
        cohort = cohort_stage.load_cohort(recipe_of(find_recipe(recipe), overrides))
        preparation = cohort_stage.prepare_clips(cohort, verify=True).preparation
    ready, made = len(preparation.clips), preparation.made
    click.echo(
        f"{ready} clips are ready: {made} made now, {ready - made} were there; {len(preparation.failures)} unreadable"
    )


@command.command("convert")
@click.argument("sources", nargs=-1, required=True)
@click.option("--to", "directory", type=click.Path(path_type=Path), required=True, help="Folder for the dataset.")
@click.option(
    "--table", type=click.Path(path_type=Path), help="Labels: source or patient_id, and any of ef, esv, edv, split."
)
@click.option("--size", type=click.IntRange(min=32), default=112, show_default=True, help="Of the videos, in pixels.")
def convert(sources: tuple[str, ...], directory: Path, table: Path | None, size: int) -> None:
    """Turn studies (DICOM, AVI or MP4 files, or folders of them) into a dataset in the layout of EchoNet-Dynamic.

    B-mode clips of the heart are masked, cut to the fan, resized and listed under pseudonyms. All else is left out,
    with a line each that says why: stills, Doppler, contrast, M-mode, other organs, reports.

    \b
    Example: echokit data convert studies --to dataset --table measurements.csv
    """
    from echokit.cli.console import Screen
    from echokit.conversion.conversion import Conversion
    from echokit.conversion.convert import NO_VIDEO, REPORT, convert_studies
    from echokit.errors import DataError
    from echokit.sources import expand
    from echokit.stamp import STAMP

    inside = next((s for s in sources if directory.resolve().is_relative_to(Path(s).expanduser().resolve())), None)
    if inside is not None:
        raise DataError(
            f"the dataset would lie in the folder {inside} that it is made of",
            hint="name a folder beside it: its clips would be taken for studies the next time",
            where="--to",
        )
    files = expand(sources)
    screen = Screen()
    with screen.task("Converting clips", len(files)) as advance:

        def done(row: Conversion) -> None:
            advance(1)
            if row.remark == NO_VIDEO:
                return  # told by their number, and one by one in the report
            if row.status != "converted":
                screen.say(f"{row.case_id}: {row.status}: {row.remark}")
            elif row.remark:
                screen.say(f"{row.case_id}: {row.remark}")

        made = convert_studies(files, directory, table=table, size=size, done=done)
    for remark in made.remarks:
        click.echo(remark)
    converted, unreadable = made.count("converted"), made.count("unreadable")
    damaged = sum(row.damaged for row in made.rows)
    if made.phantom:
        click.echo(f"{STAMP}: sources are synthetic, and the dataset is marked so")
    others = sum(row.remark == NO_VIDEO for row in made.rows)
    left_out = f"{made.count('left out') - others} left out and {others} no videos, see {REPORT} in it"
    click.echo(f"{converted} of {len(files)} files are clips in {directory}; {left_out}")
    if unreadable:
        click.echo(f"{unreadable} of {len(files)} files can not be read", err=True)
    if damaged:
        click.echo(f"{damaged} clips are damaged, what is left of them was used", err=True)
    if unreadable or damaged:
        raise click.exceptions.Exit(2)
