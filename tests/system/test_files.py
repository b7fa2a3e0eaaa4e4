"""Atomic writes: the old content or the new one, whatever fails in between."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from echokit.system.files import atomic_file, new_folder, write_bytes, write_text


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fail_in_file(path: Path) -> None:
    with atomic_file(path) as draft:
        draft.write_text("half")
        raise ValueError("stop")


def fail_in_folder(path: Path) -> None:
    with new_folder(path) as draft:
        (draft / "a.txt").touch()
        raise ValueError("stop")


def test_a_file_is_replaced_and_no_draft_is_left(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old\n")
    write_text(path, "größer\n")
    assert path.read_bytes() == "größer\n".encode()
    assert names(tmp_path) == ["a.txt"]


def test_an_error_while_writing_keeps_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(ValueError, match="stop"):
        fail_in_file(path)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_failing_rename_keeps_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def fail(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no space"):
        write_bytes(path, b"new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.skipif(os.name != "posix", reason="there are no such permissions")
def test_a_private_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "key"
    with atomic_file(path, private=True) as draft:
        assert draft.stat().st_mode & 0o777 == 0o600
        draft.write_bytes(b"secret")
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_new_folder_appears_complete_or_not_at_all(tmp_path: Path) -> None:
    with new_folder(tmp_path / "data") as draft:
        (draft / "a.txt").touch()
        assert not (tmp_path / "data").exists()
    with pytest.raises(ValueError, match="stop"):
        fail_in_folder(tmp_path / "other")
    assert names(tmp_path) == ["data"]
    assert names(tmp_path / "data") == ["a.txt"]
