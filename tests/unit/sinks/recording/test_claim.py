"""A file is one recording's, whichever process that is in, until it ends or dies."""

from __future__ import annotations

import os
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
from streamer.sinks.recording.film import Film
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


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such pipes and devices")
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_pipe_or_a_link_to_a_device_outlives_a_recording_that_fails(tmp_path: Path, kind: str):
    path = tmp_path / "p.webm"
    reader = -1
    if kind == "pipe":
        os.mkfifo(path)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    else:
        path.symlink_to("/dev/null")
    sink = RecordSink(path, Composer("source"), codec="av1", overwrite=True)
    sink.open(stream_info())
    with pytest.raises(SinkError, match="4x4 at least"):
        sink.write(*shot(width=2, height=2))
    sink.close()
    if reader >= 0:
        os.close(reader)
    assert path.is_fifo() if kind == "pipe" else path.is_symlink()


def test_a_link_to_a_file_outlives_a_recording_that_fails(tmp_path: Path):
    path = tmp_path / "p.webm"
    path.symlink_to(tmp_path / "target.webm")
    (tmp_path / "target.webm").touch()
    sink = RecordSink(path, Composer("source"), codec="av1", overwrite=True)
    sink.open(stream_info())
    with pytest.raises(SinkError, match="4x4 at least"):
        sink.write(*shot(width=2, height=2))
    assert path.is_symlink()


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("frames", [0, 2])
def test_the_empty_file_of_a_run_that_was_killed_is_free(
    tmp_path: Path, frames: int, *, overwrite: bool
):
    path = tmp_path / "a.mp4"
    path.touch()
    sink = RecordSink(path, Composer("source"), overwrite=overwrite)
    sink.open(stream_info())
    for index in range(frames):
        sink.write(*shot(index))
    sink.close()
    assert path.exists() == bool(frames)


def test_an_empty_file_that_another_recording_has_is_refused_as_such(tmp_path: Path):
    first = recording(tmp_path / "a.mp4")
    with pytest.raises(SinkError, match=TAKEN):
        Claim(tmp_path / "a.mp4", replace=False)
    first.close()


def test_a_file_that_was_filled_as_it_was_claimed_exists_already(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "a.mp4"
    path.touch()
    lock = claim._locked

    def fill(name: Path, handle: int):
        path.write_bytes(b"mine")
        return lock(name, handle)

    monkeypatch.setattr(claim, "_locked", fill)
    with pytest.raises(SinkError, match="exists already"):
        Claim(path, replace=False)
    Claim(path, replace=True).release()
    assert path.read_bytes() == b"mine"


def test_all_parts_are_free_though_the_last_one_cannot_be_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    sink = RecordSink(tmp_path / "a.mp4", Composer("source"), resize="new_file")
    sink.open(stream_info())
    sink.write(*shot(0))
    sink.write(*shot(1, width=96, height=64, epoch=1))

    def fail(film: Film) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Film, "finish", fail)
    with pytest.raises(SinkError, match="the disk is full"):
        sink.close()
    for name in ("a.mp4", "a-2.mp4"):
        Claim(tmp_path / name, replace=True).release()


def test_a_part_whose_name_is_what_the_stream_reads_takes_the_next(tmp_path: Path):
    read = tmp_path / "a-2.mp4"
    read.write_bytes(b"read")
    sink = RecordSink(
        tmp_path / "a.mp4",
        Composer("source"),
        resize="new_file",
        overwrite=True,
        kept=[str(read)],
    )
    sink.open(stream_info())
    sink.write(*shot(0))
    sink.write(*shot(1, width=96, height=64, epoch=1))
    sink.close()
    assert sink.statistics()["path"].endswith("a-3.mp4")
    assert read.read_bytes() == b"read"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the file system so")
@pytest.mark.parametrize("kind", ["cifs", "smb3", "ext4"])
def test_on_a_share_whose_locks_keep_ffmpeg_from_writing_the_name_is_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
):
    device = tmp_path.stat().st_dev
    where = f"{os.major(device)}:{os.minor(device)} / /mnt/a\\040b rw,relatime shared:1"
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"35 1 9999:0 / / rw - cifs //a/b rw\n36 35 {where} - {kind} //a/c rw\n")
    monkeypatch.setattr(claim, "_MOUNTS", mounts)
    fcntl = pytest.importorskip("fcntl")
    path = tmp_path / "a.mp4"
    taken = Claim(path, replace=False)
    with path.open("rb") as other:
        if kind == "ext4":
            with pytest.raises(BlockingIOError):
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with pytest.raises(SinkError, match=TAKEN):
        Claim(path, replace=True)
    taken.release(delete=True)
    assert not path.exists()
