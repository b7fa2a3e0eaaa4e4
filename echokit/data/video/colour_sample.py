"""Some frames of a video in colour: everything else here is about grey."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import numpy.typing as npt

from echokit.data.video.read import video_format

Colours = npt.NDArray[np.uint8]


def read_colours(path: Path, numbers: Collection[int]) -> Colours | None:
    """Decode some frames in colour.

    Args:
        path: A file that ``read_video`` reads.
        numbers: Of the frames, from 0; those that cannot be decoded are left out.

    Returns:
        (k, H, W, 3) uint8 RGB, or None if the video is monochrome or no frame can be decoded.

    Raises:
        VideoError: The file cannot be read, or is of another format.
    """
    kind = video_format(path)
    if path.is_dir():
        from echokit.data.video.frame_folder import folder_colours

        return folder_colours(path, numbers)
    if kind == "DICOM":
        from echokit.data.video.dicom import dicom_colours

        return dicom_colours(path, numbers)
    from echokit.data.video.container import container_colours

    return container_colours(path, numbers)
