"""Broken plugins of every kind: which check reports each, and how often."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_broken_plugins import echokit
from tests.plugins.test_discovery import install

HEAD = "from echokit import hookimpl\n\n"
REGISTER = HEAD + "@hookimpl\ndef echokit_components(register):\n"
CLASS = "{top}\n\nclass Mask:\n    '''Return every clip.'''\n\n    def __init__(self):\n        {build}\n\n"
CALL = "    def __call__(self, clip):\n        {call}\n        return clip\n"

Broken = dict[str, tuple[dict[str, str], str, tuple[str, ...]]]
"""By component: code at the top, in the constructor or in the call; the check that fails; what its detail mentions."""

MASKS: Broken = {
    "random": ({"call": "import random; random.random()"}, "leaves the global random state alone", ("of random",)),
    "numpy": (
        {"top": "import numpy", "call": "numpy.random.rand()"},
        "leaves the global random state alone",
        ("numpy.random",),
    ),
    "seeding": (
        {"build": "import torch; torch.manual_seed(0)"},
        "leaves the global random state alone",
        ("torch",),
    ),
    "print": ({"call": "print('done with it')"}, "prints nothing", ("'done with it'",)),
    "stderr": ({"build": "import os; os.write(2, b'from C\\n')"}, "prints nothing", ("'from C'",)),
    "build": ({"build": "raise ValueError(id(self))"}, "constructs", ("lab_bad/build.py:7: ", "ValueError")),
    "call": ({"call": "raise ValueError('no')"}, "takes every clip", ("lab_bad/call.py:10: ", "ValueError: no")),
    "wrong": ({"call": "return clip.frames"}, "takes every clip", ("ndarray", "Clip")),
    "exit": ({"call": "import sys; sys.exit(3)"}, "takes every clip", ("lab_bad/exit.py:10: ", "SystemExit: 3")),
    "heavy": ({"top": "import sqlite3, pandas"}, "is imported light", ("pandas (", "lab_bad/heavy.py:1)")),
    "loud": ({"top": "print('hello')"}, "is imported light", ("'hello'",)),
    "end": ({"call": "import os; os._exit(3)"}, "takes every clip", ("exit code 3",)),
    "segfault": (
        {"build": "import ctypes; ctypes.string_at(0)"},
        "constructs",
        ("lab_bad/segfault.py:7: ", "SIGSEGV"),
    ),
}
LOOPS: Broken = {
    "loop": ({"call": "while True: pass"}, "takes every clip", ("lab_bad/loop.py:10: ", "5 seconds")),
    "deadlock": (
        {"top": "import threading", "call": "lock = threading.Lock(); lock.acquire(); lock.acquire()"},
        "takes every clip",
        ("lab_bad/deadlock.py:10: ", "5 seconds"),
    ),
}


def check(site: Path, *more: str) -> tuple[list[dict[str, str]], int]:
    """Run ``echokit plugin check lab_bad --json``; return its results and exit code."""
    done = echokit("plugin", "check", "lab_bad", "--json", *more, site=site, cache=site.parent / "cache")
    assert "Traceback" not in done.stderr
    results: list[dict[str, str]] = json.loads(done.stdout)
    return results, done.returncode


def failures(results: list[dict[str, str]]) -> dict[str, str]:
    """Return the details of the failed checks, by component and check."""
    return {f"{row['component']}  {row['check']}": row["detail"] for row in results if row["outcome"] == "failed"}


def checked(masks: Broken, folder: Path, *more: str) -> list[dict[str, str]]:
    """Check one plugin with all of these masks."""
    site = folder / "site"
    lines = [f"    register.preprocessor('{name}', 'lab_bad.{name}:Mask', summary='x')\n" for name in masks]
    install(site, "lab_bad", REGISTER + "".join(lines))
    for name, (places, _, _) in masks.items():
        code = {"top": "", "build": "pass", "call": "pass"} | places
        (site / "lab_bad" / f"{name}.py").write_text((CLASS + CALL).format(**code))
    results, exit_code = check(site, *more)
    assert exit_code == 2
    return results


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """Results of all masks that end."""
    return checked(MASKS, tmp_path_factory.mktemp("broken"))


@pytest.mark.parametrize("name", MASKS)
def test_a_broken_component_is_reported_once(name: str, results: list[dict[str, str]]) -> None:
    require_one_failure(name, MASKS, results)


@pytest.mark.slow
def test_a_check_that_does_not_finish_is_named(tmp_path: Path) -> None:
    results = checked(LOOPS, tmp_path, "--time-limit", "5")
    for name in LOOPS:
        require_one_failure(name, LOOPS, results)


def require_one_failure(name: str, masks: Broken, results: list[dict[str, str]]) -> None:
    """Require exactly the failure that a mask is made for."""
    _, failing, mentioned = masks[name]
    label = f"preprocessor.{name}"
    own = [row for row in results if row["component"] == label]
    [(found, detail)] = failures(own).items()
    assert found == f"{label}  {failing}"
    assert all(text in detail for text in mentioned), detail


def test_further_failures_name_the_first(results: list[dict[str, str]]) -> None:
    for name, least in {"build": 6, "call": 4, "exit": 4, "wrong": 4, "print": 0}.items():
        same = [row for row in results if row["component"] == f"preprocessor.{name}" and row["outcome"] == "same"]
        assert len(same) >= least
        assert all(f"preprocessor.{name}  {MASKS[name][1]}" in row["detail"] for row in same)


PLUGINS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "nothing": ("VALUE = 1\n", "plugin.lab_bad  adds something", ("lab_bad",)),
    "unmarked": (
        "def echokit_run_start(run): ...\n",
        "plugin.lab_bad  marks its hooks",
        ("echokit_run_start", "@hookimpl"),
    ),
    "misspelt": (
        "def echokit_epoch_ended(run, record): ...\n",
        "plugin.lab_bad  marks its hooks",
        ("'echokit_epoch_end'",),
    ),
    "heavy": (
        "import pandas\n" + REGISTER + "    register.preprocessor('x', 'lab_bad.mask:HalfMask', summary='x')\n"
        "    register.preprocessor('y', 'lab_bad.mask:HalfMask', summary='y')\n",
        "plugin.lab_bad  is imported light",
        ("pandas (", "lab_bad/__init__.py:1)"),
    ),
    "cases": (
        REGISTER + "    register.preprocessor('half', 'lab_bad.mask:HalfMask', summary='x')\n\n"
        "@hookimpl\ndef echokit_cases():\n    from echokit.testing import Case\n"
        "    return {{'preprocessor.halb': Case()}}\n",
        "hook.echokit_cases  gives cases of its components",
        ("'preprocessor.half'",),
    ),
    "taken": (
        HEAD + "@hookimpl\ndef echokit_commands():\n    return {{'run': ('lab_bad.good:command', '')}}\n",
        "command.run  shows its help",
        ("'run'",),
    ),
    "no_click": (
        HEAD + "@hookimpl\ndef echokit_commands():\n    return {{'hello': ('lab_bad.mask:HalfMask', '')}}\n",
        "command.hello  is a click command",
        ("lab_bad.mask:HalfMask",),
    ),
    "no_command": (
        HEAD + "@hookimpl\ndef echokit_commands():\n    return {{'hello': ('lab_bad.good:nothing', '')}}\n",
        "command.hello  is a click command",
        ("AttributeError", "nothing"),
    ),
}
"""Code of the module with hooks; component and check that fail; what its detail mentions."""

HALF = "class HalfMask:\n    '''Return every clip.'''\n\n    def __call__(self, clip):\n        return clip\n"
COMMAND = "import click\n\n@click.command()\ndef command():\n    click.echo('hello')\n"


@pytest.mark.parametrize("name", PLUGINS)
def test_a_broken_plugin_names_its_problem_first(name: str, tmp_path: Path) -> None:
    code, failing, mentioned = PLUGINS[name]
    install(tmp_path / "site", "lab_bad", code)
    (tmp_path / "site" / "lab_bad" / "mask.py").write_text(HALF)
    (tmp_path / "site" / "lab_bad" / "good.py").write_text(COMMAND)
    results, exit_code = check(tmp_path / "site")
    assert exit_code == 2
    found = failures(results)
    assert next(iter(found)) == failing
    assert all(text in found[failing] for text in mentioned), found
    assert len(found) == 1 or name.startswith("no_c"), found  # its help does not work either


HOOKS = (
    HEAD
    + """
