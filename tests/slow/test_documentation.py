"""The pages are built strictly, and what they tell a new user to do is done."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.data.video.make import write_dicom
from tests.tools.convert.make import fan_clip

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


PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in (
        ROOT / "README.md",
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "docs" / "how-to").glob("*.md"),
        *(ROOT / "docs" / "plugins").glob("*.md"),
    )
)
ELSEWHERE = ("docs/get-started.md", "docs/plugins/write-a-masking-plugin.md", "docs/plugins/examples.md")
"""Pages that other tests execute whole: the one below, test_plugins_from_wheels, test_plugin_examples."""
CANNOT = {
    "pip install": "needs a package registry",
    "python -m pip": "needs a package registry",
    "docker": "needs a container service",
    "make": "installs everything; .ci/run does it",
    "git clone": "needs the network",
    "accelerate launch": "needs several GPUs",
    "torchrun": "needs several GPUs",
    "echokit plugin check arrays": "is not installed here; test_reader_plugin installs it",
    "echokit run my_recipe.yaml": "is the reader's own; tests/plugins/test_given.py",
    'echokit run quickstart --set "track=[mlflow]"': "not installed; tests/training/test_trackers.py where it is",
    'echokit run quickstart --set "track=[wandb]"': "not installed; tests/training/test_trackers.py where it is",
}
"""Commands that no test can execute, and why."""
LANGUAGES = ("", "console", "bash", "sh", "shell")
SMALL = {
    "quickstart": ("data.cases=24", "train.epochs=1", "train.keep=last"),
    "ef": ("train.epochs=1", "train.keep=last"),
    "nested": (
        "data.fallback.cases=24",
        "controls.permutations=9",
        "train.phases=[{name: head, train: [head], epochs: 1}]",
        "resample={use: nested, k: 2, repeats: 1, inner: 2, search: {train.optimizer.lr: [1.0e-3, 1.0e-4]}}",
    ),
    "lvad": ("data.fallback.cases=24", "train.phases=[{name: head, train: [head], epochs: 1}]"),
}
"""Overrides of every run by a part of the recipe's name, the first that is in it: small enough for a test."""
NARROW = ("ef_112", "ef_112_weighted", "ef_56")
"""Recipes of the plain network, which can be narrower."""
PROGRAMS = ("echokit", "export", *(parts.split()[0] for parts in CANNOT))


def commands_of(page: str) -> list[str]:
    """The commands in the plain and console blocks of a page, in order, without comments and output."""
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.S | re.M)
    lines = [(language, line) for language, block in blocks if language in LANGUAGES for line in block.splitlines()]
    told = [line.removeprefix("$ ") for language, line in lines if language != "console" or line.startswith("$ ")]
    told = [line.removeprefix(".venv/bin/").partition("  #")[0].strip() for line in told]
    return [line for line in told if line and line.split()[0] in PROGRAMS]


def cannot_run(command: str) -> bool:
    return any(command.startswith(start) for start in CANNOT)


def executed(page: str) -> list[str]:
    """The commands of a page that a test can execute."""
    return [one for one in commands_of(page) if not cannot_run(one) and not one.startswith("export ")]


def largest(pages: list[str]) -> list[str]:
    """Pages with commands that no page with more commands has."""
    kept: list[str] = []
    for page in sorted(pages, key=lambda page: -len(executed(page))):
        if executed(page) and not any(set(executed(page)) <= set(executed(other)) for other in kept):
            kept.append(page)
    return kept


def small(parts: list[str]) -> list[str]:
    """Options that make a run, or a table, short."""
    if parts[:2] == ["echokit", "bench"]:
        return ["--scale", "tiny", *(["--row", "resnet18_28"] if parts[2] == "stage1" else [])]
    if parts[:2] != ["echokit", "run"]:
        return []
    keys = [*next(keys for name, keys in SMALL.items() if name in parts[2]), "report.cases=0"]
    if parts[2] in NARROW and not any("model.backbone" in part for part in parts):
        keys.append("model.backbone.width=4")
    return [part for key in keys for part in ("--set", key)]


def write_desk(folder: Path, phantom: Path, words: bool) -> None:
    """The files that the pages speak of: a study, a clip, scores of a model, DICOM studies and a patient table."""
    video = min((phantom / "Videos").iterdir())
    (folder / "study").mkdir()
    shutil.copy(video, folder / "study")
    shutil.copy(video, folder / "clip.avi")
    names = ("alive", "died") if words else ("0", "1")
    rows = [f"c{k},p{k},{names[k % 2]},{0.2 + 0.5 * (k % 2) + k / 100}\n" for k in range(20)]
    (folder / "predictions.csv").write_text("case_id,patient_id,y_true,y_score\n" + "".join(rows))
    (folder / "studies").mkdir()
    for index, patient in enumerate(("A-1", "B-2", "C-3")):
        write_dicom(folder / "studies" / f"{index}.dcm", fan_clip(index, 10), PatientID=patient)
    (folder / "outcomes.csv").write_text("patient_id;died\nA-1;1\nB-2;0\nC-3;0\n")


@pytest.mark.parametrize("page", largest([page for page in PAGES if page not in ELSEWHERE]))
def test_every_command_of_a_page_is_executed(page: str, tmp_path: Path, phantom: Path) -> None:
    """In order, in one folder, with 24 phantoms as the user's data and one epoch for each run."""
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "ECHOKIT_CACHE": str(tmp_path / "cache")}
    environment["ECHONET_DYNAMIC"] = str(phantom)
    commands = executed(page)
    write_desk(tmp_path, phantom, words=any("--positive died" in one for one in commands))
    ran: set[str] = set()

    def execute(*parts: str) -> None:
        command = [*parts, *small(list(parts))]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}\n{done.stderr}"

    for command in commands:
        parts = [
            {"/data/EchoNet-Dynamic": str(phantom), "clip.dcm": "clip.avi"}.get(w, w) for w in shlex.split(command)
        ]
        named = {one for one in parts[2:] if re.fullmatch(r"(ef|lvad)_\w+", one)}
        if parts[1] in ("report", "compare", "predict"):  # of runs that the reader of the page has
            for name in sorted(named - ran):
                execute("echokit", "run", name)
            ran |= named
        execute(*parts)
        ran |= named if parts[1] == "run" else set()


def test_commands_are_found_in_many_pages() -> None:
    found = {page: commands_of(page) for page in PAGES}
    assert sum(map(len, found.values())) >= 40
    assert sum(map(bool, found.values())) >= 10


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
