"""Every transfer syntax with every colour space, in files that another toolkit has encoded."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import gdcm
import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.pixels import apply_color_lut

from echokit.data.video.dicom import dicom_patient_id
from echokit.data.video.read import read_video
from tests.expect import refused

from .make import IDENTIFIER, blobs, write_dicom

CLIP = blobs(5, 46, 63)  # an odd width: frames that end within a word
COLOUR = np.stack([CLIP, CLIP // 2, 255 - CLIP], axis=-1)
LUMA = np.rint(COLOUR @ [0.299, 0.587, 0.114])
WIDE = CLIP.astype(np.uint16) * 16
KINDS: dict[str, tuple[Any, dict[str, Any], Any]] = {
    "MONOCHROME2": (CLIP, {"photometric": "MONOCHROME2"}, CLIP),
    "MONOCHROME1": (CLIP, {"photometric": "MONOCHROME1"}, 255 - CLIP),
    "RGB": (COLOUR, {"photometric": "RGB"}, LUMA),
    "YBR_FULL": (COLOUR, {"photometric": "YBR_FULL"}, CLIP),
    "12 bit": (WIDE, {"stored": 12}, CLIP),
}
SYNTAXES = [
    "ImplicitVRLittleEndian", "ExplicitVRLittleEndian", "ExplicitVRBigEndian", "DeflatedExplicitVRLittleEndian",
    "RLELossless", "JPEGBaselineProcess1", "JPEGExtendedProcess2_4", "JPEGLosslessProcess14",
    "JPEGLosslessProcess14_1", "JPEGLSLossless", "JPEGLSNearLossless", "JPEG2000Lossless", "JPEG2000",
]  # fmt: skip
# What pydicom calls them, where it differs.
KEYWORDS = {
    "JPEGBaselineProcess1": "JPEGBaseline8Bit", "JPEGExtendedProcess2_4": "JPEGExtended12Bit",
    "JPEGLosslessProcess14": "JPEGLossless", "JPEGLosslessProcess14_1": "JPEGLosslessSV1",
}  # fmt: skip


def transcode(source: Path, target: Path, syntax: str) -> Path:
    reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
    reader.SetFileName(str(source))
    assert reader.Read()
    change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, syntax)))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer.SetFileName(str(target))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    return target


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_every_syntax_with_every_colour_space(tmp_path: Path, syntax: str, kind: str) -> None:
    pixels, extra, expected = KINDS[kind]
    if kind == "12 bit" and syntax == "JPEGBaselineProcess1":
        pytest.skip("JPEG baseline has 8 bits")
    path = transcode(write_dicom(tmp_path / "a", pixels, **extra), tmp_path / "b", syntax)
    written = dcmread(path, stop_before_pixels=True).file_meta.TransferSyntaxUID
    assert written.keyword == KEYWORDS.get(syntax, syntax)
    if kind == "12 bit" and syntax == "JPEGExtendedProcess2_4":
        with refused("dicom.jpeg_12_bit"):
            read_video(path)
        return
    clip = read_video(path)
    assert clip.frames.shape == CLIP.shape
    assert np.abs(clip.frames - expected.astype(float)).max() <= 1
    assert clip.fps == 50
    assert not clip.damaged
    assert dicom_patient_id(path) == IDENTIFIER
    np.testing.assert_array_equal(read_video(path, frames=2).frames, clip.frames[:2])


@pytest.mark.parametrize("declared", ["1", None, "2"])
@pytest.mark.parametrize("syntax", SYNTAXES[4:])
def test_frames_are_counted_whatever_the_header_declares(tmp_path: Path, syntax: str, declared: str | None) -> None:
    source = write_dicom(tmp_path / "a", CLIP)
    header = dcmread(transcode(source, tmp_path / "b", syntax))
    whole = read_video(tmp_path / "b")
    assert not whole.damaged
    header.NumberOfFrames = declared
    header.save_as(tmp_path / "b")
    clip = read_video(tmp_path / "b")
    assert clip.damaged
    assert clip.notes[0] == f"header declares {declared or 1} frames, file holds 5: the rest is not read"
    np.testing.assert_array_equal(clip.frames, whole.frames[: len(clip)])


@pytest.mark.parametrize("name", [
    "gdcm-US-ALOKA-16_big.dcm", "gdcm-US-ALOKA-16.dcm", "OBXXXX1A_expb_2frame.dcm", "OBXXXX1A_rle_2frame.dcm",
    "SC_rgb_expb.dcm", "SC_rgb_small_odd_big_endian.dcm", "emri_small_big_endian.dcm", "image_dfl.dcm",
])  # fmt: skip
def test_real_files_of_the_rarer_kinds(name: str) -> None:
    path = get_testdata_file(name, download=False)
    if path is None:
        pytest.skip("pydicom-data is not installed")
    header = dcmread(path)
    clip = read_video(str(path))
    if name == "OBXXXX1A_expb_2frame.dcm":  # pydicom reads its big-endian palette with swapped bytes
        np.testing.assert_array_equal(clip.frames, read_video(str(get_testdata_file("OBXXXX1A_2frame.dcm"))).frames)
        return
    if name == "image_dfl.dcm":
        assert clip.frames.shape == (1, header.Rows, header.Columns)
        assert np.ptp(clip.frames) > 100
        return
    expected = header.pixel_array.astype(float)
    if header.PhotometricInterpretation == "PALETTE COLOR":
        expected = apply_color_lut(header.pixel_array, header).astype(float) / 257
    if header.BitsStored > 8 and header.SamplesPerPixel == 1 and "PALETTE" not in header.PhotometricInterpretation:
        expected = expected * 255 / (2**header.BitsStored - 1)
    if expected.shape[-1] in (3, 4):
        expected = expected[..., :3] @ [0.299, 0.587, 0.114]
    assert np.abs(clip.frames - expected.reshape(clip.frames.shape)).mean() < 0.7


@pytest.mark.parametrize("syntax", ["ExplicitVRLittleEndian", "DeflatedExplicitVRLittleEndian", "ExplicitVRBigEndian"])
def test_a_lost_tail_is_told_in_every_uncompressed_syntax(tmp_path: Path, syntax: str) -> None:
    noisy = np.random.default_rng(0).integers(0, 256, (5, 46, 62), np.uint8)
    path = transcode(write_dicom(tmp_path / "a", noisy), tmp_path / "b", syntax)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.7)])
    clip = read_video(path)
    assert 1 < len(clip) < 5
    assert clip.damaged
    assert f"header declares 5 frames, {len(clip)} decoded" in clip.notes
    np.testing.assert_array_equal(clip.frames, noisy[: len(clip)])


def coded(frame: np.ndarray, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "JPEG", quality=95, **options)
    return buffer.getvalue()


def without_marker(data: bytes, marker: bytes) -> bytes:
    start = data.index(marker)
    return data[:start] + data[start + 2 + int.from_bytes(data[start + 2 : start + 4]) :]


@pytest.mark.parametrize("said", ["RGB", "YBR_FULL_422", "YBR_FULL"])
@pytest.mark.parametrize("kind", ["jfif, subsampled", "jfif", "no marker, subsampled", "rgb"])
def test_a_jpeg_says_itself_what_its_components_are(tmp_path: Path, said: str, kind: str) -> None:
    """Headers say RGB of JPEGs in YCbCr, and the other way round; decoders of JPEG know better."""
    options: dict[str, Any] = {"subsampling": 1 if "subsampled" in kind else 0}
    if kind == "rgb":
        options["keep_rgb"] = True
    jpegs = [coded(frame, **options) for frame in COLOUR]
    if kind.startswith("no marker"):
        jpegs = [without_marker(data, b"\xff\xe0") for data in jpegs]
    path = write_dicom(tmp_path / "a", jpegs, shape=CLIP.shape, syntax="1.2.840.10008.1.2.4.50", photometric=said)
    assert np.abs(read_video(path).frames - LUMA).mean() < 1.5


def test_a_jpeg_that_says_nothing_is_what_the_header_says(tmp_path: Path) -> None:
    """Three components of full size, no marker: RGB if the header says so, else YCbCr."""
    jpegs = [coded(frame, subsampling=0) for frame in COLOUR]
    bare = [without_marker(data, b"\xff\xe0") for data in jpegs]
    extra: dict[str, Any] = {"shape": CLIP.shape, "syntax": "1.2.840.10008.1.2.4.50"}
    ybr = read_video(write_dicom(tmp_path / "a", bare, photometric="YBR_FULL", **extra))
    assert np.abs(ybr.frames - LUMA).mean() < 1.5
    stored = [np.asarray(Image.open(io.BytesIO(data)).convert("YCbCr")) for data in jpegs]
    rgb = read_video(write_dicom(tmp_path / "b", bare, photometric="RGB", **extra))
    assert np.abs(rgb.frames - np.stack(stored) @ [0.299, 0.587, 0.114]).mean() < 1.5
