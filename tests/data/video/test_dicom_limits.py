"""Files that declare far more than they hold: refused, and nothing is allocated by what they say."""

from __future__ import annotations

import contextlib
import struct
import subprocess
import sys
import textwrap
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from echokit.data.video.dicom import MAX_FRAMES
from echokit.data.video.dicom_pixels import FrameDecoder
from echokit.data.video.read import read_video
from echokit.errors import VideoError
from tests.expect import refused

from .make import blobs, write_dicom
from .test_transfer_syntaxes import coded

CLIP = blobs(6, 48, 64)
GREY = np.repeat(CLIP[..., None], 3, axis=3)
JPEG, RLE, J2K = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.90"
MORE = 512 * 2**20

# The limit holds for the whole address space, so that what is allocated and never touched counts too.
READ = """
    import resource, sys
    from pathlib import Path
    from echokit.errors import VideoError
    from echokit.data.video.read import read_video
    import gdcm, numpy, openjpeg, pydicom, rle
    from PIL import Image
    from pydicom.pixels.decoders import base
    from echokit.data.video.dicom_pixels import FrameDecoder
    read_video(sys.argv[2])  # all that is imported on the way is imported now
    used = int(Path("/proc/self/statm").read_text().split()[0]) * 4096
    resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[3]),) * 2)
    for path in sorted(Path(sys.argv[1]).iterdir()):
        try:
            print(path.name, "read", read_video(path).frames.shape)
        except VideoError as error:
            print(path.name, "refused:", error.message)
"""


def deflated(path: Path, source: Path, extra: int) -> Path:
    """Deflate a file's data set, and let ``extra`` zeros follow."""
    data = source.read_bytes()
    (length,) = struct.unpack("<L", data[140:144])
    start = 144 + length
    meta = data[132:start].replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99")
    meta = meta.replace(
        struct.pack("<H", 20) + b"1.2.840.10008.1.2.1.99", struct.pack("<H", 22) + b"1.2.840.10008.1.2.1.99"
    )
    meta = meta[:8] + struct.pack("<L", len(meta) - 12) + meta[12:]
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    parts = [squeeze.compress(data[start:])]
    parts += [squeeze.compress(bytes(2**20)) for _ in range(extra >> 20)]
    path.write_bytes(data[:132] + meta + b"".join(parts) + squeeze.flush())
    return path


def j2k_image(size: int, components: int) -> bytes:
    """A JPEG 2000 image that is complete, empty, and of as many components as are asked for."""
    sizes = struct.pack(">H8LH", 0, size, size, 0, 0, size, size, 0, 0, components) + b"\x07\x01\x01" * components
    coding = struct.pack(">BBHBBBBBB", 0, 0, 1, 0, 0, 4, 4, 0, 1)
    tile = b"\xff\x90" + struct.pack(">HHLBB", 10, 0, 24, 0, 1) + b"\xff\x93" + b"\x80" * 10 + b"\xff\xd9"
    segments = ((b"\x51", sizes), (b"\x52", coding), (b"\x5c", b"\x40\x40"))
    head = b"".join(b"\xff" + kind + struct.pack(">H", 2 + len(body)) + body for kind, body in segments)
    return b"\xff\x4f" + head + tile


