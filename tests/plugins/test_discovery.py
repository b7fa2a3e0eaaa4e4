import subprocess
import sys
from pathlib import Path

import pytest

from echokit.plugins.discovery import discover
from echokit.system.hashing import package_hash

GOOD = """
from echokit import hookimpl

@hookimpl
def echokit_components(register):
    register.preprocessor("half_mask", "{name}.mask:HalfMask", mask=True, summary="half")
"""


def install(folder: Path, name: str, code: str) -> None:
    """Write an importable package with an entry point into a folder, as pip does."""
    package = folder / name
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(code.format(name=name))
    (package / "mask.py").write_text("class HalfMask:\n    '''Half.'''\n")
    info = folder / f"{name}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[echokit]\n{name} = {name}\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv("ECHOKIT_PLUGINS", raising=False)
    return tmp_path


def test_a_plugin_registers_through_its_entry_point(site: Path) -> None:
    install(site, "lab_good", GOOD)
    plugins = discover()
    component = plugins.registry.get("preprocessor", "half_mask")
    assert (component.plugin, component.mask) == ("lab_good", True)
    assert plugins.plugin("lab_good").version == "1.2"


def test_the_code_hash_covers_distribution_and_version(site: Path) -> None:
    install(site, "lab_good", GOOD)
    beside, info = site / "lab_geometry.py", site / "lab_good-1.2.dist-info"
    beside.write_text("HALF = 0.5\n")
    (info / "RECORD").write_text("lab_good/__init__.py,,\nlab_good/mask.py,,\nlab_geometry.py,,\n")
    component = discover().registry.get("preprocessor", "half_mask")

    def code() -> str:
        package_hash.cache_clear()
        return component.code_hash()

    first = code()
    assert code() == first
    beside.write_text("HALF = 0.4\n")
    second = code()
    metadata = (info / "METADATA").read_text()
    (info / "METADATA").write_text(metadata.replace("1.2", "1.3"))
    assert len({first, second, code()}) == 3


@pytest.mark.parametrize("attribute", ["hooks", "Hooks", "lab.hooks"])
def test_an_entry_point_may_name_an_object_in_a_module(site: Path, attribute: str) -> None:
    hooks = GOOD.replace("def echokit_components(register)", "def echokit_components(self, register)")
    head, _, body = hooks.partition("@hookimpl")
    method = f"@hookimpl{body}".replace("\n", "\n    ")
    code = f"{head}\nclass Hooks:\n    {method}\nhooks = Hooks()\nclass lab:\n    hooks = hooks\n"
    install(site, "lab_object", code)
    entry = site / "lab_object-1.2.dist-info" / "entry_points.txt"
    entry.write_text(f"[echokit]\nlab_object = lab_object:{attribute}\n")
    plugins = discover()
    assert plugins.plugin("lab_object").hooks == ("echokit_components",)
    assert plugins.registry.get("preprocessor", "lab_object:half_mask").mask


@pytest.mark.parametrize(("target", "missing"), [("lab_gone:hooks", "lab_gone"), ("lab_object:nothing", "nothing")])
def test_an_entry_point_that_names_nothing_is_skipped(site: Path, target: str, missing: str) -> None:
    install(site, "lab_object", "")
    (site / "lab_object-1.2.dist-info" / "entry_points.txt").write_text(f"[echokit]\nlab_object = {target}\n")
    assert missing in str(discover().plugin("lab_object").problem)


def test_a_mask_is_registered_as_one_and_a_class_by_its_module(site: Path) -> None:
    code = GOOD.replace('"{name}.mask:HalfMask", mask=True', "HalfMask").replace("preprocessor", "mask")
    install(site, "lab_class", f"from lab_class.mask import HalfMask\n{code}")
    component = discover().registry.get("preprocessor", "lab_class:half_mask")
    assert (component.mask, component.target) == (True, "lab_class.mask:HalfMask")


