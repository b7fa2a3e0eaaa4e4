from pathlib import Path

import numpy as np
import pytest

from echokit.prepared import PreparedClips, read_header, write_clip
from echokit.recipe.check import load_recipe
from echokit.sampling.windows import PADDING
from echokit.store import ClipStore, Step, prepare_video, steps_of
from echokit.video.clip import Clip, Stream


def sources(phantom: Path) -> list[tuple[str, Path]]:
    return [(path.stem, path) for path in sorted((phantom / "Videos").iterdir())[:4]]


def steps(tiny: Path, *overrides: str) -> tuple[Step, ...]:
    return steps_of(load_recipe(tiny, overrides).preprocess)


def write(path: Path, frames: int = 6, scale: float = 0.5) -> Clip:
    generator = np.random.default_rng(0)
    flow = Stream(generator.integers(-127, 127, (2, frames - 1, 4, 5)).astype(np.int8), scale)
    clip = Clip(generator.integers(0, 255, (frames, 4, 5)).astype(np.uint8), fps=30.0, streams={"flow": flow})
    write_clip(path, clip, None)
    return clip


def test_clips_are_made_once_and_the_same_by_one_or_two_workers(phantom: Path, tiny: Path, tmp_path: Path) -> None:
    chain = steps(tiny)
    one = ClipStore(tmp_path / "one").prepare(sources(phantom), chain, workers=1)
    two = ClipStore(tmp_path / "two").prepare(sources(phantom), chain, workers=2)
    assert (one.made, two.made) == (4, 4)
    for a, b in zip(one.clips.paths, two.clips.paths, strict=True):
        assert a.name == b.name
        assert a.read_bytes() == b.read_bytes()
    assert ClipStore(tmp_path / "one").prepare(sources(phantom), chain, workers=1).made == 0


def test_a_killed_build_goes_on_and_a_half_file_is_made_again(phantom: Path, tiny: Path, tmp_path: Path) -> None:
    store, chain = ClipStore(tmp_path), steps(tiny)
    whole = store.prepare(sources(phantom), chain, workers=1)
    lost, half = whole.clips.paths[0], whole.clips.paths[1]
    content = half.read_bytes()
    lost.unlink()
    half.write_bytes(content[: len(content) // 2])
    assert store.prepare(sources(phantom), chain, workers=1).made == 2
    assert half.read_bytes() == content


def test_another_parameter_step_or_content_is_another_clip(phantom: Path, tiny: Path, tmp_path: Path) -> None:
    store = ClipStore(tmp_path)
    places = {
        store.path("content", steps(tiny)),
        store.path("other content", steps(tiny)),
        store.path("content", steps(tiny, "preprocess.1.size=17")),
        store.path("content", steps(tiny, "preprocess=[{use: trim, frames: 12}, optical_flow]")),
    }
    assert len(places) == 4


def test_bad_videos_fail_alone(phantom: Path, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "text.avi").write_text("no video")
    mixed = [("text", tmp_path / "text.avi"), *sources(phantom)[:1], ("gone", tmp_path / "gone.avi")]
    done = ClipStore(tmp_path / "store").prepare(mixed, steps(tiny), workers=2)
    assert done.rows.tolist() == [1]
    assert [failure.case_id for failure in done.failures] == ["text", "gone"]
    assert all(failure.reason for failure in done.failures)


def test_a_window_is_read_as_it_was_written(tmp_path: Path) -> None:
    clip = write(tmp_path / "clip.safetensors")
    frames = np.array([1, 2, 3], np.int64)
    streams = PreparedClips([tmp_path / "clip.safetensors"]).read(0, frames)
    np.testing.assert_array_equal(streams["video"][0], clip.frames[None, 1:4])
    np.testing.assert_array_equal(streams["flow"][0], clip.streams["flow"].data[:, 1:3])
    assert (streams["video"][1], streams["flow"][1]) == (1.0, 0.5)


@pytest.mark.parametrize("real", [1, 2, 6])
def test_padding_is_zero_and_at_the_end(tmp_path: Path, real: int) -> None:
    clip = write(tmp_path / "clip.safetensors")
    frames = np.array([*range(real), *[PADDING] * 3], np.int64)
    streams = PreparedClips([tmp_path / "clip.safetensors"]).read(0, frames)
    video, flow = streams["video"][0], streams["flow"][0]
    assert video.shape == (1, real + 3, 4, 5)
    assert flow.shape == (2, real + 2, 4, 5)
    np.testing.assert_array_equal(video[:, :real], clip.frames[None, :real])
    np.testing.assert_array_equal(flow[:, : real - 1], clip.streams["flow"].data[:, : real - 1])
    assert not video[:, real:].any()
    assert not flow[:, real - 1 :].any()


def test_a_mask_leaves_its_region_and_one_unmasked_frame(phantom: Path, tiny: Path, tmp_path: Path) -> None:
    chain = steps(tiny, "preprocess=[motion_mask, {use: resize, size: 16}, optical_flow]")
    clip, mask = prepare_video(sources(phantom)[0][1], chain)
    assert mask is not None
    assert mask.region.shape == mask.thumbnail.shape == (112, 112)
    write_clip(tmp_path / "clip.safetensors", clip, mask)
    kept = PreparedClips([tmp_path / "clip.safetensors"]).mask(0)
    assert kept is not None
    np.testing.assert_array_equal(kept.region, mask.region)


@pytest.mark.parametrize("content", [b"", b"text", b"\xff" * 64])
def test_what_is_no_clip_has_no_header(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.safetensors").write_bytes(content)
    assert read_header(tmp_path / "x.safetensors") is None
    assert read_header(tmp_path / "absent.safetensors") is None
