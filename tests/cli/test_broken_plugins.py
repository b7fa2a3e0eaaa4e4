"""A broken plugin costs one line: help and unrelated runs go on, and a run that needs it says whose fault it is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_plugins import install

MASK = """
from echokit import hookimpl

@hookimpl
def echokit_components(register):
    register.preprocessor("{name}_mask", "{name}.mask:HalfMask", mask=True, summary="half")
"""
CLASS = "import dataclasses\n\n\nclass HalfMask:\n    '''Half.'''\n\n"


def echokit(*arguments: str, site: Path, cache: Path, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(site), "ECHOKIT_CACHE": str(cache), **more}
    command = [sys.executable, "-m", "echokit", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=site)


BROKEN = {
    "lab_syntax": ("def broken(:\n", CLASS, "skipped plugin lab_syntax (lab_syntax 1.2): SyntaxError"),
    "lab_missing": (
        "import no_such_library\n",
        CLASS,
        "skipped plugin lab_missing (lab_missing 1.2): ModuleNotFoundError: No module named 'no_such_library'",
    ),
    "lab_clash": (
        MASK.replace("{name}_mask", "motion_mask"),
        CLASS,
        "the plugin lab_clash registers the preprocessor 'motion_mask', a name that echokit has too: write "
        "'echokit:motion_mask' or 'lab_clash:motion_mask'",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_help_and_unrelated_work_go_on_and_one_line_names_it(name: str, tmp_path: Path) -> None:
    code, mask, line = BROKEN[name]
    install(tmp_path / "site", name, code)
    (tmp_path / "site" / name / "mask.py").write_text(mask)
    for arguments in (["--help"], ["list"], ["validate", "ef_112"], ["plugin", "list"]):
        done = echokit(*arguments, site=tmp_path / "site", cache=tmp_path / "cache")
        assert done.returncode == 0, done.stderr
        assert [said for said in done.stderr.splitlines() if name in said] == [
            said for said in done.stderr.splitlines() if line in said
        ]
        assert done.stderr.count(line) == 1
        assert "Traceback" not in done.stderr


UNTYPED = CLASS + "    def __init__(self, *, keep=0.5):\n        self.keep = keep\n"
RAISING = CLASS + "    def __call__(self, clip):\n        raise ValueError('too\\nsmall')\n"
WRITING = CLASS + "    def __call__(self, clip):\n        clip.frames[:, :20] = 0\n        return clip\n"
WRONG = CLASS + "    def __call__(self, clip):\n        return clip.frames\n"
GONE = "import no_such_library\n"


@pytest.mark.parametrize(
    ("mask", "arguments", "said"),
    [
        (UNTYPED, ["validate"], "the plugin 'lab_bad': the parameter 'keep' of lab_bad.mask:HalfMask is not a typed"),
        (
            GONE,
            ["validate"],
            "of the plugin 'lab_bad' can not be imported: ModuleNotFoundError: No module named 'no_such",
        ),
        (
            RAISING,
            ["data", "prepare"],
            "lab_bad/mask.py:8: the preprocessor 'lab_bad_mask' of the plugin 'lab_bad' failed: ValueError: too small",
        ),
        (
            WRITING,
            ["data", "prepare"],
            "'lab_bad_mask' of the plugin 'lab_bad' failed: ValueError: assignment destination is read-only",
        ),
        (
            WRONG,
            ["data", "prepare"],
            "the preprocessor 'lab_bad_mask' of the plugin 'lab_bad' gave ndarray, not a Clip",
        ),
    ],
    ids=["untyped", "missing", "raising", "writing", "wrong"],
)
def test_a_recipe_that_names_it_gets_one_line_and_others_none(
    mask: str, arguments: list[str], said: str, tiny: Path, tmp_path: Path
) -> None:
    install(tmp_path / "site", "lab_bad", MASK)
    (tmp_path / "site" / "lab_bad" / "mask.py").write_text(mask)
    recipe = tmp_path / "uses.yaml"
    recipe.write_text(tiny.read_text().replace("[{use: trim", "[lab_bad_mask, {use: trim"))
    done = echokit(*arguments, str(recipe), site=tmp_path / "site", cache=tmp_path / "cache")
    assert done.returncode == 2, done.stderr
    assert sum(said in line for line in done.stderr.splitlines()) == 1, done.stderr
    assert "Traceback" not in done.stderr
    for unrelated in (["list"], ["schema"], ["validate", str(tiny)]):
        fine = echokit(*unrelated, site=tmp_path / "site", cache=tmp_path / "cache")
        assert fine.returncode == 0, fine.stderr
        assert "lab_bad" not in fine.stderr


@pytest.mark.parametrize(
    ("mask", "said", "lines"),
    [
        (GONE, "EchokitError: lab_bad/mask.py:1: the preprocessor 'lab_bad_mask'", 1),
        ("\n\ndef broken(:\n", "lab_bad/mask.py:3: ", 1),
        (RAISING, "lab_bad/mask.py:8: ValueError: too small", None),
    ],
    ids=["missing", "syntax", "raising"],
)
def test_the_check_of_a_plugin_names_the_line_and_what_can_not_be_imported_fails_once(
    mask: str, said: str, lines: int | None, tmp_path: Path
) -> None:
    install(tmp_path / "site", "lab_bad", MASK)
    (tmp_path / "site" / "lab_bad" / "mask.py").write_text(mask)
    done = echokit("plugin", "check", "lab_bad", site=tmp_path / "site", cache=tmp_path / "cache")
    failed = [line for line in done.stdout.splitlines() if line.startswith("failed")]
    assert done.returncode == 2
    assert said in failed[0]
    assert lines is None or len(failed) == lines


def test_an_exception_elsewhere_in_a_plugin_is_one_line_too(tiny: Path, tmp_path: Path) -> None:
    install(tmp_path / "site", "lab_bad", MASK.replace("preprocessor", "evaluator").replace(", mask=True", ""))
    (tmp_path / "site" / "lab_bad" / "mask.py").write_text(RAISING)
    recipe = tmp_path / "uses.yaml"
    recipe.write_text(tiny.read_text() + "evaluate: [auroc, lab_bad_mask]\n")
    done = echokit("run", str(recipe), "--set", "train.epochs=1", site=tmp_path / "site", cache=tmp_path / "cache")
    assert done.returncode == 2
    assert "lab_bad/mask.py:8: the plugin 'lab_bad' (lab_bad 1.2) failed: ValueError: too small" in done.stderr
    assert "Traceback" not in done.stderr


COMMANDS = """
from echokit import hookimpl

