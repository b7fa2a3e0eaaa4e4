"""The pages are built strictly, and what they tell a new user to do is done."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


def test_the_site_is_built_without_a_broken_link(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "site" / "reference" / "backbone" / "index.html").read_text(encoding="utf-8")
    assert "resnet152" in page
    assert (tmp_path / "site" / "get-started" / "index.html").is_file()


def test_get_started_does_what_it_says(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "get-started.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.S | re.M)
    [recipe] = [block for language, block in blocks if language == "yaml"]
    (tmp_path / "masked.yaml").write_text(recipe, encoding="utf-8")
    lines = [line for language, block in blocks if not language for line in block.splitlines()]
    told = [line for line in lines if not line.startswith("python -m pip")]
    assert len(told) >= 10
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "ECHOKIT_CACHE": str(tmp_path / "cache")}
    environment.pop("ECHONET_DYNAMIC", None)
    for line in told:
        done = subprocess.run(
            [str(BIN / "echokit"), *shlex.split(line)[1:]],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env=environment,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    assert "PHANTOM DATA" in (tmp_path / "runs" / "quickstart" / "latest" / "report.html").read_text(encoding="utf-8")
    assert (tmp_path / "runs" / "compare" / "quickstart-shorter.html").is_file()


def test_the_notebook_runs_and_shows_its_plots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("ECHOKIT_CACHE", str(tmp_path / "cache"))
    notebook = nbformat.read(ROOT / "docs" / "notebooks" / "first-run.ipynb", as_version=4)
    NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    shown = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    kinds = [kind for output in shown if "data" in output for kind in output["data"]]
    assert kinds.count("image/png") == 2
    assert any("PHANTOM DATA" in output["data"].get("text/html", "") for output in shown if "data" in output)


def test_the_notebook_installs_the_wheel_beside_it(tmp_path: Path) -> None:
    """As on a hosted service: libraries, no echokit, the notebook and the wheel."""
    hosted, venv = tmp_path / "hosted", tmp_path / "venv"
    wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(hosted), str(ROOT)]
    subprocess.run(wheel, check=True)
    shutil.copy(ROOT / "docs" / "notebooks" / "first-run.ipynb", hosted)
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    (site,) = venv.glob("lib/python*/site-packages")
    below = [path for path in sys.path if path.endswith("site-packages")]
    (site / "libraries.pth").write_text("".join(path + "\n" for path in below))
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("ECHO", "PYTHON"))}
    variables |= {"PIP_NO_DEPS": "1", "PIP_IGNORE_INSTALLED": "1", "ECHOKIT_CACHE": str(tmp_path / "cache")}
    execute = """
import nbformat
from nbclient import NotebookClient
notebook = nbformat.read("first-run.ipynb", as_version=4)
notebook.cells.append(nbformat.v4.new_code_cell("import echokit; print(echokit.__file__)"))
NotebookClient(notebook, timeout=600, kernel_name="python3").execute()
print(notebook.cells[-1].outputs[0]["text"])
print([kind for cell in notebook.cells for output in cell.get("outputs", []) for kind in output.get("data", {})])
"""
    done = subprocess.run(
        [str(venv / "bin" / "python"), "-c", execute], cwd=hosted, env=variables, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert str(venv) in done.stdout
    assert done.stdout.count("image/png") == 2
