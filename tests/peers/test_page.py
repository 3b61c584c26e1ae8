"""The page in a real browser: live pictures, and controls that change what every viewer sees."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, expect

from streamer.config.web import WebConfig
from streamer.host import Host
from tests.conftest import MakeModel
from tests.peers.browsing import chromium, viewing
from tests.unit.control.metrics.hosting import running
from tests.unit.control.web.hosting import make_box, shown
from tests.waiting import wait_for

PASSWORD = "correct horse battery"
GREEN, WHITE = (0, 255, 0), (255, 255, 255)
SOURCE = {"type": "synthetic", "width": 320, "height": 180, "realtime": True, "fps": 20}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def host(make_model: MakeModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """A stream whose alpha is a half everywhere."""
    monkeypatch.setenv("STREAMER_CACHE", str(tmp_path / "cache"))
    model = str(make_model(size=32, gain=0.0))
    page = {"type": "page", "layout": "composite"}
    film = {"type": "record", "path": str(tmp_path / "film.mp4"), "from_start": False}
    host = Host(make_box(model, {"door": {"source": SOURCE, "sinks": [page, film]}}))
    with running(host):
        yield host


def is_near(colour: tuple[int, int, int]) -> Callable[[np.ndarray], bool]:
    """Whether half of every pixel is *colour*: the picture lies over it."""
    most = np.array(colour) // 2

    def near(picture: np.ndarray) -> bool:
        return bool((picture.min((0, 1)) > most - 24).all())

    return near


def test_live_video_moves_and_its_controls_change_it(browser: Browser, host: Host) -> None:
    with shown(host) as site, viewing(browser, site.url) as viewer:
        page = viewer.page
        viewer.moves()
        assert page.locator("#picture video").is_visible()
        page.get_by_text("White", exact=True).click()
        viewer.wait_for(is_near(WHITE))
        page.get_by_text("Green", exact=True).click()
        viewer.wait_for(lambda now: is_near(GREEN)(now) and not is_near(WHITE)(now))
        page.get_by_label("Layout").select_option("mask")
        viewer.wait_for(lambda now: now.min() > 230)  # one half is at the threshold
        threshold = page.get_by_role("slider", name=re.compile("Threshold"))
        threshold.focus()
        for _ in range(10):
            page.keyboard.press("ArrowRight")
        viewer.wait_for(lambda now: now.max() < 25)
        assert site.show()["settings"]["refine"]["threshold"] > 0.5


def test_pictures_by_jpeg_move_too(browser: Browser, host: Host) -> None:
    with shown(host) as site, viewing(browser, site.url) as viewer:
        viewer.moves()
        viewer.page.get_by_label("Picture by").select_option("jpeg")
        viewer.page.locator("#picture img").wait_for()
        viewer.moves()


def test_two_browsers_see_each_others_changes(browser: Browser, host: Host) -> None:
    with (
        shown(host) as site,
        viewing(browser, site.url) as one,
        viewing(browser, site.url, viewport={"width": 390, "height": 844}) as other,
    ):
        one.moves()
        other.moves()
        one.page.get_by_text("Green", exact=True).click()
        other.wait_for(is_near(GREEN))
        expect(other.page.get_by_role("radio", name="Green")).to_be_checked()
        one.page.get_by_role("button", name="Pause").click()
        expect(other.page.get_by_role("button", name="Resume")).to_be_visible()
        other.page.get_by_role("button", name="Resume").click()
        one.moves()
        width = other.page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390, "a phone need not scroll sideways"


def test_a_region_is_drawn_with_the_mouse(browser: Browser, host: Host) -> None:
    with shown(host) as site, viewing(browser, site.url) as viewer:
        viewer.moves()
        page = viewer.page
        page.get_by_role("button", name=re.compile("Draw")).click()
        box = page.locator("#drawing").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + box["height"] * 0.25)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + box["height"] * 0.75, steps=5)
        page.mouse.up()
        wait_for(lambda: site.show()["settings"]["preprocess"]["roi"])
        (region,) = site.show()["settings"]["preprocess"]["roi"]
        assert np.abs(np.array(region) - [0.25, 0.25, 0.5, 0.5]).max() <= 0.02


def test_a_recording_is_switched_and_a_snapshot_taken(
    browser: Browser, host: Host, tmp_path: Path
) -> None:
    with shown(host) as site, viewing(browser, site.url) as viewer:
        viewer.moves()
        page = viewer.page
        page.get_by_role("button", name="Record").click()
        wait_for(lambda: site.show()["recording"])
        with page.expect_download() as download:
            page.get_by_role("button", name="Snapshot").click()
        picture = cv2.imread(str(download.value.path()), cv2.IMREAD_UNCHANGED)
        assert picture.shape == (180, 320, 4)
        page.get_by_role("button", name="Stop recording").click()
        wait_for(lambda: site.show()["recording"] is False)
    wait_for((tmp_path / "film.mp4").exists)


def test_a_password_is_asked_for_and_a_wrong_one_is_refused(browser: Browser, host: Host) -> None:
    config = WebConfig(listen="127.0.0.1:0", password=PASSWORD)
    with shown(host, config) as site, viewing(browser, site.url) as viewer:
        page = viewer.page
        page.get_by_label("Password").fill("wrong horse battery")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("alert")).to_contain_text("wrong")
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        viewer.moves()
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_label("Password")).to_be_visible()
        viewer.wrong = [text for text in viewer.wrong if "401" not in text]


def test_a_page_that_is_left_open_comes_back_after_a_restart(browser: Browser, host: Host) -> None:
    with ExitStack() as stack:
        with shown(host) as site:
            viewer = stack.enter_context(viewing(browser, site.url))
            viewer.moves()
        viewer.page.wait_for_timeout(1500)
        with shown(host, WebConfig(listen=site.url.removeprefix("http://"))):
            viewer.moves()
        viewer.wrong.clear()  # the browser tells of each try


def test_a_stream_that_has_ended_shows_no_picture_any_more(browser: Browser, host: Host) -> None:
    with shown(host) as site, viewing(browser, site.url) as viewer:
        viewer.moves()
        run = host.stream("door")
        assert run is not None
        run.stop()
        expect(viewer.page.locator("#picture video")).to_be_hidden()
        expect(viewer.page.get_by_text("No picture for now")).to_be_visible()


def test_a_stream_is_stopped_and_started(browser: Browser, host: Host) -> None:
    with shown(host) as site, viewing(browser, site.url) as viewer:
        page = viewer.page
        viewer.moves()
        page.get_by_role("button", name="Stop", exact=True).click()
        expect(page.locator("#one-state")).to_have_text("stopped")
        expect(page.locator("#picture video")).to_be_hidden()
        expect(page.get_by_role("button", name="Pause")).to_be_disabled()
        page.get_by_role("button", name="Start", exact=True).click()
        expect(page.locator("#one-state")).to_have_text("live")
        viewer.moves()
        expect(page.get_by_role("button", name="Pause")).to_be_enabled()


def test_the_button_says_what_it_does_before_all_is_known(browser: Browser, host: Host) -> None:
    with shown(host) as site, viewing(browser, site.url) as viewer:
        viewer.page.route("**/api/streams/door", lambda route: None)  # it is not answered
        viewer.page.reload()
        expect(viewer.page.locator("#one-state")).to_have_text("live")
        expect(viewer.page.locator("#switch button")).to_have_text("Stop")
        viewer.page.unroute_all(behavior="ignoreErrors")
