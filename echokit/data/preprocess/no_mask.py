"""NoMask: a control that keeps everything."""

from __future__ import annotations

from dataclasses import replace

from echokit.data.video.clip import Clip


class NoMask:
    """Keep every pixel: the control that masks are compared with."""

    def __call__(self, clip: Clip) -> Clip:
        """Return the clip with a note that nothing was masked."""
        return replace(clip, notes=(*clip.notes, "no_mask: passed unmasked"))
