"""Readers of plugins: chosen by content, kept within the limits, blamed without naming a patient."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import echokit
from echokit.cli import exit_code
from echokit.data.clips.clip_store import ClipStore, Preparation, _reader_identity
from echokit.data.cohort.pseudonyms import case_ids
from echokit.data.video.find import expand, is_no_video, split_videos
from echokit.data.video.read import named_patient, read_colours, read_header, read_video
from echokit.data.video.readers import find_reader
from echokit.data.video.write import write_video
from echokit.errors import VideoError
from echokit.plugins.discovery import discover, installed
from echokit.plugins.given import use_file
from echokit.system.hashing import package_hash
from echokit.system.source_modules import source_modules, withdraw
from echokit.testing import check_component
from tests.data.video.make import blobs, write_dicom
from tests.expect import refused

READER = """
import numpy as np
from dataclasses import replace
from echokit import Clip, VideoError


class Reader:
    '''Read arrays.'''

    def __call__(self, path, *, frames, max_bytes):
        video = np.load(path, allow_pickle=False)
        {then}
        return Clip(video, fps=25.0, source="array")
"""
REGISTER = """
from echokit import hookimpl

@hookimpl
def echokit_components(register):
    register.reader("{name}", "{name}.read:Reader", magic={magic}, suffixes=[".npy"]{more})
"""

NUMPY = 'b"\\x93NUMPY"'
Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Return a function that installs a plugin with a reader of ``.npy`` files."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.delenv("ECHOKIT_PLUGINS", raising=False)

    def write(name: str, then: str = "pass", *, magic: str = NUMPY, code: str = READER, more: str = "") -> None:
        package, info = site / name, site / f"{name}-1.0.dist-info"
        package.mkdir()
        info.mkdir()
        magic = magic if magic.startswith(("[", "{")) else f"{{0: {magic}}}"
        (package / "__init__.py").write_text(REGISTER.format(name=name, magic=magic, more=more))
        (package / "read.py").write_text(code.replace("{then}", then))
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[echokit]\n{name} = {name}\n")
        _forget()

    yield write
    monkeypatch.undo()
    _forget()


def _forget() -> None:
    for cached in (installed, package_hash, _reader_identity):
        cached.cache_clear()
    for name in [name for name in sys.modules if name.startswith("lab_")]:
        del sys.modules[name]
    importlib.invalidate_caches()


def array(folder: Path, name: str = "heart.npy", frames: int = 6) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / name, blobs(frames))
    return folder / name


def test_a_plugin_reads_its_format_under_any_name(install: Install, tmp_path: Path) -> None:
    path = array(tmp_path / "study").rename(tmp_path / "study" / "heart.avi")
    with refused("video.unknown_format", "heart.avi"):
        read_video(path)
    install("lab_npy")
    assert np.array_equal(read_video(path).frames, blobs(6))
    assert find_reader(path).reader.full_name == "lab_npy:lab_npy"
    assert read_colours(path, {0}) is None
    assert named_patient(path) is read_header(path).patient is None


def test_readers_are_imported_only_for_their_files(install: Install, tmp_path: Path) -> None:
    install("lab_npy", code="raise SystemExit('imported')")
    write_video(tmp_path / "a.avi", blobs(3), 25)
    write_dicom(tmp_path / "b.dcm", blobs(3))
    (tmp_path / "notes.txt").write_text("patient,ef\n")
    for name in ("a.avi", "b.dcm"):
        assert len(read_video(tmp_path / name)) == 3
    assert is_no_video(tmp_path / "notes.txt")
    assert exit_code(["list", "readers"]) == 0
    assert "lab_npy.read" not in sys.modules
    with refused("component.import_failed", "heart.npy", names=("lab_npy",)):
        read_video(array(tmp_path))


def test_built_in_readers_come_first_then_names(install: Install, tmp_path: Path) -> None:
    install("lab_b")
    install("lab_a")
    install("lab_avi", magic="b'RIFF'")
    write_video(tmp_path / "a.avi", blobs(3), 25)
    assert find_reader(tmp_path / "a.avi").reader.plugin == "echokit"
    assert find_reader(array(tmp_path)).reader.plugin == "lab_a"


def test_a_reader_may_look_closer(install: Install, tmp_path: Path) -> None:
    closer = READER + "\n    def matches(self, path, head):\n        return b'|u1' in head\n"
    install("lab_a", code=closer)
    np.save(tmp_path / "real.npy", blobs(3).astype(float))
    assert find_reader(array(tmp_path)).reader.plugin == "lab_a"
    with refused("video.unknown_format"):
        find_reader(tmp_path / "real.npy")
    assert not is_no_video(tmp_path / "real.npy")  # by its usual ending it should be a video
    install("lab_b", code=closer.replace("return b'|u1' in head", "return 1 / 0"))
    with refused("reader.failed", "real.npy", names=("'lab_b'", "ZeroDivisionError")):
        read_video(tmp_path / "real.npy")


@pytest.mark.parametrize(
    ("then", "code"),
    [
        ("raise RuntimeError(f'Mrs Miller in {path}')", "reader.failed"),
        ("raise SystemExit(3)", "reader.failed"),
        ("open(str(path.parent / 'Miller.txt'))", "reader.failed"),
        ("raise VideoError(f'bad: {path} of {path.parent}', where=str(path), code='lab.bad')", "lab.bad"),
        ("video = video.astype(float)", "reader.failed"),
        ("video = video[0]", "reader.failed"),
        ("video = video[:0]", "reader.wrong_result"),
        ("return video", "reader.wrong_result"),
        ("video = np.repeat(video, 200, axis=0)", "video.too_large"),
    ],
)
def test_a_reader_that_fails_costs_one_line_without_a_path(
    install: Install, tmp_path: Path, then: str, code: str
) -> None:
    install("lab_npy", then)
    path = array(tmp_path / "Miller")
    with refused(code, "heart.npy") as caught:
        read_video(path, max_bytes=100 * blobs(1).nbytes)
    assert isinstance(caught.value, VideoError)
    assert "Miller" not in str(caught.value)
    assert "\n" not in caught.value.message
    assert code == "lab.bad" or code == "video.too_large" or "'lab_npy'" in caught.value.message


def test_a_reader_that_forgets_the_limit_of_frames_is_cut(install: Install, tmp_path: Path) -> None:
    install("lab_npy", "return Clip(video, times=np.arange(len(video)) / 25, source='array')")
    clip = read_video(array(tmp_path), frames=2, max_bytes=2 * blobs(1).nbytes)
    assert np.array_equal(clip.frames, blobs(6)[:2])
    assert clip.times is not None
    assert len(clip.times) == 2


def test_the_files_of_a_folder_are_sorted_by_all_readers(install: Install, tmp_path: Path) -> None:
    install("lab_npy")
    folder = tmp_path / "study"
    array(folder)
    write_video(folder / "a.avi", blobs(3), 25)
    (folder / "broken.npy").write_bytes(b"no array")
    (folder / "empty.npy").touch()
    (folder / "notes.txt").write_text("nothing")
    videos, others = split_videos(expand([str(folder)]))
    assert [path.name for path in videos] == ["a.avi", "broken.npy", "empty.npy", "heart.npy"]
    assert others == 1


SLICES = """
import numpy as np
from echokit import Clip

