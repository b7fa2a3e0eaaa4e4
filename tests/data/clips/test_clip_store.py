import io
import os
import random
import shutil
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from echokit.cli.screen import Screen
from echokit.data.clips.clip_file import Mask, read_header, write_clip
from echokit.data.clips.clip_store import ClipStore, VideoSource, steps_of
from echokit.data.clips.prepare_video import Step, prepare_video
from echokit.data.clips.prepared_clips import PreparedClips
from echokit.data.sampling.windows import PADDING
from echokit.data.video.clip import Clip, Stream
from echokit.data.video.write import write_video
from echokit.recipe.validate import load_recipe
from echokit.system.progress import show_progress_on
from echokit.system.worker_pool import CRASHED
from tests.expect import refused


def sources(phantom: Path) -> list[VideoSource]:
    return [VideoSource(path.stem, path) for path in sorted((phantom / "Videos").iterdir())[:4]]


def steps(tiny: Path, *overrides: str) -> tuple[Step, ...]:
    return steps_of(load_recipe(tiny, overrides).preprocess)


def write(path: Path, frames: int = 6, scale: float = 0.5) -> Clip:
    generator = np.random.default_rng(0)
    flow = Stream(generator.integers(-127, 127, (2, frames - 1, 4, 5)).astype(np.int8), scale)
    clip = Clip(generator.integers(0, 255, (frames, 4, 5)).astype(np.uint8), fps=30.0, streams={"flow": flow})
    write_clip(path, clip, None)
    return clip


def read_all(clips: PreparedClips) -> None:
    clips.read(0, np.arange(6))
    clips.mask(0)


def test_clips_are_prepared_once_whatever_the_workers(phantom: Path, tiny: Path, tmp_path: Path) -> None:
    chain = steps(tiny)
    one = ClipStore(tmp_path / "one").prepare(sources(phantom), chain, workers=1)
    two = ClipStore(tmp_path / "two").prepare(sources(phantom), chain, workers=2)
    assert (one.made, two.made) == (4, 4)
    for a, b in zip(one.clips.paths, two.clips.paths, strict=True):
        assert a.name == b.name
        assert a.read_bytes() == b.read_bytes()
    assert ClipStore(tmp_path / "one").prepare(sources(phantom), chain, workers=1).made == 0


