"""Create a plugin: an installable package with one component, its test, a recipe and a README."""

from __future__ import annotations

from echokit.scaffold.package import write_package

__all__ = ["write_package"]
