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


def _use_files(context: click.Context, parameter: click.Parameter, files: tuple[Path, ...]) -> None:
    if files:
        from echokit.plugins.given import use_file

        for file in files:
            use_file(file)


def use_plugin_files(arguments: list[str]) -> list[str]:
    """Use the files of ``--plugin`` after a command that one of them may add.

    Return the other arguments.
    """
    rest: list[str] = []
    given = iter(arguments)
    for argument in given:
        name, equals, value = argument.partition("=")
        if name != "--plugin":
            rest.append(argument)
        elif file := value if equals else next(given, ""):
            from echokit.plugins.given import use_file

            use_file(Path(file))
    return rest


plugin_files = click.option(
    "--plugin",
    type=click.Path(path_type=Path),
    multiple=True,
    is_eager=True,
    expose_value=False,
    callback=_use_files,
    metavar="FILE",
    help="Use the components of a Python file, whose code then runs; may be repeated.",
)
runs_folder = click.option(
    "--out", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Folder of runs."
)
