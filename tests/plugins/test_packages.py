"""The packages in ``plugins/`` are installed, loaded, and import only the public API."""

import ast
import importlib.metadata
from pathlib import Path

import pytest

import echokit
import echokit.testing
from echokit.plugins.discovery import installed

FOLDER = Path(__file__).parents[2] / "plugins"
PACKAGES = sorted(path.parent.name for path in FOLDER.glob("*/pyproject.toml"))


@pytest.mark.parametrize("package", PACKAGES)
def test_a_plugin_is_installed_and_loaded(package: str) -> None:
    assert importlib.metadata.version(package)  # `make test` installs them
    plugin = next(plugin for plugin in installed().plugins if plugin.package == package)
    assert plugin.problem is None
    assert plugin.hooks


@pytest.mark.parametrize("package", PACKAGES)
def test_a_plugin_imports_only_the_public_api(package: str) -> None:
    public = {"echokit": echokit.__all__, "echokit.testing": echokit.testing.__all__}
    files = list((FOLDER / package).rglob("*.py"))
    assert len(files) >= 3
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                internal = [alias.name for alias in node.names if alias.name.startswith("echokit.")]
                assert not internal, f"{file.name} imports {internal}"
            elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "echokit":
                assert node.module in public, f"{file.name} imports from {node.module}"
                for alias in node.names:
                    assert alias.name in public[node.module], f"{file.name} imports {alias.name}"


@pytest.mark.parametrize("package", PACKAGES)
def test_a_plugin_has_readme_project_file_and_tests(package: str) -> None:
    for name in ("README.md", "pyproject.toml", "tests"):
        assert (FOLDER / package / name).exists()
