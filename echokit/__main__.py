"""The command ``echokit``, also as ``python -m echokit``."""

from echokit.system.stop_signals import command_signals


def main() -> None:
    """Run the command line.

    A signal while it is being imported ends the process with the usual message.
    """
    command_signals.install()
    from echokit.cli import main as run_command_line

    run_command_line()


if __name__ == "__main__":
    main()
