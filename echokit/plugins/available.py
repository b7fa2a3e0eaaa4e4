"""The packages under ``plugins/`` of echokit's repository, which a user can add."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

TABLE = Path(__file__).with_name("available.json")


@dataclass(frozen=True, slots=True)
class AvailablePlugin:
    """A package of echokit's repository.

    Attributes:
        name: Name of the plugin.
        package: Name of the distribution.
        version: Its version in the repository.
        summary: What it is for.
        needs: Its dependencies that echokit does not have.
    """

    name: str
    package: str
    version: str
    summary: str
    needs: tuple[str, ...]

    @property
    def install(self) -> str:
        """The command that installs it, in a checkout of echokit."""
        return f"python -m pip install plugins/{self.package}"


def available_plugins() -> list[AvailablePlugin]:
    """List the packages by name."""
    rows = json.loads(TABLE.read_text(encoding="utf-8"))
    return [AvailablePlugin(**{**row, "needs": tuple(row["needs"])}) for row in rows]
