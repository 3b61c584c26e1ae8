"""The embed in a real browser: over any background it is the composite that is made here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, expect

from streamer.compositing import composite
from streamer.config.web import WebConfig
from streamer.host import Host
from tests.conftest import MakeModel
from tests.peers.browsing import Viewer, chromium, viewing
from tests.unit.control.metrics.hosting import running
from tests.unit.control.web.hosting import Page, make_box, shown
from tests.waiting import wait_for

WIDTH, HEIGHT = 320, 180
PASSWORD = "correct horse battery"
WITHOUT_WEBGL = """
  const real = HTMLCanvasElement.prototype.getContext;
  HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
    return kind.startsWith("webgl") ? null : real.call(this, kind, ...rest);
  };
"""
WITHOUT_CALLBACKS = "delete HTMLVideoElement.prototype.requestVideoFrameCallback;"
CONTEXT = 'document.querySelector("canvas").getContext("webgl")'
NEAR = 4.0
"""Of 255, in the mean."""


def scene() -> np.ndarray:
    """Black to bright from the left to the right, in all hues: so the model's alpha is 0 to 255."""
    across, down = np.meshgrid(np.linspace(-0.3, 1.3, WIDTH), np.linspace(0, 6.28, HEIGHT))
    light = np.clip(across, 0, 1)
    hues = [1 - 0.2 * (1 + np.sin(down + phase)) for phase in (0, 2, 4)]
    return np.rint(255 * light[..., None] * np.stack(hues, axis=2)).astype(np.uint8)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def host(make_model: MakeModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """A stream of one picture, again and again."""
    monkeypatch.setenv("STREAMER_CACHE", str(tmp_path / "cache"))
    assert cv2.imwrite(str(tmp_path / "scene.png"), scene())
    source = {
        "type": "images",
        "path": str(tmp_path / "scene.png"),
        "loop": True,
        "realtime": True,
        "fps": 20,
    }
    model = str(make_model(size=32, gain=4.0))
    return Host(make_box(model, {"door": {"source": source, "sinks": [{"type": "page"}]}}))


@contextmanager
def embedded(browser: Browser, site: Page, script: str = "", **query: str) -> Iterator[Viewer]:
    """A window of the picture's size that shows the stream alone."""
    window = {"viewport": {"width": WIDTH, "height": HEIGHT}}
    path = f"/embed/door?{urlencode(query)}"
    with viewing(browser, site.url, path, script, **window) as viewer:
        yield viewer


def screenshot(viewer: Viewer, **options: Any) -> np.ndarray:
    """What the window shows: BGR, or BGRA with straight alpha where the background is omitted."""
    data = np.frombuffer(viewer.page.screenshot(**options), np.uint8)
    return cv2.imdecode(data, cv2.IMREAD_UNCHANGED)


def show_picture(viewer: Viewer) -> None:
    """Wait until there is one."""
    viewer.page.locator("canvas").wait_for()


def show_nothing(viewer: Viewer) -> None:
    """Wait until all is transparent."""
    expect(viewer.page.locator("canvas")).to_be_hidden()
    assert not screenshot(viewer, omit_background=True).any()


def cutout(site: Page) -> np.ndarray:
    """The stream's cutout, BGRA with straight alpha."""
    data = site.client.get("/api/streams/door/snapshot.png").content
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)


def over(cut: np.ndarray, background: tuple[int, int, int]) -> np.ndarray:
    """The composite of a cutout."""
    out = np.empty_like(cut[..., :3])
    image, alpha = np.ascontiguousarray(cut[..., :3]), np.ascontiguousarray(cut[..., 3])
    composite(image, alpha, background, out)
    return out


