from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from streamer.config import fill_path

START = datetime(2026, 1, 31, 12, 0, 5, tzinfo=UTC)


def test_stream_and_start_are_filled_in():
    path = fill_path("out/{stream}-{start:%Y%m%d-%H%M%S}.mp4", stream="desk", start=START)
    assert path == Path("out/desk-20260131-120005.mp4")


@pytest.mark.parametrize("template", ["{camera}.mp4", "{}.mp4", "{0}.mp4", "{stream.real}.mp4"])
def test_another_field_is_refused_with_the_fields_there_are(template: str):
    with pytest.raises(ValueError, match=r"use \{stream\} or \{start"):
        fill_path(template, stream="desk", start=START)


def test_a_template_with_a_lonely_brace_is_refused():
    with pytest.raises(ValueError, match=r"out/\{.mp4"):
        fill_path("out/{.mp4", stream="desk", start=START)
