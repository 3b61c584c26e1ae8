from __future__ import annotations

import errno
from pathlib import Path

import av
import pytest

from streamer.errors import SinkError
from streamer.sinks.shared.paths import make_folder, refusal


def test_folders_are_made_with_their_parents(tmp_path: Path):
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


def test_a_file_in_place_of_a_folder_is_named(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(SinkError, match="is a file: choose another folder"):
        make_folder(tmp_path / "a")
    with pytest.raises(SinkError, match="a part of this path is a file"):
        make_folder(tmp_path / "a" / "b")


@pytest.mark.parametrize(
    ("number", "way_out"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EFBIG, "shorter pieces"),
        (errno.EACCES, "choose another folder"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_a_refusal_is_one_line_with_the_file_and_the_way_out(number: int, way_out: str):
    error = refusal(Path("out/x.mp4"), OSError(number, "Input/output error"))
    assert str(error).startswith("out/x.mp4: ")
    assert way_out in str(error)
    assert "\n" not in str(error)


def test_a_failure_of_ffmpeg_without_a_number_is_not_called_a_lack_of_permission():
    error = refusal(Path("x.mp4"), av.PermissionError(errno.EPERM, "Operation not permitted", "x"))
    assert str(error) == "x.mp4: cannot be written: FFmpeg gives no reason"
    assert "no permission" in str(refusal(Path("x.mp4"), OSError(errno.EPERM, "not permitted")))
    denied = av.PermissionError(errno.EACCES, "Permission denied", "x")
    assert "no permission" in str(refusal(Path("x.mp4"), denied))
