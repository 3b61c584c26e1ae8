from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from streamer.config import fill_path, is_among

START = datetime(2026, 1, 31, 12, 0, 5, tzinfo=UTC)


def test_stream_and_start_are_filled_in():
    path = fill_path("out/{stream}-{start:%Y%m%d-%H%M%S}.mp4", stream="desk", start=START)
    assert path == Path("out/desk-20260131-120005.mp4")


@pytest.mark.parametrize("template", ["{camera}.mp4", "{}.mp4", "{0}.mp4", "{stream.real}.mp4"])
def test_another_field_is_refused_with_the_fields_there_are(template: str):
    with pytest.raises(ValueError, match=r"use \{stream\} or \{start"):
        fill_path(template, stream="desk", start=START)


@pytest.mark.parametrize("template", ["{start:{x}}.mp4", "a\0b.mp4", "~no-such-user/a.mp4"])
def test_what_cannot_be_filled_in_or_named_is_refused(template: str):
    with pytest.raises(ValueError, match=r"\.mp4: "):
        fill_path(template, stream="desk", start=START)


def test_a_file_is_known_by_whatever_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.mp4").write_bytes(b"a")
    (tmp_path / "link.mp4").symlink_to("a.mp4")
    (tmp_path / "hard.mp4").hardlink_to("a.mp4")
    for name in ("a.mp4", "./a.mp4", str(tmp_path / "a.mp4"), "~/a.mp4", "link.mp4", "hard.mp4"):
        assert is_among(name, ["b.mp4", "a.mp4"]), name
    assert is_among("not/there.mp4", ["not/./there.mp4"])
    assert not is_among("b.mp4", ["a.mp4"])
    assert not is_among("a.mp4", [])


def test_a_template_with_a_lonely_brace_is_refused():
    with pytest.raises(ValueError, match=r"out/\{.mp4"):
        fill_path("out/{.mp4", stream="desk", start=START)
