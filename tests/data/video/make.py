"""Files that the video tests read: written here, so that nothing of a patient is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom import Dataset, FileMetaDataset, dcmwrite
from pydicom.encaps import encapsulate
from pydicom.uid import UID, generate_uid

from echokit.data.video.clip import Frames

NAME, IDENTIFIER, BIRTH = "Zebedee^Quill", "PID-77-4242", "19340517"


def blobs(count: int = 20, height: int = 64, width: int = 80) -> Frames:
    """Soft discs that move over a still gradient: (count, height, width) uint8."""
    rows, columns = np.mgrid[:height, :width]
    phase = 2 * np.pi * np.arange(count) / 10
    y = height / 2 + height / 8 * np.sin(phase)
    x = width / 2 + width / 8 * np.cos(phase)
    distance = (rows[None] - y[:, None, None]) ** 2 + (columns[None] - x[:, None, None]) ** 2
    disc = 150 * np.exp(-distance / (2 * (min(height, width) / 8) ** 2))
    return np.clip(disc + 60 * columns / width, 0, 255).astype(np.uint8)


def write_dicom(
    path: Path,
    pixels: npt.NDArray[Any] | list[bytes],
    *,
    shape: tuple[int, int, int] | None = None,
    syntax: str = "1.2.840.10008.1.2.1",
    photometric: str = "MONOCHROME2",
    stored: int | None = None,
    declared: int | None = None,
    **elements: Any,
) -> Path:
    """Write an ultrasound multi-frame DICOM, full of identifiers that must not come back.

    Args:
        path: Where.
        pixels: (T, H, W) or (T, H, W, 3) array, or the compressed frames.
        shape: (T, H, W) where ``pixels`` are compressed.
        declared: NumberOfFrames, where it is to lie.
        **elements: Further elements by keyword; None leaves one out.
    """
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = UID(syntax)
    meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.3.1")
    meta.MediaStorageSOPInstanceUID = generate_uid()
    data = Dataset()
    data.file_meta = meta
    data.PatientName, data.PatientID, data.PatientBirthDate, data.StudyDate = NAME, IDENTIFIER, BIRTH, "20200229"
    array = None if isinstance(pixels, list) else pixels
    count, height, width = shape or array.shape[:3]  # type: ignore[union-attr]
    data.NumberOfFrames = str(count if declared is None else declared)
    data.Rows, data.Columns = height, width
    data.SamplesPerPixel = 3 if photometric.startswith(("RGB", "YBR")) else 1
    data.PhotometricInterpretation = photometric
    bits = 8 if array is None else array.dtype.itemsize * 8
    data.BitsAllocated, data.BitsStored = bits, stored or bits
    data.HighBit = data.BitsStored - 1
    data.PixelRepresentation = int(array is not None and array.dtype.kind == "i")
    if data.SamplesPerPixel == 3:
        data.PlanarConfiguration = 0
    data.FrameTime = "20"
    for keyword, value in elements.items():
        if value is None:
            delattr(data, keyword)
        else:
            setattr(data, keyword, value)
    if array is None:
        assert isinstance(pixels, list)
        data.PixelData = encapsulate(pixels, has_bot=True)
        data["PixelData"].VR = "OB"
    else:
        raw = array.tobytes()
        data.PixelData = raw + b"\0" * (len(raw) % 2)
        data["PixelData"].VR = "OW"
    dcmwrite(path, data, enforce_file_format=True, implicit_vr=syntax == "1.2.840.10008.1.2", little_endian=True)
    return path
