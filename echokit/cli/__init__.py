"""The command line: one thin file per command; heavy libraries are imported inside the commands."""

from __future__ import annotations

import importlib
import signal
import sys
from contextlib import suppress

import click

from echokit.cli import options
from echokit.errors import EchokitError
from echokit.system.distribution import VERSION
from echokit.system.exhausted import describe_exhausted
from echokit.system.stop_signals import Interrupted, command_signals
from echokit.system.terminal_text import printable

COMMANDS = {
    "run": "run",
    "validate": "validate",
    "explain": "explain",
    "schema": "schema",
    "list": "list_",
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


GROUPS = {
    "Daily": ("run", "validate", "explain", "list", "show", "report", "compare", "predict", "doctor"),
    "Data": ("data", "mask"),
    "Evaluation": ("evaluate", "audit"),
    "Development": ("plugin", "schema", "bench", "bench-diff"),
}
"""The commands as ``--help`` shows them."""


class _Lazy(click.Group):
    """A group that imports a command only when it is used.

    Commands of plugins follow the built-in ones.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        from echokit.cli.plugin_commands import available_commands

        return [*COMMANDS, *available_commands(COMMANDS)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in COMMANDS:
            command: click.Command = importlib.import_module(f"echokit.cli.{COMMANDS[cmd_name]}").command
            return command
        from echokit.cli.plugin_commands import available_commands

        return available_commands(COMMANDS).get(cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        of_plugins = [name for name in self.list_commands(ctx) if name not in COMMANDS]
        for title, names in {**GROUPS, "Plugins": of_plugins}.items():
            commands = [(name, self.get_command(ctx, name)) for name in names]
            rows = [(name, command.get_short_help_str(limit=80)) for name, command in commands if command]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from echokit.cli.plugin_commands import load_command

            rest = options.use_plugin_files(args[1:])
            return args[0], load_command(args[0], COMMANDS), rest
        return super().resolve_command(ctx, args)


@click.command(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(VERSION)
@options.plugin_files
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def application(debug: bool) -> None:
    """Train and evaluate deep-learning models on cardiac ultrasound.

    Every experiment is a YAML recipe.

    \b
    Example: echokit run quickstart
    """


def main() -> None:
    """Run the command line and exit.

    Exit codes: 0, done; 1, a defect in echokit; 2, wrong input, a full disk or too little memory; 129, 130 or 143,
    stopped by a closed terminal, Ctrl-C or SIGTERM. A command keeps working after its terminal or pipe is closed.
    """
    from echokit.cli.closed_streams import open_streams

    command_signals.install()
    open_streams()
    code = 0
    with command_signals.command():
        try:
            code = exit_code(sys.argv[1:])
        except BaseException:
            if not command_signals.received:
                raise
    if command_signals.received.signum not in (None, code - 128):  # a library lost the exception
        code = _say_stopped(Interrupted(command_signals.received.signum, saved=False))
    with suppress(OSError):  # after an error, which was said
        sys.stdout.flush()
    sys.stdout = sys.__stdout__  # Python flushes it again
    sys.exit(code)


def exit_code(arguments: list[str]) -> int:
    """Run one command line, report broken plugins, and return the exit code."""
    try:
        return _exit_code(arguments)
    finally:
        # A lack of memory was said; the compiler, which an import needs, may call it a syntax error.
        with suppress(MemoryError, SyntaxError):
            _print_plugin_problems()


def _print_plugin_problems() -> None:
    if "echokit.plugins.discovery" not in sys.modules:  # no plugin was loaded
        return
    from echokit.cli.plugin_commands import plugin_problems
    from echokit.plugins.discovery import installed

    if installed.cache_info().currsize:
        for line in plugin_problems(COMMANDS):
            click.echo(printable(line), err=True)


def _exit_code(arguments: list[str]) -> int:
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    try:
        code = application.main(arguments, prog_name="echokit", standalone_mode=False)
        sys.stdout.flush()
    except EchokitError as error:
        if debug:
            raise
        click.echo(printable(f"error: {error}"), err=True)
        return 2
    except click.ClickException as error:
        error.show()
        return 2
    except (KeyboardInterrupt, click.Abort) as stop:
        return _say_stopped(stop.__cause__ if isinstance(stop, click.Abort) else stop)  # click wraps the interruption
    except BaseException as error:  # SystemExit of a plugin as well
        if debug or (failure := describe_exhausted(error) or _plugin_failure(error)) is None:
            raise
        click.echo(printable(f"error: {failure}"), err=True)
        return 2
    return code if isinstance(code, int) else 0  # of click.exceptions.Exit, or None


def _plugin_failure(error: BaseException) -> EchokitError | None:
    if "echokit.plugins.discovery" not in sys.modules:  # no plugin was loaded, and there may be no memory to import it
        return None
    from echokit.cli.plugin_commands import plugin_failure

    return plugin_failure(error)


def _say_stopped(stop: BaseException | None) -> int:
    known = stop if isinstance(stop, Interrupted) else Interrupted(signal.SIGINT, saved=False)
    click.echo(f"\n{known.advice}", err=True)
    return known.exit_code
