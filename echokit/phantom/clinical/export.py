"""Write a screen to a file as each vendor exports it: two kinds of DICOM, and AVI.

Alder writes JPEG baseline in YBR_FULL_422 with FrameTime, birch RLE in PALETTE COLOR with FrameTimeVector, cedar Motion
JPEG in AVI. The DICOM headers are as full of (invented) identifiers as real ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from echokit.phantom.clinical.patients import Patient, Vendor
from echokit.phantom.clinical.screen import Picture, Screen
from echokit.phantom.clinical.vendors import LAYOUTS, Colour
from echokit.phantom.write_dicom import MULTI_FRAME, make_uid, save_dicom
from echokit.phantom.write_mjpeg import write_mjpeg

if TYPE_CHECKING:
    from pydicom import Dataset

JPEG_QUALITY = 90
_GREYS = 240  # entries of the palette that are grey
_JPEG_BASELINE, _RLE = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.5"
_MAKERS: dict[Vendor, tuple[str, str]] = {
    "alder": ("Alder Ultrasound", "Vista E9"), "birch": ("Birch Medical", "iS33"), "cedar": ("Cedar", "SC2"),
}  # fmt: skip


def file_name(patient: Patient, clip: int) -> str:
    """Return the path of a clip in the dataset; it names the patient."""
    folder = f"Studies/{patient.name.replace('^', '_').upper()}_{patient.mrn}/{patient.study_date}"
    form = {"alder": "IM{:04d}.dcm", "birch": "I{:07d}", "cedar": "CLIP_{:d}.avi"}[patient.vendor]
    return f"{folder}/{form.format(clip + 1)}"


def write_clip(path: Path, patient: Patient, clip: int, screen: Screen) -> None:
    """Write one clip in its vendor's format; the same bytes each time.

    Args:
        path: File to write.
        patient: From ``sample_patients``.
        clip: Number of the clip.
        screen: From ``draw_screen``.
    """
    if patient.vendor == "cedar":
        write_mjpeg(path, screen.frames, patient.clips[clip].fps, quality=4)
    else:
        _write_dicom(path, patient, clip, screen)


def _write_dicom(path: Path, patient: Patient, clip: int, screen: Screen) -> None:
    from pydicom import FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.uid import UID

    case = patient.clips[clip]
    meta = FileMetaDataset()
    data = _header(patient, clip)
    meta.TransferSyntaxUID = UID(_JPEG_BASELINE if patient.vendor == "alder" else _RLE)
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = data.SOPClassUID, data.SOPInstanceUID
    meta.ImplementationClassUID = UID("2.25.1")
    data.file_meta = meta
    data.NumberOfFrames = str(case.frames)
    data.Rows, data.Columns = screen.frames.shape[1:3]
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 8, 8, 7, 0
    milliseconds = f"{1000 / case.fps:.6f}"
    if patient.vendor == "alder":
        data.SamplesPerPixel, data.PhotometricInterpretation, data.PlanarConfiguration = 3, "YBR_FULL_422", 0
        data.FrameTime = milliseconds
        data.FrameIncrementPointer = 0x00181063
        data.LossyImageCompression = "01"
        coded = list(_jpegs(screen.frames))
    else:
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, "PALETTE COLOR"
        data.FrameTimeVector = ["0", *[milliseconds] * (case.frames - 1)]
        data.FrameIncrementPointer = 0x00181065
        coded = list(_palette_rle(data, screen.frames, _colours(patient.vendor)))
    data.RecommendedDisplayFrameRate = str(case.fps)
    data.SequenceOfUltrasoundRegions = _ultrasound_regions(patient, screen)
    data.PixelData = encapsulate(coded, has_bot=True)
    data["PixelData"].VR = "OB"
    save_dicom(path, data)


def _jpegs(frames: Picture) -> Iterator[bytes]:
    import cv2

    settings = [
        cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    ]  # fmt: skip
    for frame in frames:
        _, coded = cv2.imencode(".jpg", np.ascontiguousarray(frame[..., ::-1]), settings)
        data = coded.tobytes()
        yield data + b"\0" * (len(data) % 2)


def _colours(vendor: Vendor) -> list[Colour]:
    """Return all colours that are not grey on a vendor's screen."""
    layout = LAYOUTS[vendor]
    return [layout.trace_ink, *(colour for _, colour in layout.panels)]