def distance(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Of each pixel, of 255."""
    return np.abs(first.astype(float) - second).mean(axis=2)


def assert_composed(viewer: Viewer, site: Page, background: tuple[int, int, int]) -> None:
    """Where the alpha is 0, where it is soft, where it is 255: the window shows the composite."""
    cut = cutout(site)
    alpha = cut[..., 3]
    off = distance(screenshot(viewer), over(cut, background))
    for there in (alpha == 0, (alpha > 0) & (alpha < 255), alpha == 255):
        assert there.mean() > 0.1, "all kinds of alpha are in the picture"
        assert off[there].mean() < NEAR


@pytest.mark.parametrize(
    "script",
    ["", WITHOUT_WEBGL, WITHOUT_CALLBACKS],
    ids=["webgl", "without webgl", "without callbacks"],
)
@pytest.mark.parametrize(
    ("colour", "background"), [("#ffffff", (255, 255, 255)), ("#ff4080", (128, 64, 255))]
)
def test_over_a_background_it_is_the_composite(
    browser: Browser, host: Host, script: str, colour: str, background: tuple[int, int, int]
) -> None:
    with (
        running(host),
        shown(host) as site,
        embedded(browser, site, script, background=colour) as viewer,
    ):
        show_picture(viewer)
        assert_composed(viewer, site, background)


def test_over_nothing_it_is_the_cutout(browser: Browser, host: Host) -> None:
    with running(host), shown(host) as site, embedded(browser, site) as viewer:
        show_picture(viewer)
        picture, cut = screenshot(viewer, omit_background=True), cutout(site)
        assert not picture[[0, -1], 0].any(), "the corners of no alpha are transparent"
        assert (picture[[0, -1], -1, 3] == 255).all()
        assert np.abs(picture[..., 3].astype(float) - cut[..., 3]).mean() < NEAR


def test_the_threshold_of_the_mask_and_the_form_of_cutouts_change_nothing(
    browser: Browser, host: Host
) -> None:
    with (
        running(host),
        shown(host) as site,
        embedded(browser, site, background="#ffffff") as viewer,
    ):
        show_picture(viewer)
        assert site.patch({"refine.threshold": 0.9, "compose.background": "white"}).is_success
        wait_for(lambda: site.show()["settings"]["refine"]["threshold"] == 0.9)
        viewer.page.wait_for_timeout(1000)
        assert_composed(viewer, site, (255, 255, 255))


def test_a_layout_with_a_background_is_shown_as_it_is(browser: Browser, host: Host) -> None:
    with (
        running(host),
        shown(host) as site,
        embedded(browser, site, layout="source", background="#ff00ff") as viewer,
    ):
        viewer.page.locator("video.shown:not(.empty)").wait_for()
        assert distance(screenshot(viewer), scene()).mean() < NEAR


def test_it_comes_back_when_the_gpu_does(browser: Browser, host: Host) -> None:
    with (
        running(host),
        shown(host) as site,
        embedded(browser, site, background="#ffffff") as viewer,
    ):
        show_picture(viewer)
        viewer.page.evaluate(f"window.lost = {CONTEXT}.getExtension('WEBGL_lose_context')")
        viewer.page.evaluate("lost.loseContext()")
        expect(viewer.page.locator("canvas")).to_be_hidden()
        viewer.page.evaluate("lost.restoreContext()")
        show_picture(viewer)
        assert_composed(viewer, site, (255, 255, 255))
        viewer.wrong = [text for text in viewer.wrong if "CONTEXT_LOST" not in text]


def test_of_a_stream_that_has_ended_nothing_is_shown(browser: Browser, host: Host) -> None:
    with shown(host) as site, embedded(browser, site) as viewer:
        with running(host):
            show_picture(viewer)
        show_nothing(viewer)


def test_of_a_stream_that_is_paused_nothing_is_shown(browser: Browser, host: Host) -> None:
    with running(host), shown(host) as site, embedded(browser, site) as viewer:
        show_picture(viewer)
        assert site.post("pause").is_success
        show_nothing(viewer)
        assert site.post("resume").is_success
        show_picture(viewer)


def test_without_a_server_nothing_is_shown_until_it_is_back(browser: Browser, host: Host) -> None:
    with running(host), ExitStack() as stack:
        with shown(host) as site:
            viewer = stack.enter_context(embedded(browser, site))
            show_picture(viewer)
        show_nothing(viewer)
        with shown(host, WebConfig(listen=site.url.removeprefix("http://"))):
            show_picture(viewer)
        viewer.wrong.clear()  # the browser tells of each try


def test_who_is_not_let_in_is_told_where_to_log_in(browser: Browser, host: Host) -> None:
    config = WebConfig(listen="127.0.0.1:0", password=PASSWORD)
    with running(host), shown(host, config) as site, embedded(browser, site) as viewer:
        expect(viewer.page.get_by_role("status")).to_have_text(f"Log in at {site.url}/")
        login = {"password": PASSWORD}
        viewer.page.request.post(f"{site.url}/api/session", data=login)
        show_picture(viewer)
        expect(viewer.page.get_by_role("status")).to_be_hidden()


def test_a_stream_that_there_is_not_is_named(browser: Browser, host: Host) -> None:
    with shown(host) as site, viewing(browser, site.url, "/embed/nope") as viewer:
        expect(viewer.page.get_by_role("status")).to_have_text("There is no stream nope.")
