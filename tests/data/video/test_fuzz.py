"""Damaged files: an error for the user, or a clip that is whole, or one that says what is missing; never a crash."""

from __future__ import annotations

import random
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from echokit.data.video.clip import Clip
from echokit.data.video.read import read_video
from echokit.data.video.write import write_video

from .make import blobs, write_dicom
from .test_dicom import jpegs

FRAMES = blobs(8, 48, 64)
SECONDS = 240


def mutate(data: bytes, seed: int) -> bytes:
    """Damage a file in one of the ways that copying, transfer and malice do."""
    chance = random.Random(seed)
    changed = bytearray(data)
    kind = seed % 5
    start = chance.randrange(len(data))
    if kind == 0:
        return data[:start]
    if kind == 1:
        for _ in range(chance.randint(1, 30)):
            changed[chance.randrange(len(data))] = chance.randrange(256)
    elif kind == 2:
        # Four bytes of the header: counts, sizes, rates and lengths with extreme values.
        place = chance.randrange(min(len(data) - 4, 1200))
        changed[place : place + 4] = chance.choice([b"\xff\xff\xff\xff", b"\x00\x94\x35\x77", b"\0\0\0\0", b"\xff\x7f"])
    elif kind == 3:
        length = chance.randint(1, 400)
        changed[start : start + length] = chance.randbytes(length)
    else:
        del changed[start : start + chance.randint(1, 300)]
    return bytes(changed)


def write_sources(folder: Path) -> list[Path]:
    write_video(folder / "a.avi", FRAMES, 50)
    write_video(folder / "b.mp4", FRAMES, 50)
    write_dicom(folder / "c.dcm", FRAMES)
    coded = jpegs(np.repeat(FRAMES[..., None], 3, axis=3))
    write_dicom(
        folder / "d.dcm", coded, shape=FRAMES.shape, syntax="1.2.840.10008.1.2.4.50", photometric="YBR_FULL_422"
    )
    return [folder / name for name in ("a.avi", "b.mp4", "c.dcm", "d.dcm")]


# In a process of its own, with little memory: a crash of a decoder is then a failed test, and so is a forged size that
# somebody allocates for.
READ_ALL = """
    import pathlib, resource, sys
    from echokit.errors import VideoError
    from echokit.data.video.read import read_video
    import av, cv2, pydicom, numpy
    used = int(pathlib.Path("/proc/self/statm").read_text().split()[0]) * 4096 if sys.platform == "linux" else 0
    if used:
        resource.setrlimit(resource.RLIMIT_AS, (used + 2**31, used + 2**31))
    for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
        try:
            clip = read_video(path, max_bytes=2**28)
            print(path.name, len(clip), len(clip.notes), clip.frames.shape[1:] == (48, 64))
        except VideoError as error:
            assert error.where == path.name and sys.argv[1] not in str(error), error
            print(path.name, "refused")
"""


def read_mutants(source: Path, folder: Path, seeds: range, gdcm: bool) -> dict[str, list[str]]:
    folder.mkdir()
    data = source.read_bytes()
    for seed in seeds:
        (folder / f"{seed:04d}").write_bytes(mutate(data, seed))
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(READ_ALL), str(folder)],
        capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    # GDCM's JPEG decoder writes fixed sentences to the terminal itself; all other decoders are silent.
    assert done.stderr == "" or (gdcm and str(folder) not in done.stderr and "Traceback" not in done.stderr)
    return {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()}


def check(source: Path, folder: Path, seeds: range, *, gdcm: bool = False) -> None:
    whole: Clip = read_video(source)
    results = read_mutants(source, folder, seeds, gdcm)
    assert len(results) == len(seeds)
    refused = [name for name, words in results.items() if words == ["refused"]]
    assert len(refused) < len(seeds), "every mutant is refused: the test reaches no decoder"
    for name, words in results.items():
        if words != ["refused"] and int(words[0]) < len(whole):
            assert int(words[1]) > 0, f"mutant {name} lost frames without a note"


@pytest.mark.parametrize("index", range(4), ids=["avi", "mp4", "dicom", "dicom-jpeg"])
def test_damaged_files(tmp_path: Path, index: int) -> None:
    check(write_sources(tmp_path)[index], tmp_path / "mutants", range(40))


@pytest.mark.slow
@pytest.mark.parametrize(("index", "count"), [(0, 300), (1, 300), (2, 60), (3, 60)])
def test_many_damaged_files(tmp_path: Path, index: int, count: int) -> None:
    check(write_sources(tmp_path)[index], tmp_path / "mutants", range(1000, 1000 + count))


@pytest.mark.slow
@pytest.mark.parametrize("name", [
    "examples_jpeg2k.dcm", "SC_rgb_rle_2frame.dcm", "JPGLosslessP14SV1_1s_1f_8b.dcm", "SC_rgb_jls_lossy_sample.dcm",
    "SC_rgb_jpeg_dcmtk.dcm", "OBXXXX1A_rle_2frame.dcm", "image_dfl.dcm", "SC_rgb_expb.dcm", "gdcm-US-ALOKA-16.dcm",
])  # fmt: skip
def test_damaged_files_of_every_decoder(tmp_path: Path, name: str) -> None:
    from pydicom.data import get_testdata_file

    path = get_testdata_file(name, download=False)
    if path is None:
        pytest.skip("pydicom-data is not installed")
    check(Path(str(path)), tmp_path / "mutants", range(60), gdcm="JPGLossless" in name or "jls" in name)
