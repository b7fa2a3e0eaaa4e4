"""``echokit plugin new``: packages of every kind work as generated, and nothing is overwritten."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from echokit.cli import exit_code
from echokit.tools.new_plugin.package import EXAMPLES, write_package
from tests.expect import refused

CHECK = """
import json
from echokit.plugins.discovery import installed
from echokit.recipe.validate import load_recipe
from echokit.testing import check_plugin
from pathlib import Path
import sys
outcomes = {}
for kind in sys.argv[2:]:
    results = check_plugin(f"lab_{kind}")
    load_recipe(Path(sys.argv[1]) / f"echokit-lab-{kind.replace('_', '-')}" / f"lab_{kind}.yaml")
    outcomes[kind] = [[r.check, r.outcome, r.detail] for r in results]
print(json.dumps({"outcomes": outcomes, "troubles": list(installed().warnings())}))
"""


def lay_out(folder: Path) -> None:
    """Make a package importable from its folder, with the entry point that pip would write."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    entries = "".join(f"{name} = {module}\n" for name, module in project["entry-points"]["echokit"].items())
    (info / "entry_points.txt").write_text(f"[echokit]\n{entries}")


@pytest.mark.slow
def test_every_kind_passes_its_checks_and_has_a_valid_recipe(tmp_path: Path) -> None:
    for kind in EXAMPLES:
        assert exit_code(["plugin", "new", kind, f"lab_{kind}", "--into", str(tmp_path)]) == 0
        lay_out(tmp_path / f"echokit-lab-{kind.replace('_', '-')}")
    folders = [str(tmp_path / f"echokit-lab-{kind.replace('_', '-')}") for kind in EXAMPLES]
    path = os.pathsep.join([*folders, *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    command = [sys.executable, "-c", CHECK, str(tmp_path), *EXAMPLES]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": path}, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["troubles"] == []
    for kind, results in answer["outcomes"].items():
        failed = [(check, detail) for check, outcome, detail in results if outcome == "failed"]
        assert not failed, (kind, failed)
        assert sum(outcome == "passed" for _, outcome, _ in results) >= 8, kind


def test_a_generated_plugin_is_at_most_one_page(tmp_path: Path) -> None:
    for kind in EXAMPLES:
        exit_code(["plugin", "new", kind, f"lab_{kind}", "--into", str(tmp_path)])
        code = (tmp_path / f"echokit-lab-{kind.replace('_', '-')}" / f"echokit_lab_{kind}").glob("*.py")
        assert sum(len(file.read_text().splitlines()) for file in code) < 70, kind


@pytest.mark.parametrize(
    "name",
    [
        "../escape",
        "/tmp/x",
        "a/b",
        "..",
        "",
        "Half",
        "half-mask",
        "1half",
        "half mask",
        "class",
        "x" * 41,
        "half__mask",
    ],
)
def test_an_invalid_name_is_rejected(name: str, tmp_path: Path) -> None:
    assert exit_code(["plugin", "new", "mask", name, "--into", str(tmp_path / "here")]) == 2
    (tmp_path / "here").mkdir()
    assert exit_code(["plugin", "new", "mask", "--into", str(tmp_path / "here"), "--", name]) == 2
    with refused("component.bad_name"):
        write_package("mask", name, tmp_path / "here")
    assert [path.name for path in tmp_path.rglob("*")] == ["here"]


@pytest.mark.parametrize(
    ("kind", "name", "code"),
    [
        ("musk", "half_mask", "component.unknown_kind"),
        ("mask", "motion_mask", "component.exists"),
        ("mask", "echokit", "plugin.exists"),
    ],
)
def test_unknown_kinds_and_existing_names_are_rejected(kind: str, name: str, code: str, tmp_path: Path) -> None:
    with refused(code):
        write_package(kind, name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    mine = tmp_path / "echokit-half-mask" / "notes.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    with refused("folder.exists", where="echokit-half-mask"):
        write_package("mask", "half_mask", tmp_path)
    assert [path.name for path in tmp_path.rglob("*.*")] == ["notes.txt"]
    (tmp_path / "echokit-other").symlink_to(tmp_path / "nowhere")
    assert exit_code(["plugin", "new", "mask", "other", "--into", str(tmp_path)]) == 2
    assert not (tmp_path / "nowhere").exists()
