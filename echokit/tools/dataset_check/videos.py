"""What the videos show: each is decoded once, in parallel, and described in a few numbers."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from echokit.data.clips.appearance import Seen, describe
from echokit.errors import VideoError
from echokit.system.worker_pool import Lost, in_order


def see_videos(paths: Sequence[Path], *, workers: int | None = None) -> Iterator[Seen]:
    """Decode and describe videos in parallel; results come in the order of the paths.

    Args:
        paths: Videos.
        workers: Processes; None for one an available core.
    """
    if workers == 1:
        yield from map(see_video, paths)
        return
    with closing(in_order(see_video, paths, workers=workers)) as results:
        for result in results:
            yield Seen(problem=result.reason) if isinstance(result, Lost) else result


def see_video(path: Path) -> Seen:
    """Decode one video and describe it; what is wrong with it is part of the answer."""
    from echokit.data.video.read import read_video

    try:
        clip = read_video(path)
    except VideoError as error:
        return Seen(problem=error.message, missing=not os.path.lexists(path))
    except OSError as error:
        return Seen(problem=error.strerror or "it cannot be opened", missing=not os.path.lexists(path))
    return describe(clip)
