"""The fleet's page in a real browser, over simulated nodes: what it shows, and what it does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from benchmarks.fleet_sim import SimulatedFleet
from streamer.config.web import WebConfig
from streamer.fleet.overview import serving_overview
from tests.peers.browsing import chromium, viewing
from tests.unit.fleet.test_controller import CHANGE, change, fleet_of, started
from tests.unit.fleet.test_overview import PASSWORD, controller_of

NAMES = "a b c d e f"
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def sim() -> SimulatedFleet:
    """Six streams on three nodes, one of which serves a page, and one metrics."""
    sim = started(fleet_of(NAMES, {"lease_s": 5.0}, a={"needs": {"labels": {"site": "north"}}}))
    sim.nodes["n1"].worker.addresses["web"] = "https://10.0.0.1:8443"
    sim.nodes["n2"].worker.addresses["metrics"] = "10.0.0.2:9464"
    sim.nodes["n3"].worker.addresses["web"] = "http://127.0.0.1:8080"
    sim.run(2)
    return sim


@pytest.fixture
def url(sim: SimulatedFleet) -> Iterator[str]:
    with serving_overview(controller_of(sim), WebConfig(listen="127.0.0.1:0")) as url:
        yield url


def row(page: Page, table: str, name: str) -> Locator:
    """The row of a table that *name* is the heading of."""
    heading = page.get_by_role("rowheader", name=name, exact=True)
    return page.get_by_role("table", name=table).get_by_role("row").filter(has=heading)


def test_tables_say_how_nodes_are_and_why_streams_are_there(
    browser: Browser, sim: SimulatedFleet, url: str
) -> None:
    with viewing(browser, url) as viewer:
        page = viewer.page
        expect(page.locator("#facts")).to_have_text("6 of 6 streams run on 3 nodes")
        expect(row(page, "Nodes", "n1")).to_contain_text("ready")
        expect(row(page, "Nodes", "n1")).to_contain_text("s ago")
        for place in controller_of(sim).status().streams:
            shown = row(page, "Streams", place.stream)
            expect(shown).to_contain_text(place.node or "")
            expect(shown).to_contain_text("running")
            expect(shown).to_contain_text(place.why)


def test_links_lead_to_the_pages_of_workers_that_a_browser_reaches(
    browser: Browser, url: str
) -> None:
    with viewing(browser, url) as viewer:
        page = viewer.page
        link = row(page, "Streams", "a").get_by_role("link", name="n1")
        expect(link).to_have_attribute("href", "https://10.0.0.1:8443/#a")
        link = row(page, "Nodes", "n1").get_by_role("link", name="page of n1")
        expect(link).to_have_attribute("href", "https://10.0.0.1:8443/")
        link = row(page, "Nodes", "n2").get_by_role("link", name="metrics of n2")
        expect(link).to_have_attribute("href", "http://10.0.0.2:9464/metrics")
        there = row(page, "Nodes", "n3")
        expect(there).to_contain_text("page at its own 127.0.0.1:8080")
        expect(there.get_by_role("link")).to_have_count(0)


def test_a_stream_that_moves_changes_its_row(
    browser: Browser, sim: SimulatedFleet, url: str
) -> None:
    with viewing(browser, url) as viewer:
        page = viewer.page
        expect(row(page, "Nodes", "n2")).to_be_visible()
        moving = next(it.stream for it in controller_of(sim).status().streams if it.node == "n2")
        sim.kill("n2")
        sim.run(20)
        expect(row(page, "Nodes", "n2")).to_have_count(0)
        expect(row(page, "Streams", moving)).to_contain_text(re.compile("n[13]"))
        expect(row(page, "Streams", moving)).to_contain_text("running")
        expect(page.get_by_role("status")).to_contain_text("now")


def test_what_is_waited_for_is_said(browser: Browser, sim: SimulatedFleet, url: str) -> None:
    with viewing(browser, url) as viewer:
        waiting = row(viewer.page, "Streams", "a")
        expect(waiting).to_contain_text("running")
        sim.kill("n1")
        sim.run(20)
        expect(waiting).to_contain_text("waiting")
        expect(waiting).to_contain_text("no node has site: north")
        expect(viewer.page.get_by_role("status")).to_contain_text("a is waiting")


def test_a_change_that_goes_no_further_is_said(
    browser: Browser, sim: SimulatedFleet, url: str
) -> None:
    with viewing(browser, url) as viewer:
        expect(viewer.page.locator("#halted")).to_be_hidden()
        for node in sim.nodes.values():
            node.host.refuses = ("a",)
        change(sim, fleet_of(NAMES, a={**CHANGE, "needs": {"labels": {"site": "north"}}}))
        sim.run(20)
        expect(viewer.page.locator("#halted")).to_contain_text("there is no such file here")
        expect(row(viewer.page, "Streams", "a")).to_contain_text("before the change")


def test_the_filter_keeps_what_has_its_words(browser: Browser, url: str) -> None:
    with viewing(browser, url) as viewer:
        page = viewer.page
        streams = page.locator("#streams tr")
        expect(streams).to_have_count(6)
        page.get_by_label("Filter streams").fill("N1 running")
        expect(row(page, "Streams", "a")).to_be_visible()
        found = streams.count()
        assert 0 < found < 6
        expect(page.locator("#found")).to_have_text(f"{found} of 6 streams")
        page.get_by_label("Filter streams").fill("nothing like it")
        expect(page.get_by_text("No stream has these words.")).to_be_visible()
        page.get_by_label("Filter streams").fill("")
        expect(streams).to_have_count(6)


def test_a_node_is_drained_by_keyboard_and_undrained(
    browser: Browser, sim: SimulatedFleet, url: str
) -> None:
    with viewing(browser, url) as viewer:
        page = viewer.page
        node = row(page, "Nodes", "n2")
        node.get_by_role("button", name="Drain n2").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog", name="Drain n2?")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_be_hidden()
        expect(node.get_by_role("button", name="Drain n2")).to_be_focused()
        page.keyboard.press("Enter")
        page.get_by_role("dialog").get_by_role("button", name="Drain").press("Enter")
        expect(node).to_contain_text("draining")
        sim.run(20)
        expect(node).to_contain_text("drained")
        assert not any(it.node == "n2" for it in controller_of(sim).status().streams)
        node.get_by_role("button", name="Undrain n2").click()
        expect(node).to_contain_text("ready")


def test_a_phone_need_not_scroll_sideways(browser: Browser, sim: SimulatedFleet, url: str) -> None:
    sim.nodes["n3"].worker.trouble = "web.listen: 127.0.0.1:8080: the port is taken"
    sim.run(2)
    with viewing(browser, url, viewport=PHONE) as viewer:
        page = viewer.page
        expect(row(page, "Nodes", "n3")).to_contain_text("the port is taken")
        expect(row(page, "Streams", "a")).to_be_visible()
        for element in ("document.documentElement", "document.querySelector('main')"):
            assert page.evaluate(f"{element}.scrollWidth") <= PHONE["width"]
        for button in page.get_by_role("button").all():
            box = button.bounding_box()
            assert box is not None
            assert box["x"] + box["width"] <= PHONE["width"]


def test_a_password_is_asked_for(browser: Browser, sim: SimulatedFleet) -> None:
    config = WebConfig(listen="127.0.0.1:0", password=PASSWORD)
    with serving_overview(controller_of(sim), config) as url, viewing(browser, url) as viewer:
        page = viewer.page
        page.get_by_label("Password").fill("wrong horse battery")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("wrong")
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        expect(row(page, "Streams", "a")).to_be_visible()
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_label("Password")).to_be_focused()
        expect(page.get_by_role("table", name="Streams")).to_be_hidden()
        viewer.wrong = [text for text in viewer.wrong if "401" not in text]


def test_a_connection_that_is_lost_is_said_and_comes_back(
    browser: Browser, sim: SimulatedFleet
) -> None:
    controller = controller_of(sim)
    with ExitStack() as stack:
        with serving_overview(controller, WebConfig(listen="127.0.0.1:0")) as url:
            page = (viewer := stack.enter_context(viewing(browser, url))).page
            expect(row(page, "Streams", "a")).to_be_visible()
        expect(page.get_by_text("No connection to the fleet since")).to_be_visible()
        expect(page.get_by_role("button", name="Drain n1")).to_be_disabled()
        with serving_overview(controller, WebConfig(listen=url.removeprefix("http://"))):
            expect(page.get_by_text("No connection to the fleet since")).to_be_hidden()
            expect(page.get_by_role("button", name="Drain n1")).to_be_enabled()
        viewer.wrong.clear()  # the browser tells of each try


def test_texts_of_the_fleet_are_never_markup(
    browser: Browser, sim: SimulatedFleet, url: str
) -> None:
    sim.nodes["n1"].worker.trouble = "<img src=x onerror=alert(1)>"
    sim.nodes["n1"].worker.addresses["web"] = "javascript:alert(1)"
    sim.run(2)
    with viewing(browser, url) as viewer:
        node = row(viewer.page, "Nodes", "n1")
        expect(node).to_contain_text("<img src=x")
        expect(node.get_by_role("link")).to_have_count(0)
