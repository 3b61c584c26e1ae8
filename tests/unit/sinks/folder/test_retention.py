from __future__ import annotations

import threading
from pathlib import Path

import pytest

from streamer.errors import SinkError
from streamer.sinks.folder.retention import Retention


class Hands:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now_ns(self) -> int:
        return int(self.seconds * 1e9)

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        raise AssertionError("nothing here waits")


def write(folder: Path, name: str, retention: Retention, size: int = 400_000) -> None:
    path = folder / name
    path.write_bytes(bytes(size))
    retention.add(path, size)
    retention.apply()


def names(folder: Path) -> list[str]:
    return sorted(f.name for f in folder.iterdir())


def test_without_a_limit_everything_stays(tmp_path: Path):
    retention = Retention()
    for name in "abc":
        write(tmp_path, name, retention)
    assert names(tmp_path) == ["a", "b", "c"]
    assert retention.deleted == 0


def test_the_oldest_go_by_their_number(tmp_path: Path):
    retention = Retention(count=2)
    for name in "abcd":
        write(tmp_path, name, retention)
    assert names(tmp_path) == ["c", "d"]
    assert retention.deleted == 2


def test_the_oldest_go_by_their_size(tmp_path: Path):
    retention = Retention(megabytes=1)
    for name in "abcd":
        write(tmp_path, name, retention)
    assert names(tmp_path) == ["c", "d"]


def test_the_newest_stays_however_large(tmp_path: Path):
    retention = Retention(megabytes=0.1)
    for name in "ab":
        write(tmp_path, name, retention)
    assert names(tmp_path) == ["b"]


def test_they_go_by_their_age_also_while_none_is_written(tmp_path: Path):
    clock = Hands()
    retention = Retention(age_s=10, clock=clock)
    write(tmp_path, "a", retention)
    clock.seconds += 6
    write(tmp_path, "b", retention)
    clock.seconds += 6
    retention.apply()
    assert names(tmp_path) == ["b"]
    clock.seconds += 6
    retention.apply()
    assert names(tmp_path) == []


def test_another_file_that_took_the_name_is_left_alone(tmp_path: Path):
    retention = Retention(count=1)
    write(tmp_path, "a", retention)
    (tmp_path / "mine").write_bytes(b"mine")
    (tmp_path / "mine").replace(tmp_path / "a")
    write(tmp_path, "b", retention)
    assert (tmp_path / "a").read_bytes() == b"mine"
    assert retention.deleted == 0


def test_one_that_someone_deleted_is_no_matter(tmp_path: Path):
    retention = Retention(count=1)
    write(tmp_path, "a", retention)
    (tmp_path / "a").unlink()
    write(tmp_path, "b", retention)
    assert names(tmp_path) == ["b"]


def test_one_that_cannot_be_deleted_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    retention = Retention(count=1)
    write(tmp_path, "a", retention)

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(SinkError, match="a: cannot be deleted to keep the limit: Permission"):
        write(tmp_path, "b", retention)
