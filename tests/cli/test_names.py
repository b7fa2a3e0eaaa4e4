"""File names that are not UTF-8 or contain terminal control codes: accepted, and escaped on screen."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pydicom.examples import get_path

from echokit import write_video
from echokit.cli import exit_code
from echokit.data.cohort.pseudonyms import case_ids
from echokit.system.hashing import cached_hashes, content_hash
from echokit.system.terminal_text import printable


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    """A DICOM file, a video and a broken video with Latin-1 file names, as old systems write them."""
    folder = tmp_path / os.fsdecode(b"J\xfcrgen")
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("the file system takes UTF-8 only")
    shutil.copy(get_path("ybr_color"), folder / os.fsdecode(b"M\xfcller.dcm"))
    write_video(tmp_path / "x.avi", np.random.default_rng(0).integers(0, 255, (8, 64, 64)).astype(np.uint8), 30)
    (tmp_path / "x.avi").rename(folder / os.fsdecode(b"M\xfcller.avi"))
    (folder / os.fsdecode(b"\xe4\x1b[31m.avi")).write_bytes(b"not a video")
    return folder


def test_files_with_latin_1_names_get_hashes_and_pseudonyms(studies: Path) -> None:
    files = sorted(studies.iterdir())
    assert cached_hashes(files) == [None] * 3
    assert [content_hash(file) for file in files] == cached_hashes(files)
    assert all(name.startswith("case-") for name in case_ids(files))


@pytest.mark.parametrize("options", [[], ["--audit"]])
def test_mask_accepts_files_with_latin_1_names(
    studies: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], options: list[str]
) -> None:
    assert exit_code(["mask", str(studies), "--out", str(tmp_path / "masked"), *options]) == 2
    output = capfd.readouterr()
    assert "1 clips" in output.err if options else "1 of 3" in output.err
    assert "\x1b" not in output.out + output.err


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_convert_accepts_such_files_and_any_output_encoding(studies: Path, tmp_path: Path, encoding: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "echokit", "data", "convert", studies, "--to", tmp_path / os.fsdecode(b"f\xfcr")],
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
    )
    assert done.returncode == 2
    assert rb"1 of 3 files" in done.stdout
    assert (rb"f\udcfcr" if encoding == "utf-8" else b"f?r") in done.stdout
    assert b"1 of 3 files" in done.stderr
    assert b"Traceback" not in done.stderr
    assert b"\x1b" not in done.stdout + done.stderr


def test_an_error_contains_no_terminal_control_codes(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "data"
    (root / "Videos").mkdir(parents=True)
    (root / "FileList.csv").write_text("FileName,\x1b[31mEF\x07,Split\na,1,TRAIN\n")
    assert exit_code(["data", "check", str(root)]) == 2
    errors = capfd.readouterr().err
    assert r"\x1b[31mEF\x07" in errors
    assert "\x1b" not in errors
    assert "\x07" not in errors


def test_printable_text_is_not_escaped() -> None:
    assert printable("Müller\n\t→ 中") == "Müller\n\t→ 中"
    assert printable("a\x9bb\ud800\x7f\r") == r"a\x9bb\ud800\x7f\r"
