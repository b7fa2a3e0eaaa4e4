"""``echokit plugin new``: every kind's package works as written, names can not escape, nothing is written over."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from echokit.cli import exit_code
from echokit.scaffold.package import WORDS

CHECK = """
import json
from echokit.plugins import installed
from echokit.recipe.check import load_recipe
from echokit.testing import check_plugin
from pathlib import Path
import sys
found = {}
for kind in sys.argv[2:]:
    results = check_plugin(f"lab_{kind}")
    load_recipe(Path(sys.argv[1]) / f"echokit-lab-{kind}" / f"lab_{kind}.yaml")
    found[kind] = [[r.check, r.outcome, r.detail] for r in results]
print(json.dumps({"found": found, "troubles": list(installed().troubles())}))
"""


def lay_out(folder: Path) -> None:
    """Make what is in a package's folder importable, with the entry point that pip would write."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    entries = "".join(f"{name} = {module}\n" for name, module in project["entry-points"]["echokit"].items())
    (info / "entry_points.txt").write_text(f"[echokit]\n{entries}")


def test_every_kind_passes_its_checks_and_its_recipe_validates(tmp_path: Path) -> None:
    for kind in WORDS:
        assert exit_code(["plugin", "new", kind, f"lab_{kind}", "--into", str(tmp_path)]) == 0
        lay_out(tmp_path / f"echokit-lab-{kind}")
    path = os.pathsep.join(str(tmp_path / f"echokit-lab-{kind}") for kind in WORDS)
    command = [sys.executable, "-c", CHECK, str(tmp_path), *WORDS]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": path}, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["troubles"] == []
    for kind, results in answer["found"].items():
        failed = [(check, detail) for check, outcome, detail in results if outcome == "failed"]
        assert not failed, (kind, failed)
        assert sum(outcome == "passed" for _, outcome, _ in results) >= 8, kind


def test_the_plugin_is_one_page(tmp_path: Path) -> None:
    for kind in WORDS:
        exit_code(["plugin", "new", kind, f"lab_{kind}", "--into", str(tmp_path)])
        code = (tmp_path / f"echokit-lab-{kind}" / f"echokit_lab_{kind}").glob("*.py")
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
def test_a_name_that_could_escape_is_refused(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["plugin", "new", "mask", name, "--into", str(tmp_path / "here")]) == 2
    (tmp_path / "here").mkdir()
    assert exit_code(["plugin", "new", "mask", "--into", str(tmp_path / "here"), "--", name]) == 2
    assert "can not name a component" in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*")] == ["here"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["musk", "half_mask"], "did you mean 'mask'"),
        (["mask", "motion_mask"], "is there already, from the plugin 'echokit'"),
        (["mask", "echokit"], "a plugin named 'echokit' is installed already"),
    ],
)
def test_what_can_not_be_made_is_said(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(["plugin", "new", *arguments, "--into", str(tmp_path)]) == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "echokit-half-mask" / "notes.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    assert exit_code(["plugin", "new", "mask", "half_mask", "--into", str(tmp_path)]) == 2
    assert "nothing is written over" in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*.*")] == ["notes.txt"]
    (tmp_path / "echokit-other").symlink_to(tmp_path / "nowhere")
    assert exit_code(["plugin", "new", "mask", "other", "--into", str(tmp_path)]) == 2
    assert not (tmp_path / "nowhere").exists()
