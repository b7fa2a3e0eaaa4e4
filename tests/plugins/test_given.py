"""Plugins without a package: a file on the command line, a class of a notebook."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import yaml

import echokit
from echokit import Clip
from echokit.cli import exit_code
from echokit.plugins.component_config import ComponentConfig
from echokit.plugins.discovery import installed
from echokit.plugins.given import use_file
from echokit.system.source_modules import source_modules, withdraw
from echokit.system.worker_pool import map_ordered
from tests.expect import command_error, refused

ROOT = Path(__file__).resolve().parents[2]


def example(page: str, beginning: str) -> str:
    """The Python example of a page that begins with a text."""
    blocks = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.S | re.M)
    [block] = [block for block in blocks if block.startswith(beginning)]
    return block


HALF_MASK = example("plugins/hooks.md", "# my_mask.py")


@pytest.fixture
def my_mask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A plugin of one file; what a test has given is forgotten after it."""
    monkeypatch.delenv("ECHOKIT_PLUGINS", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_mask.py").write_text(HALF_MASK)
    yield Path("my_mask.py")
    forget()


def forget() -> None:
    """Be as a new process: no file was named."""
    for module in source_modules():
        withdraw(module.name)
    installed.cache_clear()


def half_mask() -> ComponentConfig:
    component = installed().registry.get("preprocessor", "half_mask")
    return ComponentConfig(component, component.parameters()())


def rows_left(mask: Callable[[Clip], Clip], white: int) -> list[bool]:
    """Which rows of a white clip a mask leaves."""
    clip = Clip(np.full((4, 8, 8), white, np.uint8), 50.0)
    return list(mask(clip).frames.any((0, 2)).tolist())


@pytest.mark.parametrize("place", ["before", "after"])
def test_the_option_stands_before_or_after_the_command(
    my_mask: Path, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    option, listing = ["--plugin", str(my_mask)], ["list", "masks", "--json"]
    assert exit_code([*option, *listing] if place == "before" else [*listing, *option]) == 0
    [row] = [row for row in json.loads(capsys.readouterr().out) if row["plugin"] == "my_mask"]
    assert (row["name"], row["mask"], row["package"]) == ("half_mask", True, "my_mask.py")


def test_workers_have_the_components_of_a_file(my_mask: Path) -> None:
    use_file(my_mask)
    assert list(map_ordered(partial(rows_left, half_mask().build()), [255], workers=1)) == [[True] * 4 + [False] * 4]


def test_the_code_is_the_hash_of_the_file(my_mask: Path) -> None:
    use_file(my_mask)
    first = half_mask().component.code_hash()
    my_mask.write_text(HALF_MASK.replace("= 0.5", "= 0.25"))
    use_file(my_mask)
    assert half_mask().build().keep == 0.25
    second = half_mask().component.code_hash()
    my_mask.write_text(HALF_MASK)
    use_file(my_mask)
    assert half_mask().component.code_hash() == first != second
    assert installed().plugin("my_mask").version == first[:12]


def test_a_lock_is_repeated_with_the_same_file_only(my_mask: Path, tiny: Path, phantom: Path) -> None:
    text = tiny.read_text().replace("optical_flow]", "half_mask]").replace("two_stream", "single_stream")
    tiny.write_text(text.replace("epochs: 2", "epochs: 1"))
    assert exit_code(["run", "tiny.yaml", "--plugin", "my_mask.py"]) == 0
    lock = Path("runs/tiny/latest/lock.yaml").resolve()
    [part] = [part for part in yaml.safe_load(lock.read_text())["components"] if part["name"] == "half_mask"]
    assert (part["plugin"], part["package"], part["plugin_file"]) == ("my_mask", "my_mask.py", "my_mask.py")
    assert "lock.yaml --plugin my_mask.py\n" in (lock.parent / "summary.md").read_text()
    forget()
    for command in (["run", str(lock)], ["predict", "tiny", str(phantom / "Videos")], ["report", "tiny"]):
        error = command_error(command)
        assert (error.code, Path(str(error.where)).name) == ("lock.no_plugin", "lock.yaml")
        assert all(word in str(error) for word in ("my_mask.py", part["code"], "--plugin my_mask.py"))
    assert exit_code(["--plugin", "my_mask.py", "run", str(lock), "--dry-run"]) == 0
    assert exit_code(["run", str(lock), "--set", "preprocess=[]", "--dry-run"]) == 0


@pytest.mark.parametrize(
    ("text", "code", "where"),
    [
        ("import numpy\n\ndef broken(:\n", "plugin.file_broken", "broken.py:3"),
        ("import numpy\nimport no_such_library\n", "plugin.file_broken", "broken.py:2"),
        ("\nraise SystemExit(0)\n", "plugin.file_broken", "broken.py:2"),
        ("import os\nos._exit(0)\n", "plugin.file_broken", "broken.py"),
        ("raise KeyboardInterrupt\n", "plugin.file_broken", "broken.py"),
        (
            "from echokit import hookimpl\n@hookimpl\ndef echokit_commands():\n    return {'x': (len, '')}\n",
            "plugin.file_broken",
            "broken.py",
        ),
        (HALF_MASK.replace("register.mask", "register.masks"), "plugin.file_broken", "broken.py:25"),
        (HALF_MASK.replace(", HalfMask", ", 'HalfMask'"), "plugin.file_broken", "broken.py:25"),
        (HALF_MASK.replace("@hookimpl\n", ""), "plugin.no_hooks", "broken.py"),
        ("half = 0.5\n", "plugin.no_hooks", "broken.py"),
    ],
)
def test_a_broken_file_is_one_error_at_its_line(my_mask: Path, text: str, code: str, where: str) -> None:
    Path("broken.py").write_text(text)
    error = command_error(["list", "--plugin", "broken.py"])
    assert (error.code, str(error.where).removeprefix(f"{Path.cwd().name}/")) == (code, where)
    assert "broken" not in [plugin.name for plugin in installed().plugins]


def test_a_hook_without_its_mark_is_named(my_mask: Path) -> None:
    my_mask.write_text(HALF_MASK.replace("@hookimpl\n", ""))
    assert "@hookimpl above def echokit_components" in str(command_error(["list", "--plugin", str(my_mask)]).hint)


def test_a_file_that_cannot_be_used_is_refused(my_mask: Path) -> None:
    with refused("plugin.file_unreadable", "missing.py"):
        use_file(Path("missing.py"))
    Path("my mask.py").write_text(HALF_MASK)
    with refused("component.bad_name"):
        use_file(Path("my mask.py"))
    for taken in ("echokit.py", "other/my_mask.py"):
        use_file(my_mask)
        Path("other").mkdir(exist_ok=True)
        Path(taken).write_text(HALF_MASK + "\n")
        with refused("plugin.exists", taken):
            use_file(Path(taken))
    assert half_mask().name == "half_mask"


def test_a_broken_plugin_of_a_file_is_named_with_its_line(my_mask: Path, tiny: Path) -> None:
    my_mask.write_text(HALF_MASK.replace("clip.frames.copy()", "clip.frame.copy()"))
    tiny.write_text(tiny.read_text().replace("optical_flow]", "half_mask]").replace("two_stream", "single_stream"))
    done = subprocess.run(
        [sys.executable, "-m", "echokit", "data", "prepare", "tiny.yaml", "--plugin", "my_mask.py"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    [line] = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "my_mask.py:18: " in line
    assert "Traceback" not in done.stderr


HELLO = """
import click
from echokit import hookimpl

@click.command()
@click.argument("name")
def command(name):
    click.echo(f"hello {name}")

@hookimpl
def echokit_commands():
    return {"hello": (f"{__name__}:command", "say hello")}
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["--plugin", "lab.py", "hello", "you"],
        ["hello", "--plugin", "lab.py", "you"],
        ["hello", "you", "--plugin=lab.py"],
    ],
)
def test_the_option_stands_anywhere_with_a_command_of_the_file(
    my_mask: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    Path("lab.py").write_text(HELLO)
    assert exit_code(arguments) == 0
    assert capsys.readouterr().out == "hello you\n"


def test_a_target_of_a_file_is_the_class(my_mask: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither a run nor a check imports from the working folder."""
    my_mask.write_text(HALF_MASK.replace(", HalfMask", ", 'my_mask:HalfMask'"))
    error = command_error(["show", "half_mask", "--plugin", str(my_mask)])
    assert (error.code, "the class itself" in str(error.hint)) == ("component.import_failed", True)
    assert exit_code(["plugin", "check", "my_mask", "--plugin", str(my_mask)]) == 2
    assert "No module named 'my_mask'" in capsys.readouterr().out


def test_a_check_of_a_component_names_its_plugin(my_mask: Path) -> None:
    error = command_error(["plugin", "check", "half_mask", "--plugin", str(my_mask)])
    assert (error.code, "'my_mask'" in str(error.hint)) == ("plugin.unknown", True)


def test_the_checks_run_on_a_file(my_mask: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["plugin", "check", "my_mask", "--plugin", "my_mask.py", "--json"]) == 0
    outcomes = [row["outcome"] for row in json.loads(capsys.readouterr().out)]
    assert outcomes.count("passed") > 10


CELLS = (
    "import dataclasses\nimport numpy as np\nfrom typing import Annotated\nfrom pydantic import Field\n"
    "import echokit\nfrom echokit import Clip\nHALF = 0.5\ntable = np.zeros(3)",
    "def cut(frames, keep):\n    rows = np.arange(frames.shape[1]) < keep * frames.shape[1]\n"
    "    table = np.where(rows[None, :, None], frames, np.uint8(0))\n    return table",
    "class HalfMask:\n    '''Keep a part.\n\n    Args:\n        keep: Share.\n    '''\n"
    "    def __init__(self, *, keep: Annotated[float, Field(gt=0)] = HALF):\n        self.keep = keep\n"
    "    def __call__(self, clip: Clip) -> Clip:\n"
    "        return dataclasses.replace(clip, frames=cut(clip.frames, self.keep))",
    "echokit.register.mask('half_mask', HalfMask, summary='keep a part')",
)
NOTEBOOK = """
import json, sys
from IPython.core.interactiveshell import InteractiveShell

if __name__ == "__main__":
    shell = InteractiveShell.instance()
    for cell in json.loads(sys.argv[1]):
        shell.run_cell(cell).raise_error()
"""
REPORT = """
from echokit.plugins.component_config import ComponentConfig
from echokit.plugins.discovery import installed
from echokit.system.worker_pool import map_ordered
from functools import partial
from tests.plugins.test_given import rows_left
component = installed().registry.get("preprocessor", "half_mask")
use = ComponentConfig(component, component.parameters()())
[rows] = map_ordered(partial(rows_left, use.build()), [255], workers=1)
print(component.full_name, component.code_hash(), rows)
"""


def notebook(*cells: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run cells as a notebook does, in a process of its own."""
    (folder / "kernel.py").write_text(NOTEBOOK)
    command = [sys.executable, str(folder / "kernel.py"), json.dumps(cells)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, *sys.path)))}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_a_notebook_registers_a_class_that_workers_can_use(tmp_path: Path) -> None:
    changed = CELLS[1].replace("<", "<=")
    rerun = (*CELLS, REPORT, changed, CELLS[3], REPORT, *CELLS[1:], REPORT)
    done = notebook(*rerun, folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    first, second, third = [line.split(" ", 2) for line in done.stdout.splitlines() if line.startswith("notebook:")]
    assert first[0] == "notebook:half_mask"
    assert first[2] == str([True] * 4 + [False] * 4)
    assert second[2] == str([True] * 5 + [False] * 3)
    assert first[1] != second[1], "the hash covers the helper function"
    assert first == third


def test_the_notebook_of_the_docs_works(tmp_path: Path) -> None:
    cells = (
        "import numpy as np\nfrom echokit import Clip",
        example("how-to/notebooks.md", "import dataclasses"),
        REPORT,
    )
    done = notebook(*cells, folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert str([True] * 4 + [False] * 4) in done.stdout


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        (
            CELLS[1]
            .replace("< keep", "< table[0] + keep")
            .replace("    table =", "    kept =")
            .replace("return table", "return kept"),
            "register.not_standalone",
        ),
        ("exec('class HalfMask:\\n    def __call__(self, clip): return clip')", "register.no_source"),
    ],
)
def test_a_class_that_workers_cannot_have_is_refused(tmp_path: Path, cell: str, code: str) -> None:
    cells = (*CELLS[:3], cell, CELLS[3].replace("echokit.register", "try:\n    echokit.register"))
    answer = f"{cells[-1]}\nexcept echokit.EchokitError as error:\n    print(error.code)"
    done = notebook(*cells[:-1], answer, folder=tmp_path)
    assert done.stdout.splitlines()[-1:] == [code], done.stdout + done.stderr


class Importable:
    """Leave a clip as it is."""

    def __call__(self, clip: Clip) -> Clip:
        return clip


@pytest.mark.usefixtures("my_mask")
def test_register_takes_a_class_of_a_module_and_a_file() -> None:
    echokit.register.preprocessor("same", Importable, summary="the same")
    echokit.register.preprocessor("same", Importable)
    component = installed().registry.get("preprocessor", "notebook:same")
    assert component.load() is Importable
    assert not component.mask
    echokit.register.file("my_mask.py")
    assert installed().registry.get("preprocessor", "my_mask:half_mask").mask
    with refused("component.bad_target"):
        echokit.register.preprocessor("other", 7)  # type: ignore[arg-type]
    assert "other" not in installed().registry.names("preprocessor")
