"""A file is there whole, or as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.core import writing
from streamer.core.writing import write_whole


def test_a_file_takes_the_place_of_another(tmp_path: Path) -> None:
    path = tmp_path / "b.png"
    for content in (b"first", b"second"):
        write_whole(path, content, sync=True)
        assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_it_does_not_where_it_must_not(tmp_path: Path) -> None:
    path = tmp_path / "b.png"
    write_whole(path, b"first", overwrite=False)
    with pytest.raises(FileExistsError):
        write_whole(path, b"second", overwrite=False)
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_in_one_folder_do_not_meet(tmp_path: Path, monkeypatch) -> None:
    move = Path.replace

    def write_another_meanwhile(part: Path, path: Path) -> Path:
        monkeypatch.setattr(Path, "replace", move)
        write_whole(tmp_path / "b.png", b"other")
        return move(part, path)

    monkeypatch.setattr(Path, "replace", write_another_meanwhile)
    write_whole(tmp_path / "a.png", b"one")
    assert (tmp_path / "a.png").read_bytes() == b"one"
    assert (tmp_path / "b.png").read_bytes() == b"other"


@pytest.mark.parametrize("step", ["replace", "fsync"])
def test_what_cannot_be_written_leaves_the_old_file_and_no_part(
    tmp_path: Path, monkeypatch, step: str
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path if step == "replace" else writing.os, step, fail)
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, b"new", sync=True)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
