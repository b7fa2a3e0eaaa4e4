"""Write grey frames as uncompressed ultrasound DICOM, byte for byte the same each time."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from echokit.system.files import named_file

if TYPE_CHECKING:
    from pydicom import Dataset

    from echokit.data.video.clip import Frames

MULTI_FRAME, _SINGLE_FRAME = "1.2.840.10008.5.1.4.1.1.3.1", "1.2.840.10008.5.1.4.1.1.6.1"


def write_grey_dicom(path: Path, frames: Frames, *, fps: float, patient: str, series: str, instance: int = 1) -> None:
    """Write frames as MONOCHROME2.

    Args:
        path: File to write.
        frames: (T, H, W) uint8; one frame makes a single-frame image.
        fps: Frames per second.
        patient: Invented PatientID and PatientName.
        series: Name from which the UIDs of the series are derived.
        instance: InstanceNumber.
    """
    from pydicom import Dataset, FileMetaDataset
    from pydicom.uid import UID, ExplicitVRLittleEndian

    kind = UID(MULTI_FRAME if len(frames) > 1 else _SINGLE_FRAME)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = kind
    meta.MediaStorageSOPInstanceUID = make_uid(series, "instance", instance)
    data = Dataset()
    data.file_meta = meta
    data.SOPClassUID, data.SOPInstanceUID = kind, meta.MediaStorageSOPInstanceUID
    data.Modality, data.PatientName, data.PatientID = "US", patient, patient
    data.StudyInstanceUID, data.SeriesInstanceUID = make_uid(series, "study"), make_uid(series, "series")
    data.InstanceNumber = str(instance)
    if len(frames) > 1:
        data.NumberOfFrames = str(len(frames))
        data.FrameIncrementPointer = 0x00181063
    data.FrameTime = f"{1000 / fps:.6f}"
    data.Rows, data.Columns = frames.shape[1:]
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PixelRepresentation = 1, "MONOCHROME2", 0
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit = 7
    raw = frames.tobytes()
    data.PixelData = raw + b"\0" * (len(raw) % 2)
    data["PixelData"].VR = "OB"
    save_dicom(path, data)


def save_dicom(path: Path, data: Dataset) -> None:
    """Write a dataset with its file format.

    Raises:
        OSError: The file cannot be written; its name is in it.
    """
    from pydicom import dcmwrite

    content = io.BytesIO()  # pydicom reports a full disk without its number
    dcmwrite(content, data, enforce_file_format=True)
    with named_file(path):
        path.write_bytes(content.getbuffer())


def make_uid(*parts: object) -> Any:
    """Derive a DICOM UID from parts: the same parts give the same UID."""
    from pydicom.uid import UID

    digest = hashlib.blake2b(":".join(map(str, parts)).encode(), digest_size=12).digest()
    return UID(f"2.25.{int.from_bytes(digest)}")
