"""The command line: one thin file a command; nothing heavy is imported before a command needs it."""

from __future__ import annotations

import importlib
import io
import sys
from typing import Any

import click

from echokit.errors import EchokitError
from echokit.printable import printable

COMMANDS = {
    "run": "run",
    "validate": "validate",
    "explain": "explain",
    "schema": "schema",
    "list": "listing",
    "show": "show",
    "data": "data",
    "mask": "mask",
    "predict": "predict",
    "evaluate": "evaluate",
    "report": "report",
    "compare": "compare",
    "doctor": "doctor",
    "audit": "audit",
    "bench": "bench",
    "bench-diff": "bench_diff",
    "plugin": "plugin",
}


class _Lazy(click.Group):
    """Imports a command's file when the command is asked for; plugins' commands come after echokit's own."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        from echokit.cli.plugin_commands import offered

        return [*COMMANDS, *offered(COMMANDS)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in COMMANDS:
            command: click.Command = importlib.import_module(f"echokit.cli.{COMMANDS[cmd_name]}").command
            return command
        from echokit.cli.plugin_commands import offered

        return offered(COMMANDS).get(cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from echokit.cli.plugin_commands import load

            return args[0], load(args[0], COMMANDS), args[1:]
        return super().resolve_command(ctx, args)


@click.command(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="echokit")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def application(debug: bool) -> None:
    """Cardiac-ultrasound deep learning from a YAML recipe.

    \b
    Example: echokit run quickstart
    """


def main() -> None:
    """Run the command line and exit.

    0: done; 2: wrong input; 129, 130 or 143: stopped by a closed terminal, Ctrl-C or a termination, and resumable; 1: a
    defect. Work goes on where nobody reads what it says any more.
    """
    from echokit.cli.outlived import Outlived
    from echokit.training.signals import stop_at_once_on_signal

    stop_at_once_on_signal()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # what a terminal has no letter for ends no command
    streams: Any = [Outlived(stream) for stream in (sys.stdout, sys.stderr)]
    sys.stdout, sys.stderr = streams
    sys.exit(exit_code(sys.argv[1:]))


def exit_code(arguments: list[str]) -> int:
    """Run one command line and return its exit code; say in a line what is wrong with a plugin, where one was met."""
    try:
        return _exit_code(arguments)
    finally:
        _tell_of_plugins()


def _tell_of_plugins() -> None:
    if "echokit.plugins" not in sys.modules:  # nothing was looked up
        return
    from echokit.cli.plugin_commands import troubles
    from echokit.plugins import installed

    if installed.cache_info().currsize:
        for line in troubles(COMMANDS):
            click.echo(line, err=True)


def _exit_code(arguments: list[str]) -> int:
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    try:
        code = application.main(arguments, prog_name="echokit", standalone_mode=False)
    except EchokitError as error:
        if debug:
            raise
        click.echo(printable(f"error: {error}"), err=True)
        return 2
    except click.ClickException as error:
        error.show()
        return 2
    except (KeyboardInterrupt, click.Abort) as stop:
        cause = stop.__cause__ if isinstance(stop, click.Abort) else stop  # click wraps what interrupted it
        said = str(cause or "") or "interrupted"
        kept = "what is done is kept" if getattr(cause, "saved", False) else "only what was saved before is kept"
        click.echo(f"\n{said}; {kept}: a run that had begun goes on with --resume", err=True)
        return int(getattr(cause, "exit_code", 130))
    except OSError as error:  # a full disk, a folder that may not be written
        if debug or error.filename is None:
            raise
        click.echo(printable(f"error: {error.filename}: {error.strerror}"), err=True)
        return 2
    except Exception as error:
        from echokit.cli.plugin_commands import blamed

        if debug or (said_of := blamed(error)) is None:
            raise
        click.echo(f"error: {said_of}", err=True)
        return 2
    return code if isinstance(code, int) else 0  # what click.exceptions.Exit carried, or None