def test_a_killed_build_continues_and_replaces_half_files(phantom: Path, tiny: Path, tmp_path: Path) -> None:
    store, chain = ClipStore(tmp_path), steps(tiny)
    whole = store.prepare(sources(phantom), chain, workers=1)
    lost, half = whole.clips.paths[0], whole.clips.paths[1]
    content = half.read_bytes()
    lost.unlink()
    half.write_bytes(content[: len(content) // 2])
    assert store.prepare(sources(phantom), chain, workers=1).made == 2
    assert half.read_bytes() == content


def damage(path: Path, *, unseen: bool = False) -> bytes:
    """Flip one bit of a clip's last frame, optionally keeping the file's times; return the original bytes."""
    before, whole = path.stat(), path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    if unseen:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    else:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    return whole


def test_a_build_replaces_damaged_clips(phantom: Path, tiny: Path, tmp_path: Path) -> None:
    store, chain = ClipStore(tmp_path), steps(tiny)
    paths = store.prepare(sources(phantom), chain, workers=1).clips.paths
    wholes = [damage(path) for path in paths[:2]]
    again = store.prepare(sources(phantom), chain, workers=1)
    assert (again.made, again.damaged) == (2, 2)
    assert [path.read_bytes() for path in paths[:2]] == wholes


def exchange(one: Path, other: Path) -> None:
    aside = one.with_name("aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)


def test_exchanged_clips_are_prepared_again(phantom: Path, tiny: Path, tmp_path: Path) -> None:
    store, chain = ClipStore(tmp_path), steps(tiny)
    paths = store.prepare(sources(phantom), chain, workers=1).clips.paths
    wholes = [path.read_bytes() for path in paths]
    exchange(paths[0], paths[1])
    shutil.copy2(paths[2], paths[3])
    assert [read_header(path) is None for path in paths] == [True, True, False, True]
    again = store.prepare(sources(phantom), chain, workers=1)
    assert (again.made, again.damaged) == (3, 3)
    assert [path.read_bytes() for path in paths] == wholes


def test_the_data_of_another_clip_are_not_accepted(phantom: Path, tiny: Path, tmp_path: Path) -> None:
    store, chain = ClipStore(tmp_path), steps(tiny)
    one, other = store.prepare(sources(phantom)[:2], chain, workers=1).clips.paths
    whole, content = one.read_bytes(), other.read_bytes()
    head, other_head = (8 + int.from_bytes(part[:8], "little") for part in (whole, content))
    one.write_bytes(whole[:head] + content[other_head:])
    with refused("clip.damaged", where=one.name):
        PreparedClips([one]).read(0, np.arange(12))
    assert store.prepare(sources(phantom)[:2], chain, workers=1).damaged == 1
    assert one.read_bytes() == whole


def test_clips_exchanged_while_in_use_are_prepared_again(phantom: Path, tiny: Path, tmp_path: Path) -> None:
    done = ClipStore(tmp_path).prepare(sources(phantom), steps(tiny), workers=1)
    before = [done.clips.read(case, np.arange(12))["video"][0] for case in (0, 1)]
    exchange(*done.clips.paths[:2])
    after = [done.clips.read(case, np.arange(12))["video"][0] for case in (0, 1)]
    np.testing.assert_array_equal(after, before)
    assert done.changed == 2


def test_verifying_finds_damage_that_left_the_times_unchanged(phantom: Path, tiny: Path, tmp_path: Path) -> None:
    store, chain = ClipStore(tmp_path), steps(tiny)
    paths = store.prepare(sources(phantom), chain, workers=1).clips.paths
    whole = damage(paths[3], unseen=True)
    assert store.prepare(sources(phantom), chain, workers=1).made == 0  # opening does not read all of every clip
    verified = store.prepare(sources(phantom), chain, verify=True, workers=1)
    assert (verified.made, verified.damaged) == (1, 1)
    assert paths[3].read_bytes() == whole


def test_a_clip_with_a_new_time_is_verified_once_and_reused(phantom: Path, tiny: Path, tmp_path: Path) -> None:
    store, chain = ClipStore(tmp_path), steps(tiny)
    paths = store.prepare(sources(phantom), chain, workers=1).clips.paths
    os.utime(paths[0])
    done = store.prepare(sources(phantom), chain, workers=1)
    assert (done.made, done.damaged) == (0, 0)
    os.utime(paths[0], ns=(0, 0))
    assert sorted(store._stored(sources(phantom), chain, [None] * 4)) == [1, 2, 3]
    store.prepare(sources(phantom), chain, workers=1)
    assert sorted(store._stored(sources(phantom), chain, [None] * 4)) == [0, 1, 2, 3]


@pytest.mark.parametrize("lost", ["changed", "gone"])
def test_a_clip_damaged_while_in_use_is_prepared_again(phantom: Path, tiny: Path, tmp_path: Path, lost: str) -> None:
    screen = io.StringIO()
    with show_progress_on(Screen(Console(file=screen, width=200))):
        done = ClipStore(tmp_path).prepare(sources(phantom), steps(tiny), workers=1)
    clips, frames = done.clips.select([2, 1]), np.arange(12)
    before = clips.read(0, frames)
    whole = damage(clips.paths[0])
    if lost == "gone":
        clips.paths[0].unlink()
    after = clips.read(0, frames)
    for stream in before:
        np.testing.assert_array_equal(after[stream][0], before[stream][0])
    assert clips.paths[0].read_bytes() == whole
    assert done.changed == 1
    assert screen.getvalue().count(f"{sources(phantom)[2][0]}: ") == 1


def test_a_damaged_clip_without_its_video_is_an_error(phantom: Path, tiny: Path, tmp_path: Path) -> None:
    video = tmp_path / "one.avi"
    shutil.copy(sources(phantom)[0][1], video)
    clips = ClipStore(tmp_path / "store").prepare([("one", video)], steps(tiny), workers=1).clips
    damage(clips.paths[0])
    video.unlink()
    with refused("clip.not_recreated", where="one"):
        clips.read(0, np.arange(12))


class _Drifting:
    """A step with another result each time, as on another machine."""

    times = 0

    def __call__(self, clip: Clip) -> Clip:
        type(self).times += 1
        return replace(clip, frames=clip.frames // np.uint8(self.times))


def test_a_damaged_clip_that_gets_other_bits_is_an_error(phantom: Path, tmp_path: Path) -> None:
    chain = (Step("drifting", _Drifting(), False, "drifting"),)
    clips = ClipStore(tmp_path).prepare(sources(phantom)[:1], chain, workers=1).clips
    damage(clips.paths[0])
    with refused("clip.not_recreated", where=sources(phantom)[0][0]):
        clips.read(0, np.arange(clips.lengths[0]))


def test_another_parameter_step_or_content_is_another_clip(phantom: Path, tiny: Path, tmp_path: Path) -> None:
    store = ClipStore(tmp_path)
    paths = {
        store.path("content", steps(tiny)),
        store.path("other content", steps(tiny)),
        store.path("content", steps(tiny, "preprocess.1.size=17")),
        store.path("content", steps(tiny, "preprocess=[{use: trim, frames: 12}, optical_flow]")),
    }
    assert len(paths) == 4


def test_bad_videos_fail_alone(phantom: Path, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "text.avi").write_text("no video")
    mixed = [("text", tmp_path / "text.avi"), *sources(phantom)[:1], ("gone", tmp_path / "gone.avi")]
    done = ClipStore(tmp_path / "store").prepare(mixed, steps(tiny), workers=2)
    assert done.rows.tolist() == [1]
    assert [failure.case_id for failure in done.failures] == ["text", "gone"]
    assert all(failure.reason for failure in done.failures)


def test_a_window_is_read_back_exactly(tmp_path: Path) -> None:
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


def test_a_masked_clip_stores_region_and_unmasked_frame(phantom: Path, tiny: Path, tmp_path: Path) -> None:
    chain = steps(tiny, "preprocess=[motion_mask, {use: resize, size: 16}, optical_flow]")
    clip, mask = prepare_video(sources(phantom)[0][1], chain)
    assert mask is not None
    assert mask.region.shape == mask.thumbnail.shape == (112, 112)
    write_clip(tmp_path / "clip.safetensors", clip, mask)
    stored = PreparedClips([tmp_path / "clip.safetensors"]).mask(0)
    assert stored is not None
    np.testing.assert_array_equal(stored.region, mask.region)
    np.testing.assert_array_equal(stored.thumbnail, mask.thumbnail)


@pytest.mark.parametrize("content", [b"", b"text", b"\xff" * 64])
def test_a_file_that_is_no_clip_has_no_header(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.safetensors").write_bytes(content)
    assert read_header(tmp_path / "x.safetensors") is None
    assert read_header(tmp_path / "absent.safetensors") is None


@pytest.mark.parametrize("opened", ["before", "after"])
def test_reading_detects_a_change_of_any_byte(tmp_path: Path, opened: str) -> None:
    chance = random.Random(0)
    path = tmp_path / "clip.safetensors"
    clip = write(path)
    region = np.zeros((4, 5), bool)
    region[1:3] = True
    write_clip(path, clip, Mask(region, clip.frames[3]))
    whole = path.read_bytes()
    early = PreparedClips([path])
    for position in range(len(whole)):
        changed = bytearray(whole)
        changed[position] ^= 1 << chance.randrange(8)
        path.write_bytes(changed)
        with refused("clip.damaged", where=path.name):
            read_all(early if opened == "before" else PreparedClips([path]))
    path.write_bytes(whole)
    np.testing.assert_array_equal(early.read(0, np.arange(6))["video"][0], clip.frames[None])


@pytest.mark.parametrize(("was", "becomes"), [(b'"U8"', b'"I8"'), (b'"mask"', b'"masj"')])
def test_the_head_of_a_file_is_verified(tmp_path: Path, was: bytes, becomes: bytes) -> None:
    path = tmp_path / "clip.safetensors"
    clip = write(path)
    write_clip(path, clip, Mask(np.ones((4, 5), bool), clip.frames[3]))
    path.write_bytes(path.read_bytes().replace(was, becomes))
    assert read_header(path) is None


def test_a_missing_clip_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "good.safetensors")
    with refused("clip.damaged", where="missing.safetensors"):
        PreparedClips([tmp_path / "good.safetensors", tmp_path / "missing.safetensors"])


def test_only_the_frames_that_are_read_are_verified(tmp_path: Path) -> None:
    path = tmp_path / "clip.safetensors"
    clip = write(path)
    path.write_bytes(path.read_bytes().replace(clip.frames[5].tobytes(), bytes(20)))
    np.testing.assert_array_equal(PreparedClips([path]).read(0, np.arange(5))["video"][0], clip.frames[None, :5])
    with refused("clip.damaged", where=path.name):
        PreparedClips([path]).read(0, np.arange(6))


def test_a_clip_deleted_while_in_use_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "clip.safetensors")
    clips = PreparedClips([tmp_path / "clip.safetensors"])
    (tmp_path / "clip.safetensors").unlink()
    with refused("clip.damaged", where="clip.safetensors"):
        clips.read(0, np.arange(3))


def test_concurrent_writers_leave_one_complete_clip(tmp_path: Path) -> None:
    path = tmp_path / "clip.safetensors"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: write(path), range(40)))
    assert [file.name for file in tmp_path.iterdir()] == ["clip.safetensors"]
    assert len(PreparedClips([path]).read(0, np.arange(6))["video"][0][0]) == 6


def test_unfinished_files_are_removed_after_a_day(tmp_path: Path) -> None:
    (tmp_path / "ab").mkdir()
    old, new = tmp_path / "ab" / "x.1.part", tmp_path / "ab" / "x.2.part"
    old.touch()
    new.touch()
    os.utime(old, (time.time() - 2 * 86400,) * 2)
    ClipStore(tmp_path).prepare([], ())
    assert (old.exists(), new.exists()) == (False, True)


FULL = """
    import resource, sys
    from pathlib import Path
    from echokit.errors import EchokitError
    from echokit.data.clips.clip_store import ClipStore
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
    try:
        ClipStore(Path(sys.argv[2])).prepare([("a", Path(sys.argv[1]))], (), workers=int(sys.argv[3]))
    except EchokitError as error:
        print(error.code, error.hint)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on the size of files")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_is_an_error_and_leaves_no_file(phantom: Path, tmp_path: Path, workers: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FULL), str(sources(phantom)[0][1]), str(tmp_path / "s"), str(workers)],
        env={**os.environ, "ECHOKIT_CACHE": str(tmp_path / "cache")},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.startswith("clip.not_written ")
    assert "ECHOKIT_CACHE" in done.stdout
    assert "Traceback" not in done.stderr
    assert not [file for file in (tmp_path / "s").rglob("*") if file.is_file()]


class _Crashing:
    """A step that kills its process at a bright clip, like a defective decoder."""

    def __call__(self, clip: Clip) -> Clip:
        if clip.frames.mean() > 200:
            os.kill(os.getpid(), 9)
        return clip


def test_a_crash_fails_only_its_video(tmp_path: Path) -> None:
    files = []
    for number in range(9):
        level = 250 if number in (2, 7) else 10 * number
        path = tmp_path / f"{number}.avi"
        write_video(path, np.full((3, 32, 32), level, np.uint8), 50)
        files.append((str(number), path))
    done = ClipStore(tmp_path / "store").prepare(files, (Step("crashing", _Crashing(), False, "x"),), workers=2)
    assert done.rows.tolist() == [0, 1, 3, 4, 5, 6, 8]
    assert [failure.case_id for failure in done.failures] == ["2", "7"]
    assert {failure.reason for failure in done.failures} == {CRASHED}


def test_concurrent_builds_share_one_store(phantom: Path, tiny: Path, tmp_path: Path) -> None:
    chain, store = steps(tiny), ClipStore(tmp_path / "store")
    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(lambda _: store.prepare(sources(phantom), chain, workers=2), range(2))
    assert one.clips.paths == two.clips.paths
    assert one.failures == two.failures == ()
    left = [file for file in store.folder.rglob("*") if file.is_file()]
    assert sorted(left) == sorted(one.clips.paths)


def test_a_clip_without_flow_costs_its_own_row(phantom: Path, tiny: Path, tmp_path: Path) -> None:
    write_video(tmp_path / "still.avi", np.full((1, 112, 112), 9, np.uint8), 50)
    cases = [*sources(phantom), ("still", tmp_path / "still.avi")]
    done = ClipStore(tmp_path / "store").prepare(cases, steps(tiny), workers=1)
    lost = {failure.case_id: failure.reason for failure in done.failures}
    assert set(lost) == {"still"}
    assert "optical_flow" in lost["still"]


def test_a_step_that_leaves_no_frame_or_stream_is_refused() -> None:
    clip = Clip(np.ones((3, 8, 8), np.uint8))
    empty = Stream(np.zeros((2, 0, 8, 8), np.int8), 1.0)
    for result, what in ((replace(clip, frames=clip.frames[:0]), "frame"), (replace(clip, streams={"a": empty}), "a")):
        with refused("clip.too_short", names=(f"cut leaves no {what}",)):
            Step("cut", lambda _, result=result: result, False, "")(clip)
