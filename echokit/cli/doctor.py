"""The command ``echokit doctor``: check the installation and print how to fix problems."""

from __future__ import annotations

import click

from echokit.cli import options


@click.command("doctor", short_help="Check the installation and print how to fix problems.")
@options.as_json
def command(as_json: bool) -> None:
    """Check Python, torch, CUDA, codecs, DICOM decoders, plugins and disk.

    Exit code 1: something is missing that echokit needs. Optional parts are listed with the command that installs them.

    \b
    Example: echokit doctor
    """
    import json
    from dataclasses import asdict

    from echokit.tools.environment_check import examine

    findings = examine()
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        width = max(len(finding.what) for finding in findings)
        for finding in findings:
            fix = f"\n{'':<{width + 12}}{finding.fix}" if finding.fix else ""
            click.echo(f"{finding.state:<10}{finding.what:<{width}}  {finding.found}{fix}")
    if any(finding.state == "missing" for finding in findings):
        raise click.exceptions.Exit(1)