def _palette_rle(data: Dataset, frames: Picture, colours: list[Colour]) -> Iterator[bytes]:
    """Write the palette into the header, and encode the frames as palette indices."""
    from rle.utils import encode_pixel_data

    ramp = np.round(np.arange(_GREYS) * 255 / (_GREYS - 1)).astype(np.uint8)
    entries = np.zeros((256, 3), np.uint8)
    entries[:_GREYS] = ramp[:, None]
    entries[_GREYS : _GREYS + len(colours)] = colours
    for channel, name in enumerate(("Red", "Green", "Blue")):
        setattr(data, f"{name}PaletteColorLookupTableDescriptor", [256, 0, 16])
        table = (entries[:, channel].astype("<u2") * 257).tobytes()
        setattr(data, f"{name}PaletteColorLookupTableData", table)
    number_of = np.round(np.arange(256) * (_GREYS - 1) / 255).astype(np.uint8)
    for frame in frames:
        numbers = number_of[frame[..., 1]]
        coloured = np.nonzero(frame[..., 0] != frame[..., 2])
        for number, colour in enumerate(colours, start=_GREYS):
            same = (frame[coloured] == np.array(colour, np.uint8)).all(-1)
            numbers[coloured[0][same], coloured[1][same]] = number
        yield encode_pixel_data(
            numbers.tobytes(),
            rows=frame.shape[0],
            columns=frame.shape[1],
            samples_per_pixel=1,
            bits_allocated=8,
            photometric_interpretation="PALETTE COLOR",
            number_of_frames=1,
        )


def _header(patient: Patient, clip: int) -> Dataset:
    """Return everything about patient and examination, as scanners write it."""
    from pydicom import Dataset
    from pydicom.uid import UID

    case = patient.clips[clip]
    maker, model = _MAKERS[patient.vendor]
    surname = patient.name.split("^")[0]
    data = Dataset()
    data.SpecificCharacterSet = "ISO_IR 192"
    data.ImageType = ["ORIGINAL", "PRIMARY", "", "0001"]
    data.SOPClassUID = UID(MULTI_FRAME)
    data.SOPInstanceUID = _uid(patient, "clip", clip)
    data.StudyDate = data.SeriesDate = data.ContentDate = patient.study_date
    data.StudyTime = data.ContentTime = f"{8 + patient.number % 9:02d}{11 + 7 * clip:02d}00"
    data.AcquisitionDateTime = patient.study_date + data.StudyTime
    data.AccessionNumber = patient.accession
    data.Modality = "US"
    data.Manufacturer, data.ManufacturerModelName = maker, model
    data.InstitutionName, data.InstitutionAddress = "Harbour Heart Institute", f"{surname} Lane 4"
    data.ReferringPhysicianName = "Ravenscroft^Isolde"
    data.PerformingPhysicianName = "Underhill^Basil"
    data.StudyDescription = "Adult Echo TTE"
    data.SeriesDescription = "A4C"
    data.PatientName, data.PatientID = patient.name, patient.mrn
    data.PatientBirthDate, data.PatientSex, data.PatientAge = patient.birth_date, patient.sex, f"{patient.age:03d}Y"
    data.OtherPatientIDs = f"NHS-{patient.mrn[3:]}"
    data.PatientComments = f"{surname}, known cardiomyopathy"
    data.ProtocolName = "Adult Echo"
    data.HeartRate = str(round(case.heart_rate))
    data.StudyInstanceUID = _uid(patient, "study")
    data.SeriesInstanceUID = _uid(patient, "series")
    data.StudyID = patient.accession[-4:]
    data.SeriesNumber, data.InstanceNumber = "1", str(clip + 1)
    block = data.private_block(0x0019, f"{maker.upper()} 01", create=True)
    block.add_new(0x01, "LO", f"{surname} {patient.mrn}")
    return data


def _uid(patient: Patient, *parts: object) -> Any:
    return make_uid(patient.clips[0].seed, patient.number, *parts)


def _ultrasound_regions(patient: Patient, screen: Screen) -> list[Dataset]:
    """Describe the regions of tissue, with the size of a pixel, and of the trace."""
    from pydicom import Dataset

    inside = screen.sector.inside.astype(bool)
    rows, columns = (np.flatnonzero(inside.any(axis)) for axis in (1, 0))
    tissue = Dataset()
    tissue.RegionSpatialFormat, tissue.RegionDataType, tissue.RegionFlags = 1, 1, 3
    tissue.RegionLocationMinX0, tissue.RegionLocationMinY0 = int(columns[0]), int(rows[0])
    tissue.RegionLocationMaxX1, tissue.RegionLocationMaxY1 = int(columns[-1]), int(rows[-1])
    tissue.PhysicalUnitsXDirection = tissue.PhysicalUnitsYDirection = 3
    tissue.PhysicalDeltaX = tissue.PhysicalDeltaY = 0.1 / screen.sector.scale
    x0, y0, x1, y1 = LAYOUTS[patient.vendor].trace
    trace = Dataset()
    trace.RegionSpatialFormat, trace.RegionDataType, trace.RegionFlags = 4, 10, 2
    trace.RegionLocationMinX0, trace.RegionLocationMinY0 = x0, y0
    trace.RegionLocationMaxX1, trace.RegionLocationMaxY1 = x1 - 1, y1 - 1
    trace.PhysicalUnitsXDirection, trace.PhysicalUnitsYDirection = 4, 0
    trace.PhysicalDeltaX, trace.PhysicalDeltaY = LAYOUTS[patient.vendor].seconds / (x1 - x0), 1.0
    return [tissue, trace]
