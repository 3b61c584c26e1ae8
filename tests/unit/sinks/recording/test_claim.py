"""A file is one recording's, whichever process that is in, until it ends or dies."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import av
import pytest

from streamer.compositing import Composer
from streamer.errors import SinkError
from streamer.sinks import RecordSink
from streamer.sinks.recording import claim
from streamer.sinks.recording.claim import Claim, lock_beside
from tests.unit.sinks.scene import shot, stream_info

HOST = Path(__file__).with_name("record_host.py")
TAKEN = r"a\.mp4: another recording goes into it: name another file"


def recording(path: Path) -> RecordSink:
    sink = RecordSink(path, Composer("source"), overwrite=True)
    sink.open(stream_info())
    return sink


@pytest.mark.parametrize("written", [0, 3], ids=["before a frame", "after some"])
def test_a_second_recording_into_one_file_is_refused_and_the_first_is_whole(
    tmp_path: Path, written: int
):
    path = tmp_path / "a.mp4"
    first = recording(path)
    for index in range(written):
        first.write(*shot(index))
    second = RecordSink(path, Composer("source"), overwrite=True)
    with pytest.raises(SinkError, match=TAKEN):
        second.open(stream_info())
    second.close()
    for index in range(written, 5):
        first.write(*shot(index))
    first.close()
    with av.open(str(path)) as film:
        assert len(list(film.decode(video=0))) == 5
    assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"], "the lock leaves nothing behind"


def test_another_name_of_the_file_is_the_same_file(tmp_path: Path):
    path = tmp_path / "a.mp4"
    first = recording(path)
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(SinkError, match=TAKEN):
        recording(tmp_path / "link" / "a.mp4")
    first.close()


@pytest.mark.parametrize("frames", [0, 2])
def test_a_file_is_free_again_once_its_recording_has_ended(tmp_path: Path, frames: int):
    path = tmp_path / "a.mp4"
    for _ in range(2):
        sink = recording(path)
        for index in range(frames):
            sink.write(*shot(index))
        sink.close()
    assert path.exists() == bool(frames)


def test_another_process_is_refused_until_the_first_is_killed(
    tmp_path: Path, script_environment: dict[str, str]
):
    path = tmp_path / "a.mp4"
    with subprocess.Popen(
        [sys.executable, str(HOST), str(path), "0"],
        stdout=subprocess.PIPE,
        text=True,
        env=script_environment,
    ) as host:
        assert host.stdout is not None
        host.stdout.readline()
        try:
            with pytest.raises(SinkError, match=TAKEN):
                recording(path)
        finally:
            host.send_signal(signal.SIGKILL)
            host.stdout.read()
    sink = recording(path)
    sink.write(*shot())
    sink.close()
    with av.open(str(path)) as film:
        assert len(list(film.decode(video=0))) == 1


def test_the_first_part_of_a_recording_is_claimed_to_the_end_and_so_is_the_latest(tmp_path: Path):
    sink = RecordSink(tmp_path / "a.mp4", Composer("source"), resize="new_file", overwrite=True)
    sink.open(stream_info())
    sink.write(*shot(0))
    sink.write(*shot(1, width=96, height=64, epoch=1))
    for name in ("a.mp4", "a-2.mp4"):
        with pytest.raises(SinkError, match="another recording"):
            Claim(tmp_path / name, replace=True)
    sink.close()
    for name in ("a.mp4", "a-2.mp4"):
        Claim(tmp_path / name, replace=True).release()


def test_a_part_whose_name_another_recording_has_takes_the_next(tmp_path: Path):
    other = Claim(tmp_path / "a-2.mp4", replace=True)
    sink = RecordSink(tmp_path / "a.mp4", Composer("source"), resize="new_file", overwrite=True)
    sink.open(stream_info())
    sink.write(*shot(0))
    sink.write(*shot(1, width=96, height=64, epoch=1))
    sink.close()
    assert sink.statistics()["path"].endswith("a-3.mp4")
    other.release()


def test_a_file_that_was_deleted_as_it_was_claimed_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"old")
    lock, deleted = claim._locked, []

    def delete_once(name: Path, handle: int):
        if not deleted:
            deleted.append(True)
            path.unlink()
        return lock(name, handle)

    monkeypatch.setattr(claim, "_locked", delete_once)
    taken = Claim(path, replace=True)
    assert taken.made
    assert path.read_bytes() == b""
    with pytest.raises(SinkError, match=TAKEN):
        Claim(path, replace=True)
    taken.release(delete=True)
    assert not path.exists()


def test_a_disk_without_locks_takes_recordings_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    fcntl = pytest.importorskip("fcntl")

    def refuse(handle: int, operation: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    Claim(tmp_path / "a.mp4", replace=False).release()


def test_where_the_file_itself_cannot_be_locked_its_name_is(tmp_path: Path):
    release = lock_beside(tmp_path / "a.mp4")
    with pytest.raises(BlockingIOError):
        lock_beside(tmp_path / "b" / ".." / "a.mp4")
    lock_beside(tmp_path / "c.mp4")()
    release()
    lock_beside(tmp_path / "a.mp4")()