class Reader:
    '''Read a folder of pictures.'''

    def __call__(self, files, *, frames, max_bytes):
        return Clip(np.stack([np.load(file) for file in files[:frames]]), source="arrays")

    def patient(self, files):
        return "Miller"
"""


def test_a_folder_of_a_plugin_is_one_video(install: Install, tmp_path: Path) -> None:
    install("lab_slices", code=SLICES, more=", folder=True")
    folder = tmp_path / "study" / "heart"
    folder.mkdir(parents=True)
    for number, image in enumerate(blobs(12)):
        np.save(folder / f"{number}.npy", image)
    (folder / "notes.txt").write_text("nothing")
    assert expand([str(tmp_path / "study")]) == [folder]
    clip = read_video(folder)
    assert np.array_equal(clip.frames, blobs(12))
    assert len(clip.notes) == 1  # about the file of another kind
    assert named_patient(folder) == "Miller"
    write_dicom(folder / "one.dcm", blobs(2))
    assert find_reader(folder).reader.name == "dicom_series"


def test_names_of_files_that_can_name_a_patient_are_hidden(install: Install, tmp_path: Path) -> None:
    install("lab_npy")
    path = array(tmp_path, "shown.npy")
    assert case_ids([path]) == ["shown"]
    install("lab_a", code=READER + "\n    def patient(self, path):\n        return 'Miller'\n")
    assert "shown" not in case_ids([path])[0]


def prepare(store: Path, path: Path, workers: int = 1) -> Preparation:
    return ClipStore(store).prepare([("a", path), ("b", array(path.parent, "b.npy", 7))], (), workers=workers)


def test_a_changed_reader_finds_no_old_clip(install: Install, tmp_path: Path) -> None:
    avi = tmp_path / "c.avi"
    write_video(avi, blobs(3), 25)
    before = ClipStore(tmp_path / "store").prepare([("c", avi)], (), workers=1)
    install("lab_npy")
    path = array(tmp_path / "study")
    first = prepare(tmp_path / "store", path)
    assert [reader.full_name for reader in first.readers] == ["lab_npy:lab_npy"]
    assert prepare(tmp_path / "store", path).made == 0
    code = tmp_path / "site" / "lab_npy" / "read.py"
    code.write_text(code.read_text() + "# other code\n")
    _forget()
    assert prepare(tmp_path / "store", path).made == 2
    after = ClipStore(tmp_path / "store").prepare([("c", avi)], (), workers=1)
    assert after.made == 0
    assert after.clips.paths == before.clips.paths
    assert after.readers == ()


def test_workers_have_the_readers_of_their_parent(install: Install, tmp_path: Path) -> None:
    install("lab_npy")
    installed()
    path = array(tmp_path / "study")
    apart = prepare(tmp_path / "store", path, workers=2)
    assert apart.made == 2
    assert prepare(tmp_path / "store", path).made == 0  # under the same names
    install("lab_gone", "import os; os._exit(3)", magic="b'GONE'")
    (tmp_path / "gone").write_bytes(b"GONE")
    done = ClipStore(tmp_path / "store").prepare([("a", tmp_path / "gone"), ("b", path)], (), workers=2)
    assert [failure.case_id for failure in done.failures] == ["a"]


def test_a_reader_of_one_file_is_in_the_workers(tmp_path: Path) -> None:
    hook = REGISTER.replace('"{name}.read:Reader"', "Reader").format(name="arrays", magic='{0: b"\\x93NUMPY"}', more="")
    plugin = tmp_path / "lab_file.py"
    plugin.write_text(READER.replace("{then}", "pass") + hook)
    path = array(tmp_path / "study")
    try:
        use_file(plugin)
        assert find_reader(path).reader.full_name == "lab_file:arrays"
        assert prepare(tmp_path / "store", path, workers=2).made == 2
        assert prepare(tmp_path / "store", path).made == 0
        echokit.register.reader("notes", find_reader(path).reader.load(), magic={0: b"NOTE"}, suffixes=[".note"])
        (tmp_path / "a").write_bytes(b"NOTE")
        assert find_reader(tmp_path / "a").reader.full_name == "notebook:notes"
        assert not is_no_video(array(tmp_path, "b.npy").rename(tmp_path / "b.note"))
    finally:
        for module in source_modules():
            withdraw(module.name)
        _forget()


@pytest.mark.parametrize(
    ("magic", "more"),
    [
        ("{}", ""),
        ("[]", ""),
        ("[{}]", ""),
        ("{0: 'text'}", ""),
        ("{0: b''}", ""),
        ("{-1: b'x'}", ""),
        ("{4096: b'x'}", ""),
        ("[b'x']", ""),
    ],
)
def test_a_magic_that_recognizes_nothing_is_refused(install: Install, magic: str, more: str) -> None:
    install("lab_npy", magic=magic, more=more)
    assert "'lab_npy'" in str(discover().plugin("lab_npy").problem)


WHOLE = """
import numpy as np
from echokit import Clip, VideoError

