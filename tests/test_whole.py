"""A file is the old one or the new one, and nothing is left beside it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hierprune.whole import write_whole


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize("content", ["a\r\nü€\n", b"\xff\x00\r\n", "", b""])
def test_what_is_written_replaces_what_was_there(
    tmp_path: Path, content: str | bytes, durable: bool
) -> None:
    path = tmp_path / "file"
    path.write_text("old, and longer than all that is new")
    write_whole(path, content, durable=durable)
    assert path.read_bytes() == (content if isinstance(content, bytes) else content.encode())
    assert list(tmp_path.iterdir()) == [path]


def test_durable_means_the_content_before_the_name_and_then_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, synced = tmp_path / "file", []

    def fsync(fd: int) -> None:
        synced.append((Path(f"/proc/self/fd/{fd}").readlink(), path.exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    write_whole(path, "brief", durable=True)
    (draft, early), folder = synced
    assert draft.parent == tmp_path
    assert draft != path
    assert not early
    assert folder == (tmp_path, True)
    synced.clear()
    write_whole(path, "brief")
    assert synced == []


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_what_cannot_be_written_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*((os, "fsync") if broken == "fsync" else (Path, "replace")), full)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, "new", durable=True)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_synced_keeps_the_new_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, opened = tmp_path / "file", os.open
    path.write_text("old")

    def refusing(name: str, *rest: int) -> int:
        if Path(name) == tmp_path:
            raise PermissionError(13, "Permission denied")
        return opened(name, *rest)

    monkeypatch.setattr(os, "open", refusing)
    write_whole(path, "new", durable=True)
    assert path.read_text() == "new"


def test_writers_at_one_time_do_not_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, replace = tmp_path / "file", Path.replace

    def late(draft: Path, target: Path) -> Path:
        monkeypatch.setattr(Path, "replace", replace)
        write_whole(path, "of the other one")
        return replace(draft, target)

    monkeypatch.setattr(Path, "replace", late)
    write_whole(path, "of the last one")
    assert path.read_text() == "of the last one"
    assert list(tmp_path.iterdir()) == [path]
