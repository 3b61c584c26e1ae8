"""The page in Firefox: its picture by video or JPEG, its controls, and the embed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from streamer.compositing import composite
from streamer.host import Host
from tests.conftest import MakeModel
from tests.peers.firefox import Window, firefox
from tests.unit.control.metrics.hosting import running
from tests.unit.control.web.hosting import make_box, shown
from tests.waiting import wait_for

WIDTH, HEIGHT = 320, 180
PLAYS_H264 = """MediaSource.isTypeSupported('video/mp4; codecs="avc1.42c01e"')"""
WITHOUT_DECODER = {"media.ffmpeg.enabled": False}
"""As where libavcodec is not installed."""
GREEN = (64, 177, 0)
"""The background of that name, BGR."""
NEAR = 4.0
"""Of 255, in the mean."""


@pytest.fixture
def host(make_model: MakeModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """A stream that moves, and whose alpha is a half everywhere."""
    monkeypatch.setenv("STREAMER_CACHE", str(tmp_path / "cache"))
    source = {"type": "synthetic", "width": WIDTH, "height": HEIGHT, "realtime": True, "fps": 20}
    model = str(make_model(size=32, gain=0.0))
    page = {"type": "page", "layout": "composite"}
    host = Host(make_box(model, {"door": {"source": source, "sinks": [page]}}))
    with running(host):
        yield host


@pytest.fixture
def still(make_model: MakeModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """A stream of one picture, grey from black to white, whose alpha is 0 to 255."""
    monkeypatch.setenv("STREAMER_CACHE", str(tmp_path / "cache"))
    row = 255 * np.clip(np.linspace(-0.3, 1.3, WIDTH), 0, 1)
    path = tmp_path / "scene.png"
    assert cv2.imwrite(str(path), np.tile(np.rint(row)[None, :, None], (HEIGHT, 1, 3)))
    source = {"type": "images", "path": str(path), "loop": True, "realtime": True, "fps": 20}
    model = str(make_model(size=32, gain=4.0))
    host = Host(make_box(model, {"door": {"source": source, "sinks": [{"type": "page"}]}}))
    with running(host):
        yield host


def needs_h264(window: Window) -> None:
    """Skip where this browser has no decoder."""
    if not window.evaluate(PLAYS_H264):
        pytest.skip("Firefox plays no H.264 without libavcodec: apt-get install ffmpeg")


def test_live_video_moves_and_its_controls_change_it(host: Host, tmp_path: Path) -> None:
    with shown(host) as site, firefox(tmp_path, site.url) as window:
        needs_h264(window)
        window.moves()
        assert window.shows("#picture video")
        wait_for(lambda: window.text("#how").startswith("Video"))
        assert not is_over_green(window.picture())
        window.click("label", "Green")
        window.wait_for(is_over_green)
        window.click("label", "Threshold")
        window.press("Right", 10)
        wait_for(lambda: site.show()["settings"]["refine"]["threshold"] > 0.5)
        window.moves()


def test_without_a_decoder_the_picture_comes_by_jpeg(host: Host, tmp_path: Path) -> None:
    with (
        shown(host) as site,
        firefox(tmp_path, site.url, preferences=WITHOUT_DECODER) as window,
    ):
        assert not window.evaluate(PLAYS_H264)
        window.moves()
        assert window.shows("#picture img")
        assert not window.shows("#picture video")
        wait_for(lambda: "does not play" in window.text("#how"))
        assert not is_over_green(window.picture())
        window.click("label", "Green")
        window.wait_for(is_over_green)
        window.moves()


def test_without_webgl_the_embed_is_the_composite(still: Host, tmp_path: Path) -> None:
    path, size = "/embed/door?background=%23ff00ff", (WIDTH, HEIGHT)
    with (
        shown(still) as site,
        firefox(tmp_path, site.url, path, size, {"webgl.disabled": True}) as window,
    ):
        needs_h264(window)
        wait_for(lambda: window.shows("canvas"))
        data = np.frombuffer(site.client.get("/api/streams/door/snapshot.png").content, np.uint8)
        cut = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
        wanted = np.empty_like(cut[..., :3])
        image, alpha = np.ascontiguousarray(cut[..., :3]), np.ascontiguousarray(cut[..., 3])
        composite(image, alpha, (255, 0, 255), wanted)
        off = np.abs(window.screenshot().astype(float) - wanted).mean(axis=2)
        for there in (alpha == 0, (alpha > 0) & (alpha < 255), alpha == 255):
            assert off[there].mean() < NEAR


def is_over_green(picture: np.ndarray) -> bool:
    """Whether half of every pixel is green: the picture lies over it."""
    return bool((picture.min((0, 1)) > np.array(GREEN) // 2 - 8).all())