class Reader:
    '''Read arrays.'''

    def __call__(self, path, *, frames, max_bytes):
        {then}
        try:
            video = np.load(path, mmap_mode="r", allow_pickle=False)[:frames]
        except Exception:
            raise VideoError("damaged") from None
        if video.nbytes > max_bytes or video.ndim != 3 or video.dtype != np.uint8 or not video.size:
            raise VideoError("no video")
        return Clip(np.array(video), source="array")
"""
CASE = """
@hookimpl
def echokit_cases():
    from echokit.testing import Case

    def write(folder):
        import numpy as np
        frames = np.random.default_rng(0).integers(0, 256, (6, 20, 24), dtype=np.uint8)
        np.save(folder / "heart.npy", frames)
        return folder / "heart.npy", frames

    return {"reader.lab_npy": Case(video=write)}
"""


@pytest.mark.parametrize(
    ("old", "new", "check"),
    [
        ("pass", "pass", None),
        ("np.array(video)", "255 - np.array(video)", "reads the video of its case"),
        ("[:frames]", "", "reads the first frames"),
        ("video.nbytes > max_bytes or ", "", "keeps the limit of bytes"),
        ("except Exception", "except KeyError", "a damaged file raises a video error or is marked"),
        ('VideoError("damaged")', 'VideoError(f"damaged: {path}")', "errors name no folder"),
        ("{then}", "(path.parent / 'cache').write_text('x')", "does not change the file"),
        ("np.array(video)", "np.random.randint(0, 256, video.shape, np.uint8)", "gives the same twice"),
        ('source="array"', "source=path.name", "states what it read"),
        ("RIFF", "RIFF", "is found by content"),
        ("RIFF", "RIFF", "claims no other format"),
    ],
)
def test_the_checks_catch_what_a_reader_does_wrong(
    install: Install, tmp_path: Path, old: str, new: str, check: str | None
) -> None:
    install("lab_npy", code=WHOLE.replace(old, new, 1), magic="b'RIFF'" if new == "RIFF" else NUMPY)
    module = tmp_path / "site" / "lab_npy" / "__init__.py"
    module.write_text(module.read_text() + CASE)
    _forget()
    failed = [result.check for result in check_component("reader", "lab_npy") if result.outcome == "failed"]
    assert failed == [] if check is None else check in failed
