"""A broken plugin causes one warning: unrelated commands work, and a run that needs it names the plugin."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.plugins.test_discovery import install

MASK = """
from echokit import hookimpl

@hookimpl
def echokit_components(register):
    register.preprocessor("{name}_mask", "{name}.mask:HalfMask", mask=True, summary="half")
"""
CLASS = "import dataclasses\n\n\nclass HalfMask:\n    '''Half.'''\n\n"


def echokit(*arguments: str, site: Path, cache: Path, **more: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(site), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    environment = {**os.environ, "PYTHONPATH": path, "ECHOKIT_CACHE": str(cache), **more}
    command = [sys.executable, "-m", "echokit", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=site)


BROKEN = {
    "lab_syntax": ("def broken(:\n", CLASS, ("lab_syntax 1.2", "SyntaxError")),
    "lab_missing": ("import no_such_library\n", CLASS, ("lab_missing 1.2", "ModuleNotFoundError", "no_such_library")),
    "lab_clash": (
        MASK.replace("{name}_mask", "motion_mask"),
        CLASS,
        ("preprocessor 'motion_mask'", "echokit", "'lab_clash:motion_mask'"),
    ),
    "lab_abort": ("import os\nos.abort()\n", CLASS, ("lab_abort 1.2", "SIGABRT")),
    "lab_name": (MASK.replace("{name}_mask", "half:mask"), CLASS, ("lab_name 1.2", "'half:mask'")),
}
"""Name: (code of the package, code of its mask, what the warning mentions)."""


@pytest.mark.slow
@pytest.mark.parametrize("name", BROKEN)
def test_unrelated_commands_work_with_one_warning(name: str, tmp_path: Path) -> None:
    code, mask, mentioned = BROKEN[name]
    install(tmp_path / "site", name, code)
    (tmp_path / "site" / name / "mask.py").write_text(mask)
    for arguments in (["--help"], ["list"], ["validate", "ef_112"], ["plugin", "list"]):
        done = echokit(*arguments, site=tmp_path / "site", cache=tmp_path / "cache")
        assert done.returncode == 0, done.stderr
        [warning] = [line for line in done.stderr.splitlines() if name in line]
        assert all(text in warning for text in mentioned)
        assert "Traceback" not in done.stderr


UNTYPED = CLASS + "    def __init__(self, *, keep=0.5):\n        self.keep = keep\n"
RAISING = CLASS + "    def __call__(self, clip):\n        raise ValueError('too\\nsmall')\n"
LEAVING = CLASS + "    def __call__(self, clip):\n        raise SystemExit(0)\n"
REFUSING = CLASS + "    def __init__(self, *, keep: float = 0.5):\n        {}['keep']\n"
WRITING = CLASS + "    def __call__(self, clip):\n        clip.frames[:, :20] = 0\n        return clip\n"
WRONG = CLASS + "    def __call__(self, clip):\n        return clip.frames\n"
GONE = "import no_such_library\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mask", "arguments", "mentioned"),
    [
        (UNTYPED, ["validate"], ("'keep'", "lab_bad.mask:HalfMask")),
        (GONE, ["validate"], ("ModuleNotFoundError", "no_such_library")),
        (RAISING, ["data", "prepare"], ("lab_bad/mask.py:8: ", "ValueError: too small")),
        (LEAVING, ["data", "prepare"], ("lab_bad/mask.py:8: ", "SystemExit: 0")),
        (REFUSING, ["validate"], ("KeyError: 'keep'",)),
        ("raise SystemExit(0)\n", ["explain"], ("SystemExit: 0",)),
        (WRITING, ["data", "prepare"], ("ValueError: ", "read-only")),
        (WRONG, ["data", "prepare"], ("ndarray", "Clip")),
    ],
    ids=["untyped", "missing", "raising", "leaving", "refusing", "exiting", "writing", "wrong"],
)
def test_a_recipe_with_it_gets_one_error_line_and_others_none(
    mask: str, arguments: list[str], mentioned: tuple[str, ...], tiny: Path, tmp_path: Path
) -> None:
    install(tmp_path / "site", "lab_bad", MASK)
    (tmp_path / "site" / "lab_bad" / "mask.py").write_text(mask)
    recipe = tmp_path / "uses.yaml"
    recipe.write_text(tiny.read_text().replace("[{use: trim", "[lab_bad_mask, {use: trim"))
    done = echokit(*arguments, str(recipe), site=tmp_path / "site", cache=tmp_path / "cache")
    assert done.returncode == 2, done.stderr
    named = ("preprocessor 'lab_bad_mask'", "plugin 'lab_bad'", *mentioned)
    assert sum(all(text in line for text in named) for line in done.stderr.splitlines()) == 1, done.stderr
    assert "Traceback" not in done.stderr
    for unrelated in (["list"], ["schema"], ["validate", str(tiny)]):
        fine = echokit(*unrelated, site=tmp_path / "site", cache=tmp_path / "cache")
        assert fine.returncode == 0, fine.stderr
        assert "lab_bad" not in fine.stderr


@pytest.mark.parametrize(
    ("mask", "mentioned", "lines"),
    [
        (GONE, ("lab_bad/mask.py:1: ", "'lab_bad_mask'"), 1),
        ("\n\ndef broken(:\n", ("lab_bad/mask.py:3: ",), 1),
        (RAISING, ("lab_bad/mask.py:8: ", "ValueError: too small"), None),
    ],
    ids=["missing", "syntax", "raising"],
)
def test_plugin_check_names_the_line_of_each_failure(
    mask: str, mentioned: tuple[str, ...], lines: int | None, tmp_path: Path
) -> None:
    install(tmp_path / "site", "lab_bad", MASK)
    (tmp_path / "site" / "lab_bad" / "mask.py").write_text(mask)
    done = echokit("plugin", "check", "lab_bad", site=tmp_path / "site", cache=tmp_path / "cache")
    failed = [line for line in done.stdout.splitlines() if line.startswith("failed")]
    assert done.returncode == 2
    assert all(text in failed[0] for text in mentioned)
    assert lines is None or len(failed) == lines


CRASHING = CLASS + "    def __call__(self, clip):\n        import os\n        print('crashing')\n        os.abort()\n"


def test_plugin_check_reports_a_check_that_ends_the_interpreter(tmp_path: Path) -> None:
    two = MASK.replace("{name}_mask", "a_mask") + MASK.split("register):\n")[1].replace("{name}_mask", "b_mask")
    install(tmp_path / "site", "lab_bad", two.replace(".mask:HalfMask", ".crash:HalfMask", 1))
    (tmp_path / "site" / "lab_bad" / "crash.py").write_text(CRASHING)
    (tmp_path / "site" / "lab_bad" / "mask.py").write_text(LEAVING)
    done = echokit("plugin", "check", "lab_bad", "--json", site=tmp_path / "site", cache=tmp_path / "cache")
    assert done.returncode == 2
    failed = [result for result in json.loads(done.stdout) if result["outcome"] == "failed"]
    crashed, *left = failed
    assert crashed["component"] == "preprocessor.a_mask"
    assert "signal SIGABRT" in crashed["detail"]
    assert "crashing" in done.stderr
    assert left
    assert all(result["component"] == "preprocessor.b_mask" for result in left)
    assert all("SystemExit: 0" in result["detail"] for result in left)


def test_a_plugin_with_a_built_in_name_changes_no_recipe(tiny: Path, tmp_path: Path) -> None:
    install(tmp_path / "site", "lab_clash", MASK.replace("{name}_mask", "resize"))
    (tmp_path / "site" / "lab_clash" / "mask.py").write_text(CLASS)
    more = {"site": tmp_path / "site", "cache": tmp_path / "cache"}
    assert '"resize"' in echokit("explain", str(tiny), "--json", **more).stdout
    full = tmp_path / "full.yaml"
    full.write_text(tiny.read_text().replace("[{use: trim", "['lab_clash:resize', {use: trim"))
    explained = json.loads(echokit("explain", str(full), "--json", **more).stdout)
    assert {"lab_clash:resize", "resize"} <= {row["value"] for row in explained if row["key"].endswith(".use")}
    shown = [json.loads(echokit("show", name, "--json", **more).stdout) for name in ("resize", "lab_clash:resize")]
    assert ["size" in schema["properties"] for schema in shown] == [True, False]
    listed = json.loads(echokit("list", "preprocessors", "--json", **more).stdout)
    assert {"resize", "lab_clash:resize"} <= {row["name"] for row in listed}


def test_an_exception_in_an_evaluator_is_one_line(tiny: Path, tmp_path: Path) -> None:
    install(tmp_path / "site", "lab_bad", MASK.replace("preprocessor", "evaluator").replace(", mask=True", ""))
    (tmp_path / "site" / "lab_bad" / "mask.py").write_text(RAISING)
    recipe = tmp_path / "uses.yaml"
    recipe.write_text(tiny.read_text() + "evaluate: [auroc, lab_bad_mask]\n")
    done = echokit("run", str(recipe), "--set", "train.epochs=1", site=tmp_path / "site", cache=tmp_path / "cache")
    assert done.returncode == 2
    mentioned = ("lab_bad/mask.py:8: ", "'lab_bad'", "lab_bad 1.2", "ValueError: too small")
    assert sum(all(text in line for text in mentioned) for line in done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr


COMMANDS = """
from echokit import hookimpl

