"""What the videos show: each is decoded once, in parallel, and described in a few numbers."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from echokit.data.clips.appearance import VideoDescription, describe
from echokit.errors import VideoError
from echokit.system.worker_pool import WorkerFailure, map_ordered


def describe_videos(paths: Sequence[Path], *, workers: int | None = None) -> Iterator[VideoDescription]:
    """Decode and describe videos in parallel; results come in the order of the paths.

    Args:
        paths: Videos.
        workers: Processes; None for one an available core.
    """
    if workers == 1:
        yield from map(describe_video, paths)
        return
    with closing(map_ordered(describe_video, paths, workers=workers)) as results:
        for result in results:
            yield VideoDescription(problem=result.reason) if isinstance(result, WorkerFailure) else result


def describe_video(path: Path) -> VideoDescription:
    """Decode one video and describe it; what is wrong with it is part of the answer."""
    from echokit.data.video.read import read_video

    try:
        clip = read_video(path)
    except VideoError as error:
        return VideoDescription(problem=error.message, missing=not os.path.lexists(path))
    except OSError as error:
        return VideoDescription(problem=error.strerror or "it cannot be opened", missing=not os.path.lexists(path))
    return describe(clip)
