"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

STUDY = "EchoNet-Dynamic: Ejection Fraction Classification & Transfer Learning (docs/study.md)"

overrides = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a value of the recipe, such as train.epochs=3; may be repeated.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
device = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Device to compute on.",
)
runs_folder = click.option(
    "--out", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Folder of runs."
)
