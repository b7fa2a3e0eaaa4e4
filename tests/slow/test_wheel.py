"""The built wheel and source distribution, used outside of the repository."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(command, check=True)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_the_recipes_and_no_test(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "echokit/recipes/ef_112.yaml" in names
    assert "echokit/recipes/base/ef.yaml" in names
    assert "echokit/suites/stage1.yaml" in names
    assert "echokit/results/page/page.html" in names
    assert not [name for name in names if name.startswith("tests/")]


def test_the_wheel_runs_a_shipped_recipe_by_name_in_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)]
    subprocess.run(command, check=True)
    empty = tmp_path / "empty"
    empty.mkdir()
    code = f"import sys; sys.path.insert(0, {str(site)!r}); import echokit; assert {str(site)!r} in echokit.__file__;"
    code += "from echokit.cli import main; main()"
    shrink = ["data.cases=12", "train.epochs=1", "model.backbone={use: resnet18, width: 4}"]
    arguments = [word for text in shrink for word in ("--set", text)]
    done = subprocess.run(
        [sys.executable, "-c", code, "run", "quickstart", *arguments],
        cwd=empty,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (empty / "runs" / "quickstart" / "latest" / "summary.md").is_file()
    assert "Is the model any good?" in (empty / "runs" / "quickstart" / "latest" / "report.html").read_text()


def test_the_source_distribution_makes_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "build", "--sdist", "--outdir", str(tmp_path), str(ROOT)], check=True)
    (source,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "CITATION.cff", "Makefile", "constraints.txt", "mkdocs.yml", "recipes/ef_112.yaml"} <= names
    assert {"tests/conftest.py", "docs/index.md", "plugins/echokit-captum/pyproject.toml"} <= names
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(source)]
    subprocess.run(command, check=True)
    (again,) = tmp_path.glob("*.whl")
    assert sorted(zipfile.ZipFile(again).namelist()) == sorted(zipfile.ZipFile(wheel).namelist())


def test_the_image_copies_all_that_the_wheel_needs(wheel: Path, tmp_path: Path) -> None:
    """The files that the Dockerfile copies, and no other, make the same wheel."""
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    for line in lines:
        if line.startswith("COPY "):
            *sources, target = line.split()[1:]
            for source in sources:
                if (ROOT / source).is_dir():
                    shutil.copytree(ROOT / source, tmp_path / target)
                else:
                    shutil.copy(ROOT / source, tmp_path / target)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path / "made"), "."]
    subprocess.run(command, cwd=tmp_path, check=True)
    (again,) = (tmp_path / "made").glob("*.whl")
    assert sorted(zipfile.ZipFile(again).namelist()) == sorted(zipfile.ZipFile(wheel).namelist())
    assert 'CMD ["run", "ef_112"]' in lines
