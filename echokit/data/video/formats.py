"""The built-in readers, registered as those of plugins are; each imports what it needs when it reads.

A reader is called with a file, or with the files of a folder in natural order. ``matches``, ``patient``, ``colours``
and ``header`` are optional.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from echokit.data.video.clip import Clip

if TYPE_CHECKING:
    from echokit.data.video.grayscale import Colour
    from echokit.data.video.header import ClipHeader


class _Container:
    """Read the first video stream of a container."""

    kind = ""

    def __call__(self, path: Path, *, frames: int | None, max_bytes: int) -> Clip:
        """Decode the frames."""
        from echokit.data.video.container import read_container

        return read_container(path, self.kind, frames=frames, max_bytes=max_bytes)

    def colours(self, path: Path, numbers: Collection[int]) -> Colour | None:
        """Decode some frames in colour."""
        from echokit.data.video.container import container_colours

        return container_colours(path, numbers)


class Avi(_Container):
    """Read AVI files: the luma of MJPEG and other 8-bit YUV as it is."""

    kind = "AVI"


class Mp4(_Container):
    """Read MP4 and QuickTime files: the luma of H.264 and other 8-bit YUV."""

    kind = "MP4"


class Dicom:
    """Read DICOM files of one or several frames, without the identity of the patient."""

    def __call__(self, path: Path, *, frames: int | None, max_bytes: int) -> Clip:
        """Decode the frames."""
        from echokit.data.video.dicom import read_dicom

        return read_dicom(path, frames=frames, max_bytes=max_bytes)

    def patient(self, path: Path) -> str | None:
        """Read the PatientID, for a pseudonym."""
        from echokit.data.video.dicom import dicom_patient_id

        return dicom_patient_id(path)

    def colours(self, path: Path, numbers: Collection[int]) -> Colour | None:
        """Decode some frames in colour."""
        from echokit.data.video.dicom import dicom_colours

        return dicom_colours(path, numbers)

    def header(self, path: Path) -> ClipHeader:
        """Read what the header says of the clip."""
        from echokit.data.video.dicom_content import dicom_content

        return dicom_content(path)


class DicomSeries:
    """Read the DICOM files of one series in a folder, by their instance numbers."""

    def __call__(self, files: Sequence[Path], *, frames: int | None, max_bytes: int) -> Clip:
        """Decode the frames."""
        from echokit.data.video.dicom_series import read_series

        return read_series(files, frames=frames, max_bytes=max_bytes, where=files[0].parent.name)

    def patient(self, files: Sequence[Path]) -> str | None:
        """Read the PatientID, for a pseudonym."""
        from echokit.data.video.dicom_series import series_patient

        return series_patient(files, where=files[0].parent.name)

    def colours(self, files: Sequence[Path], numbers: Collection[int]) -> Colour | None:
        """Decode some frames in colour."""
        from echokit.data.video.dicom import dicom_colours

        return _joined([dicom_colours(files[number], [0]) for number in sorted(numbers) if number < len(files)])

    def header(self, files: Sequence[Path]) -> ClipHeader:
        """Read what the header of the first file says of the clip."""
        from echokit.data.video.dicom_content import dicom_content

        first = dicom_content(files[0])
        return replace(first, unfit=first.unlike_echo)  # one frame a file is no still picture here


class Frames:
    """Read a folder of numbered JPG or PNG frames."""

    def __call__(self, files: Sequence[Path], *, frames: int | None, max_bytes: int) -> Clip:
        """Decode the frames."""
        from echokit.data.video.image_sequence import read_frames

        return read_frames(files, frames=frames, max_bytes=max_bytes, where=files[0].parent.name)

    def colours(self, files: Sequence[Path], numbers: Collection[int]) -> Colour | None:
        """Decode some frames in colour."""
        from echokit.data.video.image_sequence import frame_colours

        return _joined([frame_colours(files[number]) for number in sorted(numbers) if number < len(files)])


class Nifti:
    """Read NIfTI files of grey pictures (x, y, time), made to square pixels."""

    def matches(self, path: Path, head: bytes) -> bool:
        """Return whether this is NIfTI: many compressed files are not."""
        from echokit.data.video.nifti import is_nifti

        return is_nifti(head)

    def __call__(self, path: Path, *, frames: int | None, max_bytes: int) -> Clip:
        """Read the frames."""
        from echokit.data.video.nifti import read_nifti

        return read_nifti(path, frames=frames, max_bytes=max_bytes)


def _joined(images: Sequence[Colour | None]) -> Colour | None:
    import numpy as np

    there = [image for image in images if image is not None]
    return np.concatenate(there) if there else None
