"""The name to install is one name, in every file that installs echokit."""

import re
import tomllib
from pathlib import Path

import pytest

from echokit.cli import exit_code
from echokit.system.distribution import DISTRIBUTION, install_extra

ROOT = Path(__file__).parents[2]
TEXTS = (
    "README.md",
    "CONTRIBUTING.md",
    "Makefile",
    "docs/**/*.md",
    "docs/**/*.ipynb",
    "recipes/**/*.yaml",
    "plugins/**/*.md",
    "echokit/**/*.py",
    "echokit/**/*.txt",
)
UNRELATED = re.compile(r"pip install (-\S+ )*[\"']?echokit(?![\w-])|\bechokit\[")


def test_the_project_and_its_extras_have_the_name() -> None:
    own = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert own["name"] == DISTRIBUTION
    assert any(text.startswith(f"{DISTRIBUTION}[") for text in own["optional-dependencies"]["test"])
    assert own["scripts"] == {"echokit": "echokit.__main__:main"}
    assert install_extra("camus").endswith(f'"{DISTRIBUTION}[camus]"')


@pytest.mark.parametrize("path", sorted((ROOT / "plugins").glob("*/pyproject.toml")), ids=lambda path: path.parent.name)
def test_the_plugins_depend_on_it(path: Path) -> None:
    dependencies = tomllib.loads(path.read_text(encoding="utf-8"))["project"]["dependencies"]
    assert f"{DISTRIBUTION}>=0.1.0" in dependencies


def test_a_new_plugin_depends_on_it(tmp_path: Path) -> None:
    assert exit_code(["plugin", "new", "mask", "cone", "--into", str(tmp_path)]) == 0
    text = (tmp_path / "echokit-cone" / "pyproject.toml").read_text(encoding="utf-8")
    assert re.search(rf'^dependencies = \["{DISTRIBUTION}>=[\d.]+"\]$', text, re.M)


def test_no_text_installs_the_unrelated_package() -> None:
    """Only as a warning: in a line that says ``unrelated``, or under the heading that does."""
    found = [
        f"{path.relative_to(ROOT)}: {line}"
        for pattern in TEXTS
        for path in ROOT.glob(pattern)
        for line in path.read_text(encoding="utf-8").splitlines()
        if UNRELATED.search(line) and "unrelated" not in line and "Not `pip install" not in line
    ]
    assert not found
