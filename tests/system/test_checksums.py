"""Checksums of the files of a folder."""

from pathlib import Path

import pytest

from echokit.system.checksums import CHECKSUMS, add_checksums, checksum_problem, read_checksums, write_checksums


def test_a_changed_missing_or_unknown_file_has_a_problem(tmp_path: Path) -> None:
    (tmp_path / "part").mkdir()
    for name in ("a", "part/b", "c"):
        (tmp_path / name).write_text(name)
    add_checksums(tmp_path, ["a", "nothing"])
    add_checksums(tmp_path, ["part/b"])
    assert list(read_checksums(tmp_path)) == ["a", "part/b"]
    assert [checksum_problem(tmp_path, name) for name in ("a", "part/b")] == [None, None]
    assert checksum_problem(tmp_path, "c")
    (tmp_path / "part" / "b").write_text("B")
    assert checksum_problem(tmp_path, "part/b")
    (tmp_path / "a").unlink()
    assert checksum_problem(tmp_path, "a")


@pytest.mark.parametrize("content", [b"", b"[1]", b"\xff", b"{", b"[" * 100_000])
def test_a_damaged_list_of_checksums_vouches_for_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_text("a")
    write_checksums(tmp_path, {})
    (tmp_path / CHECKSUMS).write_bytes(content)
    assert checksum_problem(tmp_path, "a")
