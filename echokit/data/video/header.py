"""What the header of a file says of its clip."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClipHeader:
    """What the choice of clips rests on.

    Attributes:
        patient: Who, for a pseudonym; it must not be shown. For DICOM without a PatientID a mark and the number of the
            study, as the clips of one study are of one patient; None if there is neither.
        unfit: Why the clip does not belong in the dataset, or None if it may.
        unlike_echo: How the header differs from that of a B-mode clip of the heart, or None if it does not.
    """

    patient: str | None
    unfit: str | None = None
    unlike_echo: str | None = None
