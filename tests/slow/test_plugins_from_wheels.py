"""As a new user: echokit and its plugins from built wheels, in an empty folder, and the tutorial word for word."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
PACKAGES = sorted(path.parent for path in (ROOT / "plugins").glob("*/pyproject.toml"))
TUTORIAL = ROOT / "docs" / "plugins" / "write-a-masking-plugin.md"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheels in it, laid over the libraries that are here."""
    wheels, venv = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("venv")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(wheels)]
    subprocess.run([*build, str(ROOT), *map(str, PACKAGES)], check=True)
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    (site,) = venv.glob("lib/python*/site-packages")
    below = [path for path in sys.path if path.endswith("site-packages")]
    (site / "libraries.pth").write_text("".join(path + "\n" for path in below))
    install = [str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-deps", "--ignore-installed"]
    subprocess.run([*install, *map(str, wheels.glob("*.whl"))], check=True)
    return venv


def run(command: str, environment: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    path = f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}"
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("ECHO", "PYTHON"))}
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env={**variables, "PATH": path, "OMP_NUM_THREADS": "1", "ECHOKIT_CACHE": str(folder / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_plugins_are_loaded_from_their_wheels(environment: Path, tmp_path: Path) -> None:
    where = run(
        "python -c 'import echokit, echokit_captum; print(echokit.__file__, echokit_captum.__file__)'",
        environment,
        tmp_path,
    )
    assert where.stdout.count(str(environment)) == 2, where.stdout + where.stderr
    listed = run("echokit plugin list", environment, tmp_path)
    for package in PACKAGES:
        assert re.search(rf"{package.name} [\d.]+  loaded", listed.stdout), listed.stdout + listed.stderr
    assert listed.stderr == ""


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_their_own_tests_pass(package: Path, environment: Path, tmp_path: Path) -> None:
    shutil.copytree(package / "tests", tmp_path / "tests")
    done = run("python -m pytest -q -p no:cacheprovider -c /dev/null --rootdir . tests", environment, tmp_path)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def steps(text: str) -> list[tuple[str, str, str]]:
    """What a page tells to do, in order: ("run", command, wanted output) and ("write", file, content)."""
    found: list[tuple[int, tuple[str, str, str]]] = []
    written = re.finditer(r"`([^`\n]+)` now reads:\n\n```python\n(.*?)```", text, re.S)
    found += [(match.start(), ("write", match[1], match[2])) for match in written]
    for match in re.finditer(r"```console\n(.*?)```", text, re.S):
        parts = (part.partition("\n") for part in re.split(r"^\$ ", match[1], flags=re.M)[1:])
        found += [(match.start(), ("run", command, wanted)) for command, _, wanted in parts]
    return [step for _, step in sorted(found, key=lambda entry: entry[0])]


def test_the_tutorial_word_for_word(environment: Path, tmp_path: Path) -> None:
    told = steps(TUTORIAL.read_text(encoding="utf-8"))
    assert len(told) >= 12
    for what, first, second in told:
        if what == "write":
            assert (tmp_path / first).is_file()
            (tmp_path / first).write_text(second, encoding="utf-8")
            continue
        done = run(first, environment, tmp_path)
        wrong = second.startswith("error:")
        assert done.returncode == (2 if wrong else 0), f"{first}\n{done.stdout}\n{done.stderr}"
        said = done.stderr if wrong else done.stdout
        # A progress line is printed on a slow machine only.
        pattern = re.escape(second.strip()).replace(re.escape("...\n"), "(?:.*\n)?").replace(re.escape("..."), ".*")
        assert re.fullmatch(pattern, said.strip(), re.S), f"{first}\nwanted:\n{second}\nsaid:\n{said}"
    kept = (
        "from echokit.data.clips.prepared_clips import PreparedClips; from pathlib import Path;"
        "paths = sorted(Path('cache/store').rglob('*.safetensors')); mask = PreparedClips(paths[:1]).mask(0);"
        "print(len(paths), mask.region.shape, 0.3 < mask.region.mean() < 1, mask.thumbnail.max() > 50)"
    )
    done = run(f'python -c "{kept}"', environment, tmp_path)
    assert re.fullmatch(r"24 \(112, 112\) True True", done.stdout.strip()), done.stdout + done.stderr
