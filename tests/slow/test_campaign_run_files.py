"""Damaged and exchanged files of a finished run: each is refused, computed again to the same bits, or named."""

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from echokit import load_run
from echokit.cli import exit_code
from echokit.errors import EchokitError
from tests.conftest import TINY
from tests.slow.campaign import Campaign

pytestmark = pytest.mark.slow

Damage = Callable[[Path], None]
RESULTS = ("predictions.csv", "metrics.json", "curves.json", "cohort.csv")
REWRITTEN = ("metrics.json", "plots/roc.png")
"""Of the files that every --resume writes again, those that it is tried with."""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory, phantom: Path) -> Path:
    path = tmp_path_factory.mktemp("campaign") / "tiny.yaml"
    text = TINY.format(root=phantom).replace("epochs: 2", "epochs: 1").replace("best_val_auroc", "last")
    path.write_text(text + "resample: {use: kfold, k: 2}\nreport: {page: false, cases: 0}\n")
    return path


@pytest.fixture(scope="module")
def runs(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run, and one of the same model with another seed."""
    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ECHOKIT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        for seed in (0, 1):
            out = recipe.parent / f"seed-{seed}"
            assert exit_code(["run", str(recipe), "--out", str(out), "--set", f"seed={seed}"]) == 0
            found.append(load_run(out / "tiny").path)
    return found[0], found[1]


def files_of(run: Path) -> list[str]:
    return sorted(
        str(path.relative_to(run)) for path in run.rglob("*") if path.is_file() and not path.name.startswith(".")
    )


def content_of(run: Path) -> dict[str, bytes]:
    return {name: (run / name).read_bytes() for name in files_of(run)}


def flip(name: str) -> Damage:
    """Flip one bit, at a place that follows from the name."""

    def damage(run: Path) -> None:
        content = bytearray((run / name).read_bytes())
        where = random.Random(name).randrange(len(content))
        content[where] ^= 1 << random.Random(name + "bit").randrange(7)
        (run / name).write_bytes(content)

    return damage


def another_digit(name: str) -> Damage:
    """Change one digit of a text, or of the facts inside a weight file: the file stays well formed."""

    def damage(run: Path) -> None:
        content = bytearray((run / name).read_bytes())
        digits = [place for place, byte in enumerate(content[:20_000]) if chr(byte).isdigit()]
        where = random.Random(name).choice(digits)
        content[where] = ord("0") + (content[where] - ord("0") + 1) % 10
        (run / name).write_bytes(content)

    return damage


def cut(name: str) -> Damage:
    def damage(run: Path) -> None:
        content = (run / name).read_bytes()
        (run / name).write_bytes(content[: len(content) // 2])

    return damage


def remove(name: str) -> Damage:
    return lambda run: (run / name).unlink()


def take(name: str, other: Path, *, source: str | None = None) -> Damage:
    """Put a file or a folder of another run, or another one of the same run, in its place."""

    def damage(run: Path) -> None:
        from_path = other / (source or name)
        if from_path.is_dir():
            shutil.rmtree(run / name)
            shutil.copytree(from_path, run / name)
        else:
            shutil.copy(from_path, run / name)

    return damage


def damages(run: Path, other: Path) -> Iterator[tuple[str, str, Damage]]:
    """Yield what is done, to which file, and a function that does it."""
    for name in files_of(run):
        yield "flip", name, flip(name)
        yield "cut", name, cut(name)
        yield "remove", name, remove(name)
        if not name.endswith((".png", "notes.json")):  # without digits
            yield "digit", name, another_digit(name)
        yield "other run", name, take(name, other)
        if "fold-1/" in name:
            yield "other fold", name, take(name, run, source=name.replace("fold-1", "fold-0"))
    for name in ("checkpoints/fold-1", "checkpoints/fold-1/best", "checkpoints"):
        yield "other run", name, take(name, other)
        if "fold" in name:
            yield "other fold", name, take(name, run, source=name.replace("fold-1", "fold-0"))
            yield "remove", name, lambda copy, name=name: shutil.rmtree(copy / name)


def outcome(arguments: list[str]) -> EchokitError | None:
    """Run a command: its error if it refuses, None if it succeeds; anything else is raised."""
    try:
        assert exit_code(["--debug", *arguments]) == 0
    except EchokitError as error:
        return error
    return None


def test_damaged_run_files(
    runs: tuple[Path, Path], recipe: Path, phantom: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run, other = runs
    video = str(next((phantom / "Videos").iterdir()))
    assert outcome(["predict", str(run), video, "--json"]) is None
    answer = capfd.readouterr().out
    whole = Path(shutil.copytree(run, tmp_path / "whole" / "tiny" / run.name))
    assert outcome(["report", str(whole)]) is None
    page = (whole / "report.html").read_bytes()
    campaign = Campaign("damaged run files")
    refused = again = named = 0
    for kind, name, damage in damages(run, other):
        copy = tmp_path / "runs" / "tiny" / run.name
        shutil.rmtree(copy.parent, ignore_errors=True)
        shutil.copytree(run, copy)
        damage(copy)
        if content_of(copy) == content_of(run):  # the same file in both runs or folds
            continue
        capfd.readouterr()
        with campaign.attempt(f"{kind} {name}: predict"):
            error = outcome(["predict", str(copy), video, "--json"])
            refused += error is not None
            assert error is not None or capfd.readouterr().out == answer
        with campaign.attempt(f"{kind} {name}: report"):
            error = outcome(["report", str(copy)])
            warned = Path(name).name in capfd.readouterr().err
            refused, named = refused + (error is not None), named + (error is None and warned)
            assert error is not None or warned or (copy / "report.html").read_bytes() == page
        if "checkpoints" in name or name in ("lock.yaml", "checksums.json", *REWRITTEN):
            with campaign.attempt(f"{kind} {name}: resume"):
                error = outcome(["run", str(recipe), "--out", str(tmp_path / "runs"), "--resume", str(copy)])
                refused, again = refused + (error is not None), again + (error is None)
                for result in RESULTS if error is None else ():
                    assert (copy / result).read_bytes() == (run / result).read_bytes(), result
    print(f"\n{refused} refused, {again} computed again to the same bits, {named} named by the report")
    campaign.finish(at_least=200)
