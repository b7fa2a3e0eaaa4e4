"""JPEG frames of a DICOM: every kind that is whole is read, and of damaged ones as many as can be are noticed."""

from __future__ import annotations

import io
import random
from pathlib import Path
from typing import Any

import numpy as np
import pydicom.examples
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.encaps import generate_frames

from echokit.data.video.read import read_video
from echokit.errors import VideoError

from .make import blobs, write_dicom

CLIP = blobs(3, 46, 63)
COLOUR = np.stack([CLIP, CLIP // 2, 255 - CLIP], axis=-1)
KINDS: dict[str, dict[str, Any]] = {
    "full": {"subsampling": 0}, "half": {"subsampling": 1}, "quarter": {"subsampling": 2},
    "411": {"subsampling": "4:1:1"}, "grey": {}, "progressive": {"progressive": True}, "optimized": {"optimize": True},
    "restarts": {"restart_marker_blocks": 2}, "rgb": {"keep_rgb": True}, "coarse": {"quality": 1},
    "comment": {"comment": b"CS=ITU601"}, "profile": {"icc_profile": bytes(70_000)}, "exif": {"exif": b"Exif\0\0none"},
}  # fmt: skip


def images(kind: str) -> tuple[list[bytes], np.ndarray]:
    """Code a clip; return also its luma as libjpeg decodes it."""
    coded, luma = [], []
    for frame in CLIP if kind == "grey" else COLOUR:
        buffer = io.BytesIO()
        Image.fromarray(frame).save(buffer, "JPEG", **{"quality": 90, **KINDS[kind]})
        coded.append(buffer.getvalue())
        image = Image.open(buffer)
        image.draft("L", image.size)
        luma.append(np.asarray(image))
    return coded, np.stack(luma)


def write(path: Path, coded: list[bytes], kind: str = "half") -> Path:
    photometric = "MONOCHROME2" if kind == "grey" else "YBR_FULL_422"
    return write_dicom(path, coded, shape=CLIP.shape, syntax="1.2.840.10008.1.2.4.50", photometric=photometric)


@pytest.mark.parametrize("behind", [b"", b"\0", b"\xff", bytes(300)], ids=["", "padded", "filled", "followed"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_whole_image_is_read_as_libjpeg_reads_it(tmp_path: Path, kind: str, behind: bytes) -> None:
    coded, luma = images(kind)
    clip = read_video(write(tmp_path / "a", [data + behind for data in coded], kind))
    assert clip.notes == ()
    assert np.abs(clip.frames.astype(int) - luma).max() <= 1


@pytest.mark.parametrize("lost", ["end", "scan", "tables", "half"])
def test_an_image_of_which_a_part_is_lost_is_left_out(tmp_path: Path, lost: str) -> None:
    coded, luma = images("half")
    whole = coded[1]
    scan, tables = whole.index(b"\xff\xda"), whole.index(b"\xff\xdb")
    coded[1] = {
        "end": whole[:-2],
        "scan": whole[:scan] + whole[scan + 14 :],
        "tables": whole[: tables + 50] + whole[tables + 90 :],
        "half": whole[: scan + (len(whole) - scan) // 2] + b"\xff\xd9",
    }[lost]
    clip = read_video(write(tmp_path / "a", coded))
    assert clip.damaged
    assert clip.notes == ("left out because they are corrupt: 1 of 3 frames",)
    assert np.abs(clip.frames.astype(int) - luma[[0, 2]]).max() <= 1


def test_overwritten_bytes_are_noticed_in_half_of_the_frames(tmp_path: Path) -> None:
    """In the others the codes still decode: to other pixels, and nothing tells. A decoder that patches shows all."""
    header = dcmread(pydicom.examples.get_path("ybr_color"))
    whole = list(generate_frames(header.PixelData, number_of_frames=30))
    told, seeds = 0, 60
    for seed in range(seeds):
        chance = random.Random(seed)
        data = bytearray(whole[seed % 30])
        for _ in range(3):
            data[chance.randrange(len(data))] = chance.randrange(256)
        path = write_dicom(
            tmp_path / "a", [bytes(data)], shape=(1, 240, 320), syntax=header.file_meta.TransferSyntaxUID,
            photometric="YBR_FULL_422",
        )  # fmt: skip
        try:
            told += read_video(path).damaged
        except VideoError:
            told += 1
    assert told > 0.4 * seeds