@pytest.mark.parametrize(
    ("name", "code", "cause"),
    [
        ("lab_syntax", "def broken(:\n", "SyntaxError"),
        ("lab_missing", "import no_such_library\n", "No module named 'no_such_library'"),
        ("lab_exit", "raise SystemExit(3)\n", "SystemExit"),
        (
            "lab_kind",
            "from echokit import hookimpl\n@hookimpl\ndef echokit_components(register):\n    register.nothing('x')\n",
            "AttributeError",
        ),
        (
            "lab_half",
            GOOD + "    raise ValueError('late')\n",
            "late",
        ),
        ("lab_interrupt", "raise KeyboardInterrupt\n", "KeyboardInterrupt"),
        ("lab_base", "class Odd(BaseException): pass\nraise Odd('odd')\n", "Odd: odd"),
        ("lab_mute", "class Mute(Exception):\n    def __str__(self): return 1 / 0\nraise Mute\n", "Mute"),
        ("lab_abort", "import os\nos.abort()\n", "SIGABRT"),
        ("lab_exit_0", "import os\nos._exit(0)\n", "exit code 0"),
        ("lab_colon", GOOD.replace("half_mask", "half:mask"), "'half:mask'"),
        ("lab_dots", GOOD.replace("half_mask", "../half_mask"), "'../half_mask'"),
        ("lab_line", GOOD.replace("half_mask", "half\\nmask"), "half\\nmask"),
        ("lab_long", GOOD.replace("half_mask", "half_mask" * 1000), "half_mask"),
        ("lab_none", GOOD.replace('"half_mask"', "None"), "None"),
        ("lab_target", GOOD.replace('"{name}.mask:HalfMask"', "7"), "7"),
        ("lab_summary", GOOD.replace('"half"', "object"), "summary"),
        (
            "lab_command",
            "from echokit import hookimpl\n@hookimpl\ndef echokit_commands():\n    return {{'a b': ('a:b', '')}}\n",
            "'a b'",
        ),
    ],
)
def test_a_broken_plugin_is_reported_and_skipped(site: Path, name: str, code: str, cause: str) -> None:
    install(site, name, code)
    plugins = discover()
    problem = plugins.plugin(name).problem
    assert problem is not None
    assert cause in problem
    assert "\n" not in problem
    assert len(problem) < 400
    assert "half_mask" not in plugins.registry.names("preprocessor")
    assert "motion_mask" in plugins.registry.names("preprocessor")


def test_a_blocked_plugin_is_never_imported(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(site, "lab_blocked", "raise RuntimeError('imported')\n")
    monkeypatch.setenv("ECHOKIT_PLUGINS", "lab_other")
    plugins = discover()
    assert [plugin.name for plugin in plugins.plugins if not plugin.blocked] == ["echokit"]
    assert plugins.plugin("lab_blocked").problem is None
    assert plugins.unknown == ("lab_other",)
    [warning] = plugins.warnings()
    assert "'lab_other'" in warning


def test_a_bare_name_means_the_built_in_component(site: Path) -> None:
    install(site, "lab_clash", GOOD.replace("half_mask", "motion_mask"))
    plugins = discover()
    assert {"motion_mask", "lab_clash:motion_mask"} <= set(plugins.registry.names("preprocessor"))
    assert plugins.registry.get("preprocessor", "motion_mask").plugin == "echokit"
    assert plugins.registry.get("preprocessor", "lab_clash:motion_mask").plugin == "lab_clash"


def test_what_a_plugin_prints_at_import_goes_to_stderr(site: Path, capfd: pytest.CaptureFixture[str]) -> None:
    noise = "import os, sys\nprint('one')\nos.write(1, b'two')\nos.system('echo three')\n"
    install(site, "lab_noise", noise + GOOD)
    (site / "lab_noise" / "mask.py").write_text("print('four')\nclass HalfMask: ...\n")
    discover().registry.get("preprocessor", "half_mask").load()
    print("ours")
    output, errors = capfd.readouterr()
    assert output == "ours\n"
    assert [errors.count(word) for word in ("one", "two", "three", "four")] == [1, 1, 1, 1]


def test_a_plugin_name_that_is_no_word_is_skipped(site: Path) -> None:
    install(site, "lab_named", GOOD)
    (site / "lab_named-1.2.dist-info" / "entry_points.txt").write_text("[echokit]\nlab:named = lab_named\n")
    assert "'lab:named'" in str(discover().plugin("lab:named").problem)


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["explain", "ef_112"], ["show", "resnet18"], ["schema"]])
def test_light_commands_import_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from echokit.cli import exit_code; code = exit_code(sys.argv[1:]);"
        "names = 'torch cv2 sklearn pandas matplotlib timm torchvision av scipy'.split();"
        "heavy = set(names) & set(sys.modules);"
        "print(heavy or '', file=sys.stderr); sys.exit(code or (9 if heavy else 0))"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