@hookimpl
def echokit_commands():
    return {{"hello": ("{name}.mask:command", "Say hello."), "run": ("{name}.mask:command", "Mine.")}}
"""


def test_a_command_is_found_shown_and_never_replaces_a_built_in(tmp_path: Path) -> None:
    for name in ("lab_one", "lab_two"):
        install(tmp_path / "site", name, COMMANDS)
        (tmp_path / "site" / name / "mask.py").write_text(
            "import click\n\n@click.command()\ndef command():\n    click.echo('hello from ' + __name__)\n"
        )
    more = {"site": tmp_path / "site", "cache": tmp_path / "cache"}
    both = echokit("hello", **more)
    assert both.returncode == 2
    assert "the command 'hello' is claimed by the plugins lab_one and lab_two" in both.stderr
    one = echokit("hello", ECHOKIT_PLUGINS="lab_one", **more)
    assert (one.returncode, one.stdout) == (0, "hello from lab_one.mask\n")
    assert "the plugin lab_one adds the command 'run', which echokit has: it is left out" in one.stderr
    shown = echokit("--help", ECHOKIT_PLUGINS="lab_one", **more)
    assert "Say hello. [lab_one]" in shown.stdout
    assert shown.stdout.count("\n  run ") == 1
    assert "Run a recipe" in shown.stdout
    assert "did you mean 'hello'" in echokit("helo", ECHOKIT_PLUGINS="lab_one", **more).stderr


def test_plugin_list_tells_what_became_of_each(tmp_path: Path) -> None:
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
    assert "skipped plugin lab_syntax" in done.stderr
    assert "ECHOKIT_PLUGINS names the plugin 'lab_gone', which is not installed" in done.stderr
    assert "imported" not in done.stdout + done.stderr
