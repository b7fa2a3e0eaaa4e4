"""One cache folder for each user, wherever a command is started."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from echokit.cli import exit_code
from echokit.system.cache_folder import cache_folder_path

ROOT = Path(__file__).parents[2]
SHOW = """
from echokit.data.cohort.pseudonyms import pseudonym
from echokit.cli import exit_code
from echokit.system.cache_folder import cache_folder_path
print(cache_folder_path(), pseudonym("patient", "12345"))
"""


def shown(cwd: Path, home: Path, **variables: str) -> tuple[Path, str]:
    """The cache folder and the pseudonym of one patient, of a process that is started in a folder."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ECHOKIT_", "XDG_"))}
    environment |= {"HOME": str(home), "PYTHONPATH": str(ROOT), **variables}
    done = subprocess.run(
        [sys.executable, "-c", SHOW], cwd=cwd, env=environment, capture_output=True, text=True, check=True
    )
    folder, name = done.stdout.split()
    return Path(folder), name


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path, Path]:
    folders = tuple(tmp_path / name for name in ("home", "one", "two"))
    for folder in folders:
        folder.mkdir()
    return folders[0], folders[1], folders[2]


def test_a_patient_keeps_its_pseudonym_in_another_folder(places: tuple[Path, Path, Path]) -> None:
    home, one, two = places
    first, second = shown(one, home), shown(two, home)
    assert first == second
    assert first[0].is_absolute()
    assert home in first[0].parents
    assert first[0].stat().st_mode & 0o077 == 0
    assert not list(one.iterdir())
    assert shown(one, two)[1] != first[1]  # another user


def test_the_variable_names_another_folder(places: tuple[Path, Path, Path]) -> None:
    home, one, two = places
    assert shown(one, home, ECHOKIT_CACHE=str(two / "cache"))[0] == two / "cache"
    assert shown(one, home, ECHOKIT_CACHE="~/mine")[0] == home / "mine"
    assert shown(one, home, ECHOKIT_CACHE="relative")[0] == one / "relative"
    assert shown(one, home, ECHOKIT_CACHE="")[0] == shown(two, home)[0]


def test_the_screen_names_the_cache_folder(tiny: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "echokit", "data", "prepare", str(tiny)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert str(cache_folder_path()) in done.stderr


def test_a_cache_folder_that_cannot_be_made_names_the_variable(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ECHOKIT_CACHE", str(tmp_path / "file" / "cache"))
    assert exit_code(["data", "prepare", str(tiny)]) == 2
    said = capfd.readouterr().err
    assert str(tmp_path / "file") in said
    assert "ECHOKIT_CACHE" in said