def forge(folder: Path) -> Path:
    """Write the files that lie, one of a kind."""
    folder.mkdir()

    def encoded(name: str, syntax: str, frames: list[bytes], shape: tuple[int, int, int], **more: Any) -> None:
        write_dicom(folder / name, frames, shape=shape, syntax=syntax, **more)

    two_billion = {"declared": 2_000_000_000}
    write_dicom(folder / "uncompressed", CLIP, **two_billion)
    jpegs = [coded(frame) for frame in GREY]
    encoded("jpeg", JPEG, jpegs, CLIP.shape, photometric="YBR_FULL_422", **two_billion)
    encoded("rle", RLE, [bytes(64)] * 6, (6, 48, 64), **two_billion)
    # One frame of four gigabytes, declared by the header and by the image itself.
    large = [data.replace(struct.pack(">2H", 48, 64), struct.pack(">2H", 65500, 65500)) for data in jpegs]
    encoded("jpeg-size", JPEG, large, (6, 65500, 65500), photometric="YBR_FULL_422")
    encoded("rle-size", RLE, [struct.pack("<16L", 1, 64, *[0] * 14) + b"\x81\0" * 9], (1, 65500, 65500))
    j2k = (
        b"\xff\x4f\xff\x51" + struct.pack(">2H8LH", 41, 0, 65500, 65500, 0, 0, 65500, 65500, 0, 0, 1) + b"\x07\x01\x01"
    )
    encoded("j2k-size", J2K, [j2k + b"\xff\xd9"], (1, 65500, 65500))
    encoded("j2k-components", J2K, [j2k_image(4000, 400)], (1, 4000, 4000), photometric="RGB")
    small = write_dicom(folder / "whole", CLIP)
    deflated(folder / "deflated-frames", write_dicom(folder / "w", CLIP, **two_billion), 0)
    # A thousand times as much behind the pixels, and a header that never comes to them.
    deflated(folder / "deflated-tail", small, 2**30)
    header = small.read_bytes()
    endless = header.replace(
        b"\x28\x00\x02\x00US", b"\x20\x00\x00\x40UT\0\0" + struct.pack("<L", 2**30) + b"\x28\0\2\0US", 1
    )
    assert endless != header
    (folder / "w").write_bytes(endless)
    deflated(folder / "deflated-header", folder / "w", 2**30)
    (folder / "w").unlink()
    # Eight million empty fragments.
    data = write_dicom(folder / "fragments", jpegs, shape=CLIP.shape, syntax=JPEG, photometric="YBR_FULL_422")
    content = data.read_bytes()
    at = content.index(b"\xfe\xff\x00\xe0")
    data.write_bytes(content[:at] + b"\xfe\xff\x00\xe0\0\0\0\0" * 8_000_000)
    return folder


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space as Linux does")
def test_forged_files_are_refused_at_little_memory(tmp_path: Path) -> None:
    folder, whole = forge(tmp_path / "forged"), write_dicom(tmp_path / "whole", CLIP)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(READ), str(folder), str(whole), str(MORE)],
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    said = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert said.pop("whole").startswith("read")
    assert said.pop("deflated-tail") == "read (6, 48, 64)"
    assert len(said) == 10
    assert all(text.startswith("refused:") for text in said.values()), said
    assert not any("memory" in text for text in said.values()), said
    assert "2000000000" in said["uncompressed"]
    assert "2000000000" in said["deflated-frames"]


@pytest.mark.parametrize("squeezed", [True, False])
def test_more_frames_than_a_clip_has_are_refused_however_small(tmp_path: Path, squeezed: bool) -> None:
    """A deflated file of two megabytes could hold two thousand million frames of one pixel."""
    path = write_dicom(tmp_path / "whole", np.zeros((MAX_FRAMES + 1, 1, 1), np.uint8))
    if squeezed:
        path = deflated(tmp_path / "deflated", path, 0)
    with refused("dicom.too_many_frames"):
        read_video(path)
    with refused("dicom.too_many_frames"):
        read_video(path, frames=2)


def test_more_frames_than_declared_are_told_in_a_deflated_file(tmp_path: Path) -> None:
    for declared, notes in ((4, ("header declares 4 frames, file holds more: the rest is not read",)), (6, ())):
        path = deflated(tmp_path / "a", write_dicom(tmp_path / "w", CLIP, declared=declared), 2**20)
        clip = read_video(path)
        np.testing.assert_array_equal(clip.frames, CLIP[:declared])
        assert clip.notes == notes
        assert clip.damaged == bool(notes)
        assert read_video(path, frames=2).notes == ()


@pytest.mark.parametrize("components", [3, 40])
def test_a_decoder_is_asked_for_a_picture_s_components_only(
    tmp_path: Path, components: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []
    decode = FrameDecoder._decode
    monkeypatch.setattr(FrameDecoder, "_decode", lambda self, data: asked.append(data) or decode(self, data))
    image = j2k_image(16, components)
    path = write_dicom(tmp_path / "a", [image], shape=(1, 16, 16), syntax=J2K, photometric="RGB")
    with contextlib.suppress(VideoError):
        read_video(path)
    assert len(asked) == (components == 3)
