"""Scaffold: a new plugin, as an installable package with one component, its test, a recipe and a README."""

from __future__ import annotations

from echokit.scaffold.package import Package, write_package

__all__ = ["Package", "write_package"]