@hookimpl
def echokit_commands():
    return {{"hello": ("{name}.mask:command", "Say hello."), "run": ("{name}.mask:command", "Mine.")}}
"""


def test_a_plugin_adds_commands_but_replaces_none(tmp_path: Path) -> None:
    for name in ("lab_one", "lab_two"):
        install(tmp_path / "site", name, COMMANDS)
        (tmp_path / "site" / name / "mask.py").write_text(
            "import click\n\n@click.command()\ndef command():\n    click.echo('hello from ' + __name__)\n"
        )
    more = {"site": tmp_path / "site", "cache": tmp_path / "cache"}
    both = echokit("hello", **more)
    assert both.returncode == 2
    assert any(all(name in line for name in ("'hello'", "lab_one", "lab_two")) for line in both.stderr.splitlines())
    one = echokit("hello", ECHOKIT_PLUGINS="lab_one", **more)
    assert (one.returncode, one.stdout) == (0, "hello from lab_one.mask\n")
    assert any("lab_one" in line and "'run'" in line for line in one.stderr.splitlines())
    shown = echokit("--help", ECHOKIT_PLUGINS="lab_one", **more)
    assert "Say hello. [lab_one]" in shown.stdout
    assert shown.stdout.count("\n  run ") == 1
    assert "Mine." not in shown.stdout
    assert "'hello'" in echokit("helo", ECHOKIT_PLUGINS="lab_one", **more).stderr


def test_plugin_list_shows_the_state_of_each(tmp_path: Path) -> None:
    install(tmp_path / "site", "lab_good", MASK)
    install(tmp_path / "site", "lab_syntax", "def broken(:\n")
    install(tmp_path / "site", "lab_blocked", "raise RuntimeError('imported')\n")
    done = echokit(
        "plugin",
        "list",
        site=tmp_path / "site",
        cache=tmp_path / "cache",
        ECHOKIT_PLUGINS="lab_good, lab_syntax,lab_gone",
    )
    assert done.returncode == 0
    assert "lab_good  lab_good 1.2  loaded\n    preprocessor lab_good_mask" in done.stdout
    assert "lab_syntax  lab_syntax 1.2  skipped" in done.stdout
    assert "lab_blocked  lab_blocked 1.2  blocked by ECHOKIT_PLUGINS" in done.stdout
    warnings = done.stderr.splitlines()
    assert sum("lab_syntax" in line for line in warnings) == 1
    assert sum("'lab_gone'" in line for line in warnings) == 1
    assert "imported" not in done.stdout + done.stderr
