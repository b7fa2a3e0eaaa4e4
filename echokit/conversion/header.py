"""What a DICOM header says about a clip's use for a B-mode dataset of the heart.

Reasons are fixed sentences: nothing that stands in a header is repeated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from echokit.video.dicom_file import read_elements

if TYPE_CHECKING:
    from pydicom import Dataset

_ELEMENTS = (
    "Modality", "Rows", "NumberOfFrames", "ImageType", "BodyPartExamined", "StudyDescription", "SeriesDescription",
    "ProtocolName", "ViewName", "StageName", "ContrastBolusAgent", "SequenceOfUltrasoundRegions", "PatientID",
)  # fmt: skip
_DESCRIPTIONS = ("SeriesDescription", "ProtocolName", "ViewName", "StageName", "StudyDescription")
_CONTRAST = ("contrast", "definity", "optison", "sonovue", "lumason", "bubble", "lvo")
_ELSEWHERE = (
    "abdom", "abdomen", "aorta", "arterial", "bladder", "breast", "carotid", "gyn", "gynecology", "hepatic", "kidney",
    "leg", "liver", "lung", "musculoskeletal", "neck", "obstetric", "obstetrical", "ob", "pelvic", "pelvis", "prostate",
    "renal", "scrotal", "small parts", "spleen", "tcd", "thyroid", "vascular", "venous", "vein",
)  # fmt: skip
_HEART = ("heart", "cardiac", "echo", "tte", "tee", "echocardiography", "echocardiogram", "epicardial")
# (0008,0008) ImageType, value 4: what an ultrasound picture shows, as bits.
_MODES = (
    (0x0010 | 0x0100, "colour Doppler"), (0x0004 | 0x0008, "spectral Doppler"), (0x0002 | 0x0020, "M-mode"),
    (0x0040 | 0x0200, "a 3D rendering"),
)  # fmt: skip
# (0018,6014) RegionDataType and (0018,6012) RegionSpatialFormat.
_DATA = {2: "colour Doppler", 3: "spectral Doppler", 4: "spectral Doppler"}
_FORMATS = {2: "M-mode", 3: "spectral Doppler"}


@dataclass(frozen=True)
class Header:
    """What the choice rests on.

    Attributes:
        patient: PatientID, for a pseudonym; it must not be shown.
        unfit: Why the clip does not belong into the dataset, or None where nothing speaks against it.
    """

    patient: str | None
    unfit: str | None


def read_header(path: Path) -> Header:
    """Read what a DICOM header says; one that can not be read says nothing, and reading the frames tells why."""
    try:
        header = read_elements(path, _ELEMENTS)
        patient = str(header.get("PatientID", "") or "").strip() or None
        return Header(patient, _unfit(header))
    except Exception:
        # What pydicom raises on damaged input is not a closed set, and its messages quote the values of elements.
        return Header(None, None)


def _unfit(header: Dataset) -> str | None:
    if "Rows" not in header:
        return "it holds no pictures: a report or measurements"
    if str(header.get("Modality", "US")).strip() not in ("US", "IVUS", ""):
        return "its header says it is no ultrasound"
    if int(header.get("NumberOfFrames", None) or 1) < 2:
        return "a still picture"
    mode = _mode(header)
    if mode:
        return f"{mode}, by its header"
    words = " ".join(str(header.get(name, "") or "") for name in _DESCRIPTIONS).lower()
    if str(header.get("ContrastBolusAgent", "") or "").strip() or _any_word(words, _CONTRAST):
        return "with contrast agent, by its header"
    place = str(header.get("BodyPartExamined", "") or "").lower()
    if not _any_word(f"{place} {_image_type(header, 2)} {words}", _HEART):
        # The part examined and the kind of study first: descriptions are free text.
        for text in (place, _image_type(header, 2).lower(), words):
            if _any_word(text, _ELSEWHERE):
                return "not the heart, by its header"
    return None


def _mode(header: Dataset) -> str | None:
    """What the header says is shown besides, or instead of, B-mode."""
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


def _any_word(text: str, words: Sequence[str]) -> bool:
    """Whether one of the words is in a text, as a word of its own."""
    import re

    return any(re.search(rf"(?<![a-z]){re.escape(word)}(?![a-z])", text.lower()) for word in words)
