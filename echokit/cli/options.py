"""Options that several commands share."""

from __future__ import annotations

import click

overrides = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a value, as a.b=c; may be repeated."
)
