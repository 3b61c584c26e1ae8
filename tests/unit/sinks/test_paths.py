from __future__ import annotations

import errno
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streamer.errors import ConfigError, SinkError
from streamer.sinks.paths import fill_path, make_folder, refusal

START = datetime(2026, 1, 31, 12, 0, 5, tzinfo=UTC)


def test_stream_and_start_are_filled_in():
    path = fill_path("out/{stream}-{start:%Y%m%d-%H%M%S}.mp4", stream="desk", start=START)
    assert path == Path("out/desk-20260131-120005.mp4")


@pytest.mark.parametrize("template", ["{camera}.mp4", "{}.mp4", "{0}.mp4", "{stream.real}.mp4"])
def test_another_field_is_refused_with_the_fields_there_are(template: str):
    with pytest.raises(ConfigError, match=r"use \{stream\} or \{start"):
        fill_path(template, stream="desk", start=START)


def test_a_template_with_a_lonely_brace_is_refused():
    with pytest.raises(ConfigError, match=r"out/\{.mp4"):
        fill_path("out/{.mp4", stream="desk", start=START)


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
