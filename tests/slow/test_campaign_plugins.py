"""Hostile plugins: each costs one line with its name, and never a command that does not need it."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.cli.test_broken_plugins import CLASS, MASK, echokit
from tests.plugins.test_discovery import install
from tests.slow.campaign import Campaign

pytestmark = pytest.mark.slow

AT_IMPORT = {
    "raises": "raise ValueError('no')",
    "raises_without_text": "class Mute(Exception):\n    def __str__(self): return 1 / 0\nraise Mute",
    "raises_much": "raise ValueError('no ' * 1000000)",
    "raises_lines": "raise ValueError('a\\nerror: b\\x1b[2Jc')",
    "exits_0": "raise SystemExit(0)",
    "exits_text": "import sys\nsys.exit('bye')",
    "interrupts": "raise KeyboardInterrupt",
    "base": "class Odd(BaseException): pass\nraise Odd",
    "generator": "raise GeneratorExit",
    "memory": "raise MemoryError",
    "recursion": "def f(): f()\nf()",
    "ends": "import os\nos._exit(0)",
    "ends_3": "import os\nos._exit(3)",
    "aborts": "import os\nos.abort()",
    "kills": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
    "segfault": "import ctypes\nctypes.string_at(0)",
    "syntax": "def broken(:",
    "no_module": "import no_such_library",
    "unknown_hook": "from echokit import hookimpl\n@hookimpl\ndef echokit_nothing(): ...",
    "unknown_argument": "from echokit import hookimpl\n@hookimpl\ndef echokit_components(registry): ...",
}
NAMES = (
    "'half:mask'",
    "''",
    "'a b'",
    "'../x'",
    "'x\\n'",
    "'x\\0'",
    "'\\u202ex'",
    "'x' * 100000",
    "None",
    "7",
    "['x']",
    "object()",
    "'lab:x'",
)
COMMANDS = (
    "7",
    "{'a b': ('a:b', '')}",
    "{'x': 'a:b'}",
    "{'x': ('a', '')}",
    "{3: ('a:b', '')}",
    "{'x': ('a:b', 7)}",
)
REGISTRATIONS = ("None", "7", "'no_colon'", "'a:b:c'", "''", "b'a:b'")
HEAD = "from echokit import hookimpl\n@hookimpl\n"


def plugins() -> dict[str, str]:
    """Code of a package by the name of the plugin; each must be skipped with one line."""
    found = dict(AT_IMPORT)
    components = HEAD + "def echokit_components(register):\n    register.preprocessor({}, {}, summary={})\n"
    for number, name in enumerate(NAMES):
        found[f"name_{number}"] = components.format(name, "'a:b'", "''")
    for number, target in enumerate(REGISTRATIONS):
        found[f"target_{number}"] = components.format("'x'", target, "''")
    found["summary"] = components.format("'x'", "'a:b'", "7")
    for number, commands in enumerate(COMMANDS):
        found[f"command_{number}"] = HEAD + f"def echokit_commands():\n    return {commands}\n"
    for name in ("exits_0", "ends", "interrupts", "raises"):
        code = AT_IMPORT[name].replace("\n", "; ")
        found[f"registering_{name}"] = HEAD + f"def echokit_components(register):\n    {code}\n"
    return found


def escaped(code: str) -> str:
    """`install` formats the code with the name of the plugin."""
    return code.replace("{", "{{").replace("}", "}}")


def good(done: subprocess.CompletedProcess[str]) -> None:
    """Check that a command did its work without a traceback."""
    assert done.returncode == 0, done.stderr[-500:]
    assert "Traceback" not in done.stderr


def test_plugins_that_cannot_be_loaded(tmp_path: Path) -> None:
    campaign = Campaign("hostile plugins, at import and registration")
    site, cache = tmp_path / "site", tmp_path / "cache"
    hostile = {f"lab_{name}": code for name, code in plugins().items()}
    for name, code in hostile.items():
        install(site, name, escaped(code + "\n"))
    for arguments in (["list", "--json"], ["--help"], ["validate", "quickstart"], ["plugin", "list", "--json"]):
        done = echokit(*arguments, site=site, cache=cache)
        lines = done.stderr.splitlines()
        for name in hostile:
            with campaign.attempt(f"{' '.join(arguments)}, {name}"):
                assert [f"skipped plugin {name} " in line for line in lines].count(True) == 1
                assert all(len(line) < 1000 for line in lines)
        with campaign.attempt(" ".join(arguments)):
            good(done)
            assert len(lines) == len(hostile), done.stderr
            if "--json" in arguments:
                json.loads(done.stdout)
    campaign.finish(at_least=200)


WORK = {
    "raises": "raise ValueError('no')",
    "exits": "raise SystemExit(0)",
    "base": "raise GeneratorExit",
    "wrong": "return 7",
    "none": "return None",
    "prints": "print('noise'); raise ValueError('no')",
    "ends": "import os; os._exit(0)",
    "aborts": "import os; os.abort()",
    "segfault": "import ctypes; ctypes.string_at(0)",
}


def test_components_that_fail_at_work(tiny: Path, tmp_path: Path) -> None:
    campaign = Campaign("hostile components, in a check and in a recipe")
    for name, code in WORK.items():
        for place, method in (("call", "__call__(self, clip)"), ("build", "__init__(self)"), ("class", None)):
            body = code.replace("return", "raise TypeError # ") if place == "class" else code
            mask = CLASS + (f"    def {method}:\n        {body}\n" if method else f"    {body}\n")
            site, cache = tmp_path / f"{name}_{place}", tmp_path / "cache"
            install(site, "lab_bad", MASK)
            (site / "lab_bad" / "mask.py").write_text(mask)
            with campaign.attempt(f"plugin check, {name} in {place}"):
                done = echokit("plugin", "check", "lab_bad", "--json", site=site, cache=cache)
                assert done.returncode == 2
                results = json.loads(done.stdout)
                assert any(result["outcome"] == "failed" for result in results)
                assert "Traceback" not in done.stderr
            if name in ("ends", "aborts", "segfault"):
                continue
            recipe = tmp_path / "uses.yaml"
            recipe.write_text(tiny.read_text().replace("[{use: trim", "[lab_bad_mask, {use: trim"))
            with campaign.attempt(f"data prepare, {name} in {place}"):
                done = echokit("data", "prepare", str(recipe), site=site, cache=cache)
                assert done.returncode == 2
                assert "'lab_bad'" in done.stderr
                assert "Traceback" not in done.stderr
    campaign.finish(at_least=40)


def test_plugins_with_the_names_of_built_in_components(tiny: Path, tmp_path: Path) -> None:
    campaign = Campaign("plugins with built-in names")
    site, cache = tmp_path / "site", tmp_path / "cache"
    rows = json.loads(echokit("list", "--json", site=tmp_path, cache=cache, ECHOKIT_PLUGINS="").stdout)
    magic = {"reader": ", magic={{0: b'LAB'}}"}  # `install` formats the code
    lines = "".join(
        f"    register.{row['kind']}('{row['name']}', 'lab_all.mask:Half', summary='x'{magic.get(row['kind'], '')})\n"
        for row in rows
    )
    install(site, "lab_all", HEAD + "def echokit_components(register):\n" + lines)
    done = echokit("list", "--json", site=site, cache=cache, ECHOKIT_PLUGINS="lab_all")
    listed = {(row["kind"], row["name"]) for row in json.loads(done.stdout)}
    with campaign.attempt("one line"):
        assert len(done.stderr.splitlines()) == 1
    for row in rows:
        with campaign.attempt(f"{row['kind']} {row['name']}"):
            assert (row["kind"], row["name"]) in listed
            assert (row["kind"], f"lab_all:{row['name']}") in listed
    with campaign.attempt("the same recipe"):
        with_plugin, without = (
            echokit("explain", str(tiny), "--json", site=site, cache=cache, ECHOKIT_PLUGINS=names).stdout
            for names in ("lab_all", "")
        )
        assert with_plugin == without != ""
    campaign.finish(at_least=70)