from echokit import Section

@hookimpl
def echokit_run_start(run):
    {start}

@hookimpl
def echokit_epoch_end(run, record):
    {epoch}

@hookimpl
def echokit_run_end(run, error):
    {end}

@hookimpl
def echokit_report_section(run):
    {section}
"""
)
GOOD = {
    "start": "run.lock",
    "epoch": "record['fold'], record['val_loss']",
    "end": "run.predictions if error is None else None",
    "section": "return Section('Patients', f'**{len(run.predictions)}** of them')",
}
BROKEN_HOOKS: dict[str, tuple[dict[str, str], list[str]]] = {
    "good": ({}, []),
    "late": (
        {"start": "run.predictions", "end": "run.metrics"},
        ["hook.echokit_run_end  accepts a run that failed", "hook.echokit_run_start  accepts a run that has started"],
    ),
    "random": (
        {"epoch": "import random; random.random()", "start": "(run.path / 'lock.yaml').write_text('mine')"},
        [
            "hook.echokit_epoch_end  leaves the global random state alone",
            "hook.echokit_run_start  changes no file of the run",
        ],
    ),
    "text": ({"section": "return 'text'"}, ["hook.echokit_report_section  gives a section or None"]),
    "path": (
        {"section": "return Section('Where', str(run.path))"},
        ["hook.echokit_report_section  names no path and no patient"],
    ),
    "patient": (
        {"section": "return Section('Who', 'The worst is ' + run.predictions['patient_id'][0])"},
        ["hook.echokit_report_section  names no path and no patient"],
    ),
    "html": (
        {"section": "return Section('Table', '<table><tr><td>1</td></tr></table>')"},
        ["hook.echokit_report_section  its text becomes HTML"],
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BROKEN_HOOKS)
def test_hooks_are_called_with_a_real_run(name: str, tmp_path: Path) -> None:
    broken, expected = BROKEN_HOOKS[name]
    install(tmp_path / "site", "lab_bad", "")
    (tmp_path / "site" / "lab_bad" / "__init__.py").write_text(_filled(GOOD | broken))
    results, exit_code = check(tmp_path / "site")
    assert sorted(failures(results)) == expected, failures(results)
    assert exit_code == (2 if expected else 0)


def _filled(bodies: dict[str, Any]) -> str:
    code = HOOKS
    for name, body in bodies.items():
        code = code.replace("{" + name + "}", body)
    return code


def test_a_plugin_whose_checks_are_all_skipped_does_not_pass(tmp_path: Path) -> None:
    code = PLUGINS["cases"][0].replace("halb", "half").replace("Case()", "Case(needs=('no_such_library',))")
    install(tmp_path / "site", "lab_bad", code)
    (tmp_path / "site" / "lab_bad" / "mask.py").write_text(HALF)
    results, exit_code = check(tmp_path / "site")
    components = {row["outcome"] for row in results if row["component"].startswith("preprocessor.")}
    assert (components, failures(results), exit_code) == ({"skipped"}, {}, 2)


def test_a_plugin_of_one_file_is_checked_too(tmp_path: Path) -> None:
    file = tmp_path / "site" / "lab_bad.py"
    file.parent.mkdir()
    end = "        import os\n        os.abort()\n"
    register = "@hookimpl\ndef echokit_components(register):\n    register.mask('half', HalfMask, summary='x')\n"
    file.write_text(HEAD + HALF.replace("        return clip\n", end) + "\n" + register)
    results, exit_code = check(file.parent, "--plugin", str(file))
    assert exit_code == 2
    [(found, detail)] = failures(results).items()
    assert found == "preprocessor.half  takes every clip"
    assert "lab_bad.py:8: " in detail
    assert "SIGABRT" in detail
