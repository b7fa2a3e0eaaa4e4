from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pydicom.examples
import pytest
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file

from echokit.data.video.clip import Clip
from echokit.data.video.dicom import dicom_patient_id
from echokit.data.video.read import read_video
from echokit.errors import VideoError
from tests.expect import refused

from .make import BIRTH, IDENTIFIER, NAME, blobs, write_dicom

CLIP = blobs(6, 48, 64)
COLOUR = np.stack([CLIP, CLIP // 2, 255 - CLIP], axis=-1)
LUMA = np.rint(COLOUR @ [0.299, 0.587, 0.114])


def said(clip: Clip) -> str:
    return " ".join([clip.source, *clip.notes])


def jpegs(frames: np.ndarray) -> list[bytes]:
    coded = []
    for frame in frames:
        buffer = io.BytesIO()
        Image.fromarray(frame).save(buffer, "JPEG", quality=95, subsampling=1)
        coded.append(buffer.getvalue())
    return coded


def test_the_real_clip_of_pydicom() -> None:
    path = pydicom.examples.get_path("ybr_color")
    clip = read_video(path)
    assert clip.frames.shape == (30, 240, 320)
    assert clip.fps == pytest.approx(30, abs=0.01)
    assert clip.source == "DICOM 1.2.840.10008.1.2.4.50 JPEG Baseline (Process 1)"
    # Its region describes the clip before somebody shrank it: used, it would give a wrong spacing.
    assert clip.regions == ()
    assert clip.spacing is None
    assert clip.notes == ("an ultrasound region lies outside the 320x240 picture and is ignored",)
    luma = pydicom.pixels.pixel_array(path, raw=True)[..., 0]  # of another decoder, which may round another way
    assert np.abs(clip.frames.astype(int) - luma).max() <= 1


def test_the_real_clip_in_full() -> None:
    path = get_testdata_file("color3d_jpeg_baseline.dcm", download=False)
    if path is None:
        pytest.skip("pydicom-data is not installed")
    clip = read_video(str(path), frames=5)
    assert clip.frames.shape == (5, 480, 640)
    assert clip.notes == ()
    (region,) = clip.regions
    assert (region.x0, region.y0, region.x1, region.y1, region.data_type) == (84, 31, 596, 415, 1)
    assert clip.spacing == region.spacing == pytest.approx((0.5105, 0.5105), abs=1e-4)


@pytest.mark.parametrize("name", [
    "JPGLosslessP14SV1_1s_1f_8b.dcm", "examples_jpeg2k.dcm", "SC_rgb_rle_2frame.dcm", "SC_rgb_jls_lossy_sample.dcm",
    "SC_rgb_jpeg_dcmtk.dcm", "SC_rgb_jpeg_gdcm.dcm", "SC_ybr_full_422_uncompressed.dcm", "examples_palette.dcm",
    "SC_rgb_dcmtk_+eb+cr.dcm", "JPEGLSNearLossless_08.dcm", "SC_rgb_small_odd.dcm", "emri_small_jpeg_ls_lossless.dcm",
])  # fmt: skip
def test_every_transfer_syntax_and_colour_space_agrees_with_pydicom(name: str) -> None:
    path = get_testdata_file(name, download=False)
    if path is None:
        pytest.skip("pydicom-data is not installed")
    clip = read_video(str(path))
    header = dcmread(path, force=True)
    expected: Any = pydicom.pixels.pixel_array(header).astype(float)
    if header.PhotometricInterpretation == "PALETTE COLOR":
        expected = pydicom.pixels.apply_color_lut(header.pixel_array, header) / 257
    if header.PhotometricInterpretation == "MONOCHROME2" and header.BitsStored > 8:
        expected = expected * 255 / (2**header.BitsStored - 1)
    if expected.shape[-1] in (3, 4):
        expected = expected[..., :3] @ [0.299, 0.587, 0.114]
    # Turning saturated YBR into RGB clips, so that its luma differs from the one stored.
    assert np.abs(clip.frames - expected.reshape(clip.frames.shape)).mean() < 0.7


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1"])
@pytest.mark.parametrize(
    ("pixels", "photometric", "expected"),
    [
        (CLIP, "MONOCHROME2", CLIP),
        (CLIP, "MONOCHROME1", 255 - CLIP),
        (COLOUR, "RGB", LUMA),
        (COLOUR, "YBR_FULL", CLIP),
        (CLIP[:, :47, :63], "MONOCHROME2", CLIP[:, :47, :63]),
    ],
)
def test_uncompressed(tmp_path: Path, syntax: str, pixels: Any, photometric: str, expected: Any) -> None:
    path = write_dicom(tmp_path / "a", np.ascontiguousarray(pixels), syntax=syntax, photometric=photometric)
    clip = read_video(path)
    assert np.abs(clip.frames - expected.astype(float)).max() <= 1
    assert clip.fps == 50
    assert clip.notes == ()


@pytest.mark.parametrize(("stored", "signed"), [(12, False), (16, False), (16, True), (8, False)])
def test_more_than_8_bits_are_scaled_by_the_bits_stored(tmp_path: Path, stored: int, signed: bool) -> None:
    wide = np.rint(CLIP.astype(float) * (2**stored - 1) / 255).astype(np.int64) - (2 ** (stored - 1) if signed else 0)
    path = write_dicom(tmp_path / "a", wide.astype(np.int16 if signed else np.uint16), stored=stored)
    clip = read_video(path)
    np.testing.assert_array_equal(clip.frames, CLIP)
    assert (f"{stored}-bit pixels are scaled to 8 bits" in clip.notes) == (stored != 8)


def test_black_stays_black_in_ybr_422_jpeg(tmp_path: Path) -> None:
    grey = np.repeat(CLIP[..., None], 3, axis=3)
    grey[:, :16] = 0
    path = write_dicom(
        tmp_path / "a", jpegs(grey), shape=CLIP.shape, syntax="1.2.840.10008.1.2.4.50", photometric="YBR_FULL_422"
    )
    clip = read_video(path)
    assert clip.frames[:, :8].max() == 0
    assert np.abs(clip.frames - grey[..., 0].astype(float)).mean() < 1


@pytest.mark.parametrize(
    ("elements", "fps"),
    [
        ({"FrameTime": "25", "CineRate": "99"}, 40),
        ({"FrameTime": None, "RecommendedDisplayFrameRate": "33", "CineRate": "99"}, 33),
        ({"FrameTime": None, "CineRate": "99"}, 99),
        ({"FrameTime": "0", "CineRate": "60"}, 60),
        ({"FrameTime": None, "FrameTimeVector": [0, 10, 10, 10, 10, 10], "CineRate": "60"}, 100),
        ({"FrameTime": None, "FrameTimeVector": [0, 10, 10], "CineRate": "60"}, 60),
        ({"FrameTime": None}, None),
    ],
)
def test_the_frame_rate_and_its_order(tmp_path: Path, elements: dict[str, Any], fps: float | None) -> None:
    clip = read_video(write_dicom(tmp_path / "a", CLIP, **elements))
    assert clip.fps == (pytest.approx(fps) if fps else None)
    assert clip.times is None
    believed = elements.get("FrameTime") != "0" and len(elements.get("FrameTimeVector", CLIP)) == len(CLIP)
    assert bool(clip.notes) == (fps is None or not believed)


def test_uneven_frame_times(tmp_path: Path) -> None:
    clip = read_video(write_dicom(tmp_path / "a", CLIP, FrameTime=None, FrameTimeVector=[0, 10, 10, 30, 10, 20]))
    assert clip.times is not None
    np.testing.assert_allclose(clip.times, [0, 0.01, 0.02, 0.05, 0.06, 0.08])


def test_regions_and_spacing(tmp_path: Path) -> None:
    regions = []
    for kind, right, bottom, unit in ((1, 40, 30, 3), (2, 63, 47, 3), (1, 63, 47, 4), (1, 900, 30, 3)):
        item = Dataset()
        item.RegionDataType = kind
        item.RegionLocationMinX0, item.RegionLocationMinY0 = 2, 1
        item.RegionLocationMaxX1, item.RegionLocationMaxY1 = right, bottom
        item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = unit
        item.PhysicalDeltaX, item.PhysicalDeltaY = 0.03, -0.05
        regions.append(item)
    clip = read_video(write_dicom(tmp_path / "a", CLIP, SequenceOfUltrasoundRegions=regions))
    assert [(r.x0, r.y0, r.x1, r.y1, r.data_type) for r in clip.regions] == [
        (2, 1, 41, 31, 1), (2, 1, 64, 48, 2), (2, 1, 64, 48, 1),
    ]  # fmt: skip
    assert clip.spacing == pytest.approx((0.5, 0.3))
    assert clip.regions[2].spacing is None
    assert any("outside" in note for note in clip.notes)


def test_no_identifier_comes_back(tmp_path: Path) -> None:
    folder = tmp_path / NAME
    folder.mkdir()
    fine = write_dicom(folder / "a.dcm", CLIP, declared=9, FrameTime="0", ImageComments=NAME)
    spoken = [said(read_video(fine))]
    broken = [
        write_dicom(folder / "b.dcm", CLIP, declared=2_000_000_000),
        write_dicom(folder / "c.dcm", CLIP, photometric=NAME),
        write_dicom(folder / "d.dcm", [b"\0\0"], shape=(1, 48, 64), syntax="1.2.840.10008.1.2.4.100"),
    ]
    (folder / "e.dcm").write_bytes(fine.read_bytes()[:400])
    damaged = fine.read_bytes().replace(b"NumberOfFrames", b"").replace(b"9 ", NAME[:2].encode())
    (folder / "f.dcm").write_bytes(damaged)
    for path in [*broken, folder / "e.dcm", folder / "f.dcm"]:
        with pytest.raises(VideoError) as caught:
            read_video(path)
        spoken.append(str(caught.value))
        assert caught.value.where == path.name
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__ or caught.value.__context__ is None
    for text in spoken:
        for secret in (NAME, "Zebedee", IDENTIFIER, BIRTH, "20200229", str(tmp_path)):
            assert secret not in text
    assert dicom_patient_id(fine) == IDENTIFIER
    assert dicom_patient_id(write_dicom(folder / "g.dcm", CLIP, PatientID="")) is None
    (folder / "h.dcm").write_text("none")
    with refused("dicom.unreadable"):
        dicom_patient_id(folder / "h.dcm")


def test_an_unsupported_transfer_syntax_is_named(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a", [b"\0\0"], shape=(1, 48, 64), syntax="1.2.840.10008.1.2.4.100")
    with refused("dicom.transfer_syntax", names=("1.2.840.10008.1.2.4.100",)) as caught:
        read_video(path)
    assert "JPEG baseline" in str(caught.value)


def test_a_still_is_a_clip_of_one_frame(tmp_path: Path) -> None:
    clip = read_video(write_dicom(tmp_path / "a", CLIP[:1], NumberOfFrames=None, FrameTime=None))
    assert clip.frames.shape == (1, 48, 64)
    assert clip.notes == ()


def test_without_pixels(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a", CLIP)
    header = dcmread(path)
    del header.PixelData
    header.save_as(tmp_path / "b")
    del header.Rows
    header.save_as(tmp_path / "c")
    for name in ("b", "c"):
        with refused("dicom.no_pixels"):
            read_video(tmp_path / name)


@pytest.mark.parametrize("coded", [False, True])
def test_a_lost_tail_is_told(tmp_path: Path, coded: bool) -> None:
    grey = np.repeat(CLIP[..., None], 3, axis=3)
    extra = {"shape": CLIP.shape, "syntax": "1.2.840.10008.1.2.4.50", "photometric": "YBR_FULL_422"} if coded else {}
    path = write_dicom(tmp_path / "a", jpegs(grey) if coded else CLIP, **extra)
    whole = read_video(path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.7)])
    clip = read_video(path)
    assert 1 < len(clip) < 6
    assert clip.notes == (f"header declares 6 frames, {len(clip)} decoded",)
    np.testing.assert_array_equal(clip.frames, whole.frames[: len(clip)])
    assert read_video(path, frames=2).notes == ()


def test_a_corrupt_frame_is_left_out_and_told(tmp_path: Path) -> None:
    coded = jpegs(np.repeat(CLIP[..., None], 3, axis=3))
    coded[2] = b"\xff\xd8" + b"\0" * 500
    coded[4] = coded[4].replace(bytes([0, 48, 0, 64]), bytes([255, 200, 255, 200]))  # a forged size in the JPEG
    extra: dict[str, Any] = {"syntax": "1.2.840.10008.1.2.4.50", "photometric": "YBR_FULL_422"}
    clip = read_video(write_dicom(tmp_path / "a", coded, shape=CLIP.shape, **extra))
    assert clip.notes == ("left out because they are corrupt: 2 of 6 frames",)
    assert clip.times is not None
    np.testing.assert_allclose(clip.times, [0, 0.02, 0.06, 0.10])
    with refused("video.no_frames", names=("3",)):
        read_video(write_dicom(tmp_path / "b", [b"\xff\xd8" + b"\0" * 99] * 3, shape=(3, 48, 64), **extra))


def test_frames_in_several_fragments(tmp_path: Path) -> None:
    coded = jpegs(np.repeat(CLIP[..., None], 3, axis=3))
    path = write_dicom(
        tmp_path / "a", coded, shape=CLIP.shape, syntax="1.2.840.10008.1.2.4.50", photometric="YBR_FULL_422"
    )
    whole = read_video(path)
    header = dcmread(path)
    for table in (True, False):
        header.PixelData = pydicom.encaps.encapsulate(coded, fragments_per_frame=3, has_bot=table)
        header.save_as(tmp_path / "b")
        clip = read_video(tmp_path / "b")
        np.testing.assert_array_equal(clip.frames, whole.frames)
        assert clip.notes == ()
    for declared, words in ((1, "file holds 6: the rest is not read"), (12, "6 decoded"), (50, "6 decoded")):
        header.NumberOfFrames = declared
        header.save_as(tmp_path / "b")
        clip = read_video(tmp_path / "b")
        assert clip.damaged
        assert words in clip.notes[0]


def test_one_image_may_lie_in_several_fragments(tmp_path: Path) -> None:
    (coded,) = jpegs(np.repeat(CLIP[:1, ..., None], 3, axis=3))
    path = write_dicom(
        tmp_path / "a", [coded], shape=(1, 48, 64), syntax="1.2.840.10008.1.2.4.50", photometric="YBR_FULL_422"
    )
    whole, header = read_video(path), dcmread(path)
    for fragments in (2, 5):
        header.PixelData = pydicom.encaps.encapsulate([coded], fragments_per_frame=fragments)
        header.save_as(tmp_path / "b")
        clip = read_video(tmp_path / "b")
        np.testing.assert_array_equal(clip.frames, whole.frames)
        assert clip.notes == ()


def test_forged_header_is_refused_before_allocation(tmp_path: Path) -> None:
    with refused("dicom.frame_count", names=("2000000000", "6")):
        read_video(write_dicom(tmp_path / "a", CLIP, declared=2_000_000_000))
    for rows, columns, code in (
        (65535, 65535, "video.frame_too_large"),
        (4000, 4000, "dicom.frame_count"),
        (0, 64, "dicom.frame_count"),
    ):
        with refused(code):
            read_video(write_dicom(tmp_path / "b", CLIP, Rows=rows, Columns=columns))
    for max_bytes in (1000, 4 * 48 * 64):
        with refused("video.too_large"):
            read_video(write_dicom(tmp_path / "c", CLIP), max_bytes=max_bytes)


def test_more_frames_than_declared_are_told(tmp_path: Path) -> None:
    clip = read_video(write_dicom(tmp_path / "a", CLIP, declared=4))
    assert len(clip) == 4
    assert clip.notes == ("header declares 4 frames, file holds 6: the rest is not read",)


def test_ybr_422_that_is_not_subsampled(tmp_path: Path) -> None:
    # Files exist that say YBR_FULL_422 and hold all three samples of every pixel.
    clip = read_video(write_dicom(tmp_path / "a", COLOUR, photometric="YBR_FULL_422"))
    np.testing.assert_array_equal(clip.frames, CLIP)
