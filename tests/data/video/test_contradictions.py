"""Files whose parts contradict each other: refused, or read with a note, never read wrong in silence."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread, dcmwrite
from pydicom.uid import ExplicitVRBigEndian

from echokit.data.video.read import read_video
from echokit.errors import VideoError
from tests.expect import refused

from .make import blobs, write_dicom
from .test_transfer_syntaxes import WIDE, transcode

CLIP = blobs(5, 48, 64)
LONG = blobs(40, 48, 64)
CODED = ["RLELossless", "JPEGLosslessProcess14_1", "JPEGLSLossless", "JPEG2000Lossless"]
BASELINE = "1.2.840.10008.1.2.4.50"


def changed(path: Path, **elements: Any) -> Path:
    """Change elements of a header and leave the pixels as they are."""
    data = dcmread(path)
    for keyword, value in elements.items():
        setattr(data, keyword, value)
    data.save_as(path)
    return path


def write_with_b_frames(path: Path) -> None:
    """Write H.264 as other programs do: times out of order, and an edit list that begins with the first one shown."""
    with av.open(path, "w") as container:
        stream: Any = container.add_stream("libx264", rate=50, options={"bf": "3"})
        stream.height, stream.width, stream.pix_fmt = *LONG.shape[1:], "yuv420p"
        for image in LONG:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "gray")))
        container.mux(stream.encode(None))


def first_count_zero(mp4: bytes) -> bytes:
    """Let the first entry of the time table (stts) stand for no frame."""
    place = mp4.index(b"stts") + 12
    return mp4[:place] + struct.pack(">L", 0) + mp4[place + 4 :]


def test_frames_that_the_time_table_hides_are_missed(tmp_path: Path) -> None:
    write_with_b_frames(tmp_path / "a.mp4")
    whole = read_video(tmp_path / "a.mp4")
    assert (len(whole), whole.notes, whole.damaged) == (len(LONG), (), False)
    (tmp_path / "b.mp4").write_bytes(first_count_zero((tmp_path / "a.mp4").read_bytes()))
    clip = read_video(tmp_path / "b.mp4")
    assert len(clip) < len(LONG)
    assert clip.damaged
    assert f"file holds {len(LONG)} frames, {len(clip)} decoded" in clip.notes
    assert len(read_video(tmp_path / "b.mp4", frames=len(clip))) == len(clip)


@pytest.mark.parametrize("syntax", CODED)
@pytest.mark.parametrize("elements", [{"Rows": 32}, {"Columns": 32}, {"Rows": 47}, {"Columns": 63}])
def test_an_image_larger_than_the_header_is_refused(tmp_path: Path, syntax: str, elements: dict[str, int]) -> None:
    path = transcode(write_dicom(tmp_path / "a.dcm", CLIP), tmp_path / "b.dcm", syntax)
    with refused("dicom.header_mismatch", "b.dcm", names=("none of the 5",)):
        read_video(changed(path, **elements))


@pytest.mark.parametrize("syntax", ["ImplicitVRLittleEndian", "ExplicitVRBigEndian", "DeflatedExplicitVRLittleEndian"])
@pytest.mark.parametrize("elements", [{"Rows": 47}, {"Columns": 63}])
def test_uncompressed_frames_larger_than_the_header_are_told(
    tmp_path: Path, syntax: str, elements: dict[str, int]
) -> None:
    path = transcode(write_dicom(tmp_path / "a.dcm", CLIP), tmp_path / "b.dcm", syntax)
    assert not read_video(path).damaged
    clip = read_video(changed(path, **elements))
    assert clip.damaged
    excess = CLIP.size - len(CLIP) * clip.frames[0].size
    assert clip.notes[0] == f"file holds {excess} bytes more than the frames of the header: its size may be wrong"


def test_a_component_that_the_header_does_not_have_is_refused(tmp_path: Path) -> None:
    """GDCM would end the process."""
    for syntax in CODED[1:]:
        path = transcode(write_dicom(tmp_path / "a.dcm", CLIP), tmp_path / "b.dcm", syntax)
        with pytest.raises(VideoError):
            read_video(changed(path, SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0))


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("size", [(47, 63), (48, 63), (48, 64)])
def test_rle_that_fits_is_read(tmp_path: Path, size: tuple[int, int], colour: bool) -> None:
    frames = blobs(5, *size)
    pixels = np.repeat(frames[..., None], 3, axis=-1) if colour else frames
    source = write_dicom(tmp_path / "a.dcm", pixels, photometric="RGB" if colour else "MONOCHROME2")
    clip = read_video(transcode(source, tmp_path / "b.dcm", "RLELossless"))
    assert np.abs(clip.frames.astype(int) - frames).max() <= 1
    assert not clip.damaged


@pytest.mark.parametrize("syntax", CODED[1:])
def test_an_image_of_fewer_bits_than_the_header_is_refused(tmp_path: Path, syntax: str) -> None:
    path = transcode(write_dicom(tmp_path / "a.dcm", CLIP), tmp_path / "b.dcm", syntax)
    with refused("dicom.header_mismatch", "b.dcm", names=("8 bits", "16")):
        read_video(changed(path, BitsAllocated=16, BitsStored=16, HighBit=15))


def test_a_baseline_jpeg_under_a_header_of_16_bits_is_refused(tmp_path: Path) -> None:
    jpegs = []
    for frame in CLIP:
        buffer = io.BytesIO()
        Image.fromarray(frame).save(buffer, "JPEG", quality=95)
        jpegs.append(buffer.getvalue())
    path = write_dicom(tmp_path / "a.dcm", jpegs, shape=CLIP.shape, syntax=BASELINE)
    assert np.abs(read_video(path).frames.astype(int) - CLIP).mean() < 1
    with refused("dicom.header_mismatch", "a.dcm", names=("8 bits", "16")):
        read_video(changed(path, BitsAllocated=16, BitsStored=16, HighBit=15))


@pytest.mark.parametrize("syntax", CODED)
def test_twelve_bits_in_sixteen_are_read(tmp_path: Path, syntax: str) -> None:
    path = transcode(write_dicom(tmp_path / "a.dcm", WIDE, stored=12), tmp_path / "b.dcm", syntax)
    clip = read_video(path)
    assert np.abs(clip.frames.astype(int) - WIDE // 16).max() <= 1
    assert not clip.damaged


def with_palette(path: Path, entry_bits: int, big_endian: bool) -> Path:
    """Write a clip of palette colours, each darker than its index."""
    write_dicom(path, CLIP, photometric="PALETTE COLOR")
    data = dcmread(path)
    table = (np.arange(256) * (257 if entry_bits == 16 else 1) * 0.75).astype(f"<u{entry_bits // 8}").tobytes()
    swapped = np.frombuffer(table, "<u2").astype(">u2").tobytes()
    for name in ("Red", "Green", "Blue"):
        data.add_new(f"{name}PaletteColorLookupTableDescriptor", "US", [256, 0, entry_bits])
        data.add_new(f"{name}PaletteColorLookupTableData", "OW", swapped if big_endian else table)
    if big_endian:
        data["PixelData"].VR = "OB"
        data.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
        dcmwrite(path, data, implicit_vr=False, little_endian=False, force_encoding=True)
    else:
        data.save_as(path)
    return path


@pytest.mark.parametrize("entry_bits", [8, 16])
def test_a_palette_reads_alike_in_both_byte_orders(tmp_path: Path, entry_bits: int) -> None:
    little = read_video(with_palette(tmp_path / "little.dcm", entry_bits, big_endian=False)).frames
    big = read_video(with_palette(tmp_path / "big.dcm", entry_bits, big_endian=True)).frames
    assert np.abs(little.astype(float) - CLIP * 0.75).max() <= 1
    np.testing.assert_array_equal(big, little)
