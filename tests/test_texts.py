"""The texts that users read most: errors, dry runs, answers. They are compared as a whole, and only here.

Every other test compares codes, places and values, so that a text can be improved in one place. After a change run
``python -m tests.test_texts`` and read the difference of ``snapshots/texts.txt``.
"""

import re
import shlex
import shutil
import sys
import tempfile
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from echokit.cli import exit_code
from tests.conftest import TINY

SNAPSHOT = Path(__file__).parent / "snapshots" / "texts.txt"
WRONG = """
name: wrong
data: {use: echonet_dynamik, root: hearts}
target: {from: ef, positive: reduced, bellow: 50}
preprocess: [{use: resize, size: big}, optical_flow, {use: trim, frames: 12}]
clip: {frames: 12}
model: {use: two_stream, backbone: {use: resnet19}}
train: {epochs: 0, batch_size: 4}
"""
COMMANDS = (
    "validate wrong.yaml",
    "validate missing.yaml",
    "validate tabs.yaml",
    "validate tiny.yaml --set train.epoch=3",
    "validate tiny.yaml --set model.weights='run:'",
    "run tiny.yaml --dry-run",
    "run tiny.yaml --dry-run --set data.root=nowhere",
    "run tiny.yaml --dry-run --set 'resample={use: holdout, val: 0.0}'",
    "run tiny.yaml --dry-run --set model.weights=run:ef_56",
    "run tiny.yaml --dry-run --set target.below=1",
    "run tiny.yaml --dry-run --set 'controls={covariates: {clinical: [agee]}}'",
    "run tiny.yaml --dry-run --fold 3",
    "run quickstat",
    "predict nothing hearts/Videos",
    "report nothing",
    "compare one two",
    "evaluate empty.csv",
    "evaluate scores.csv",
    "data check nowhere",
    "show resnet19",
    "mask hearts/Videos --out masked --method motion_mas",
)


def transcript(folder: Path) -> str:
    """Run every command in a folder with a few phantom hearts; the exit code and the text of each."""
    from echokit.phantom.write_echonet_dynamic import write_phantom

    write_phantom(folder / "hearts", cases=24, seed=3, ef="wide", frames=(20, 24), workers=1)
    (folder / "tiny.yaml").write_text(TINY.format(root="hearts"))
    (folder / "wrong.yaml").write_text(WRONG)
    (folder / "tabs.yaml").write_text("name: tabs\ndata:\n\tuse: phantom\n")
    (folder / "empty.csv").write_text("")
    (folder / "scores.csv").write_text("label,prob\n1,0.9\n0,0.2\n1,maybe\n")
    parts = []
    with chdir(folder):
        for command in COMMANDS:
            screen = StringIO()
            with redirect_stdout(screen), redirect_stderr(screen):
                code = exit_code(shlex.split(command))
            text = screen.getvalue().replace(str(folder), "FOLDER")
            parts.append(f"$ echokit {command}\n{text.rstrip()}\nexit code {code}\n")
    return re.sub(r"\b[0-9a-f]{12,}\b", "HASH", "\n".join(parts))


def test_the_most_read_texts_are_as_in_the_snapshot(tmp_path: Path) -> None:
    assert transcript(tmp_path) == SNAPSHOT.read_text(encoding="utf-8")


def test_no_text_has_a_traceback() -> None:
    assert "Traceback" not in SNAPSHOT.read_text(encoding="utf-8")


if __name__ == "__main__":
    place = Path(tempfile.mkdtemp())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ECHOKIT_CACHE", str(place / "cache"))
        patch.setenv("ECHOKIT_PLUGINS", "")
        SNAPSHOT.write_text(transcript(place), encoding="utf-8")
    shutil.rmtree(place)
    sys.exit(0)
