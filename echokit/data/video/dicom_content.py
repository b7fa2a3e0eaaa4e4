"""What a DICOM header shows of its clip: whether it is B-mode of the heart.

Reasons are fixed sentences: nothing that stands in a header is repeated.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from echokit.data.video.dicom_file import quiet, read_elements
from echokit.data.video.header import ClipHeader

if TYPE_CHECKING:
    from pydicom import Dataset

STUDY = "\0study:"
_ELEMENTS = (
    "SOPClassUID", "Modality", "Rows", "NumberOfFrames", "ImageType", "BodyPartExamined", "StudyDescription",
    "SeriesDescription", "ProtocolName", "ViewName", "StageName", "ContrastBolusAgent", "SequenceOfUltrasoundRegions",
    "PatientID", "StudyInstanceUID",
)  # fmt: skip
_DESCRIPTIONS = ("SeriesDescription", "ProtocolName", "ViewName", "StageName", "StudyDescription")
_CONTRAST = ("contrast", "definity", "optison", "sonovue", "lumason", "bubble", "lvo")
# Structured reports, presentation states, encapsulated documents.
_DOCUMENTS = tuple(f"1.2.840.10008.5.1.4.1.1.{number}" for number in (88, 11, 104))
# Words, or beginnings of words where they end in a hyphen. Vessels near the heart are not among them.
_ELSEWHERE = (
    "abdom-", "bladder", "breast", "carotid-", "gyn-", "hepat-", "kidney-", "leg", "liver", "musculo-", "obstetric-",
    "ob", "pelvi-", "prostat-", "renal", "scrot-", "small parts", "spleen", "tcd", "thyroid-", "vascular",
)  # fmt: skip
_HEART = ("heart", "cardi-", "tte", "tee", "transthoracic", "echocardi-", "epicardial")
# (0008,0008) ImageType, value 4: what an ultrasound picture shows, as bits.
_MODES = (
    (0x0010 | 0x0100, "colour Doppler"), (0x0004 | 0x0008, "spectral Doppler"), (0x0002 | 0x0020, "M-mode"),
    (0x0040 | 0x0200, "a 3D rendering"),
)  # fmt: skip
# (0018,6014) RegionDataType and (0018,6012) RegionSpatialFormat.
_DATA = {2: "colour Doppler", 3: "spectral Doppler", 4: "spectral Doppler"}
_FORMATS = {2: "M-mode", 3: "spectral Doppler"}


def dicom_content(path: Path) -> ClipHeader:
    """Read a DICOM header; empty if it cannot be read.

    Reading the frames reports why. Without a PatientID, the patient is ``STUDY`` and the number of the study.
    """
    patient = unfit = None
    try:
        with quiet():  # pydicom reads a value when it is requested, and warns of what stands in it
            header = read_elements(path, _ELEMENTS)
            # First whose it is: a clip stays with its patient, whatever the rest of the header is like.
            study = str(header.get("StudyInstanceUID", "") or "").strip()
            patient = STUDY + study if study else None
            patient = str(header.get("PatientID", "") or "").strip() or patient
            unfit = _unfit(header)
            return ClipHeader(patient, unfit, _unlike_echo(header, _is_ultrasound(header)))
    except Exception:
        # What pydicom raises on damaged input is not a closed set, and its messages quote the values of elements.
        return ClipHeader(patient, unfit)


def _is_ultrasound(header: Dataset) -> bool:
    return str(header.get("Modality", None) or "US").strip() in ("US", "IVUS")


def _unfit(header: Dataset) -> str | None:
    ultrasound = _is_ultrasound(header)
    if "Rows" not in header:
        document = not ultrasound or str(header.get("SOPClassUID", "")).startswith(_DOCUMENTS)
        # Else the header is cut off, and reading the frames reports it.
        return "it holds no pictures: a report or measurements" if document else None
    if ultrasound and int(header.get("NumberOfFrames", None) or 1) < 2:
        return "a still picture"
    return _unlike_echo(header, ultrasound)


def _unlike_echo(header: Dataset, ultrasound: bool) -> str | None:
    """Return how a header differs from that of a B-mode clip of the heart."""
    if not ultrasound:
        return "by its header it is not ultrasound"
    mode = _mode(header)
    if mode:
        return f"{mode}, by its header"
    words = " ".join(str(header.get(name, "") or "") for name in _DESCRIPTIONS).lower()
    if str(header.get("ContrastBolusAgent", "") or "").strip() or _any_word(words, _CONTRAST):
        return "with contrast agent, by its header"
    kind = f"{header.get('BodyPartExamined', '') or ''} {_image_type(header, 2)}"
    # Descriptions are free text: "abdominal aorta in a cardiac study" is a cardiac study.
    if _any_word(kind, _ELSEWHERE) or (_any_word(words, _ELSEWHERE) and not _any_word(f"{kind} {words}", _HEART)):
        return "not the heart, by its header"
    return None


def _mode(header: Dataset) -> str | None:
    """Return what the header shows beside, or instead of, B-mode."""
    bits = _image_type(header, 3)
    try:
        shown = int(bits, 16)
    except ValueError:
        shown = 0
    for mask, name in _MODES:
        if shown & mask:
            return name
    for region in header.get("SequenceOfUltrasoundRegions", None) or ():
        kind = _DATA.get(_number(region, "RegionDataType")) or _FORMATS.get(_number(region, "RegionSpatialFormat"))
        if kind:
            return kind
    return None


def _number(region: Dataset, keyword: str) -> int:
    value: Any = region.get(keyword, 0)
    return int(value or 0)


def _image_type(header: Dataset, index: int) -> str:
    value: Any = header.get("ImageType", None)
    values = [value] if isinstance(value, str) else list(value or ())
    return str(values[index]).strip() if index < len(values) else ""


def _any_word(text: str, listed: Sequence[str]) -> bool:
    """Whether one of the words is in a text, alone or before a hyphen."""
    patterns = (re.escape(word[:-1]) if word.endswith("-") else rf"{re.escape(word)}(?![a-z])" for word in listed)
    return any(re.search(rf"(?<![a-z]){pattern}", text.lower()) for pattern in patterns)
