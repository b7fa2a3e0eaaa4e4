"""Create a plugin: an installable package with one component, its test, a recipe and a README."""

from __future__ import annotations

from echokit.tools.new_plugin.package import write_package

__all__ = ["write_package"]
