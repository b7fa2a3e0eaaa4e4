"""Checks of a preprocessor: (Clip) -> Clip, or (Clip, case) -> Clip."""

from __future__ import annotations

import functools
import pickle
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from echokit.data.clips.prepare_video import columns_of
from echokit.data.preprocess import mask_region
from echokit.data.video.clip import Clip
from echokit.errors import VideoError
from echokit.testing.case import Skip, Subject, require
from echokit.testing.clips import clips


@functools.cache
def _clips() -> Mapping[str, Clip]:
    return clips()


def _call(subject: Subject, make: Any, clip: Clip) -> Any:
    """Call the preprocessor, with the values of its case if it asks for columns."""
    given = {name: values(1)[0] for name, values in subject.case.columns.items()}
    columns = columns_of(make)
    return make(clip, {name: given.get(name) for name in columns}) if columns else make(clip)


def _processed(subject: Subject) -> Iterator[tuple[str, Clip, Clip]]:
    """Yield name, input and output of every clip that is not rejected."""
    make = subject.make()
    for name, before in _clips().items():
        try:
            after = _call(subject, make, before)
        except VideoError:
            require(name != "beating", "it rejects an ordinary clip")
            continue
        require(isinstance(after, Clip), f"{name}: it gives {type(after).__name__}, not a Clip")
        yield name, before, after


def check_takes_every_clip(subject: Subject) -> None:
    """Short, black, still and tiny clips give frames or raise a VideoError."""
    for name, _, after in _processed(subject):
        require(after.frames.size, f"{name}: no pixel is left")


def check_keeps_dtypes_and_dimensions(subject: Subject) -> None:
    """Frames are (T, H, W) uint8; streams (C, T - 1, H, W) int8."""
    for name, _, after in _processed(subject):
        require(after.frames.ndim == 3 and after.frames.dtype == np.uint8, f"{name}: frames are {after.frames.dtype}")
        for stream, data in after.streams.items():
            expected = (max(len(after) - 1, 0), *after.frames.shape[1:])
            require(
                data.data.dtype == np.int8 and data.data.shape[1:] == expected and data.scale > 0,
                f"{name}: the stream {stream} is {data.data.shape} {data.data.dtype} for frames {after.frames.shape}",
            )


def check_does_not_change_its_input(subject: Subject) -> None:
    """The frames and notes of the input are not modified."""
    fresh = clips()
    for name, before, _ in _processed(subject):
        require(np.array_equal(before.frames, fresh[name].frames), f"{name}: its input was modified")
        require(before.notes == ("first",), f"{name}: the notes of its input were changed")


def check_gives_the_same_twice(subject: Subject) -> None:
    """A clip gives the same again, also from a pickled copy."""
    again = pickle.loads(pickle.dumps(subject.make()))
    for name, before, first in _processed(subject):
        second = _call(subject, again, before)
        require(np.array_equal(first.frames, second.frames), f"{name}: the frames differ")
        require(first.notes == second.notes, f"{name}: the notes differ")
        for stream, data in first.streams.items():
            require(np.array_equal(data.data, second.streams[stream].data), f"{name}: the stream {stream} differs")


def check_keeps_what_is_known_of_the_clip(subject: Subject) -> None:
    """Source and notes are kept; spacing and regions too if the size is."""
    for name, before, after in _processed(subject):
        require(after.source == before.source, f"{name}: the source is lost")
        require(after.notes[: len(before.notes)] == before.notes, f"{name}: earlier notes are lost")
        if after.frames.shape == before.frames.shape:
            require(after.spacing == before.spacing, f"{name}: the spacing is lost")
            require(after.regions == before.regions, f"{name}: the regions are lost")


def check_says_when_it_passes_a_clip_through(subject: Subject) -> None:
    """A mask that leaves a clip unchanged adds a note, for counting."""
    if not subject.component.mask:
        raise Skip("it is not a mask")
    for name, before, after in _processed(subject):
        if name == "white" and np.array_equal(before.frames, after.frames):
            require(len(after.notes) > len(before.notes), f"{name}: nothing is masked, and there is no note about it")


def check_masks_the_same_region_in_every_frame(subject: Subject) -> None:
    """A mask sets the same pixels to zero in every frame and changes no others."""
    if not subject.component.mask:
        raise Skip("it is not a mask")
    for _, before, after in _processed(subject):
        mask_region.check_mask(before.frames, after.frames)
