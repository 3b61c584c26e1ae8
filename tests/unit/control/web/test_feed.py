"""What is told to browsers: events, the state of all streams, and the log."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import ExitStack, aclosing, asynccontextmanager
from typing import Any

import pytest

from streamer.control.web import feed as module
from streamer.control.web.feed import Feed, LogToFeed
from streamer.control.web.summaries import Summary
from streamer.events import RecordingStarted, SourceChanged
from tests.unit.control.web.conftest import MakeBox
from tests.unit.control.web.hosting import Page, events, running_page
from tests.waiting import PATIENCE_S, wait_for

logger = logging.getLogger("streamer.test")


class FakeSummaries:
    """One stream, whose restarts count how often it was asked for."""

    def __init__(self) -> None:
        self.asked = 0
        self.failure: Exception | None = None

    def all(self) -> list[Summary]:
        self.asked += 1
        if self.failure is not None:
            raise self.failure
        return [Summary(name="door", state="running", error=None, restarts=self.asked)]


@asynccontextmanager
async def a_feed(summaries: FakeSummaries) -> AsyncIterator[Feed]:
    feed = Feed(summaries, asyncio.get_running_loop())  # type: ignore[arg-type]
    running = asyncio.ensure_future(feed.run())
    try:
        yield feed
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def parsed(messages: bytes) -> list[tuple[str, dict[str, Any]]]:
    assert messages.endswith(b"\n\n")
    found = []
    for message in messages.decode().split("\n\n")[:-1]:
        kind, data = message.split("\n")
        found.append((kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


async def within(told: AsyncGenerator[bytes, None]) -> list[tuple[str, dict[str, Any]]]:
    return parsed(await asyncio.wait_for(anext(told), PATIENCE_S))


def test_the_state_of_all_streams_comes_at_once_and_again_and_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_PERIOD_S", 0.01)

    async def main() -> None:
        async with a_feed(FakeSummaries()) as feed, aclosing(feed.listen()) as told:
            for number in (1, 2, 3):
                ((kind, data),) = await within(told)
                assert kind == "status"
                assert data["streams"][0]["restarts"] == number

    asyncio.run(main())


def test_nobody_is_asked_while_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PERIOD_S", 0.001)

    async def main() -> None:
        summaries = FakeSummaries()
        async with a_feed(summaries) as feed:
            await asyncio.sleep(0.05)
            assert summaries.asked == 0
            async with aclosing(feed.listen()) as told:
                await anext(told)
                assert feed.listeners == 1
            assert feed.listeners == 0

    asyncio.run(main())


def test_a_state_that_cannot_be_told_is_told_the_next_time(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_PERIOD_S", 0.01)

    async def main() -> None:
        summaries = FakeSummaries()
        async with a_feed(summaries) as feed, aclosing(feed.listen()) as told:
            await within(told)
            summaries.failure = RuntimeError("between two runs")
            while not caplog.records:
                await asyncio.sleep(0.01)
            summaries.failure = None
            assert (await within(told))[0][0] == "status"

    asyncio.run(main())


def test_events_come_in_order_from_any_thread() -> None:
    async def main() -> None:
        async with a_feed(FakeSummaries()) as feed, aclosing(feed.listen()) as told:
            await within(told)

            def tell() -> None:
                for number in range(50):
                    feed.tell("door", RecordingStarted(str(number)))

            thread = threading.Thread(target=tell)
            thread.start()
            paths: list[str] = []
            while len(paths) < 50:
                paths += [data["path"] for kind, data in await within(told) if "path" in data]
            thread.join()
            assert paths == [str(number) for number in range(50)]

    asyncio.run(main())


def test_a_listener_who_does_not_listen_loses_the_oldest_and_keeps_one_state() -> None:
    async def main() -> None:
        async with a_feed(FakeSummaries()) as feed, aclosing(feed.listen()) as told:
            await within(told)
            for number in range(1000):
                feed.send("event", {"number": number})
            for listener in feed._listeners:
                for number in range(1000):
                    listener.put_status(f"event: status\ndata: {number}\n\n".encode())
            await asyncio.sleep(0)
            messages = await within(told)
            assert len(messages) == 201
            assert messages[-2] == ("event", {"number": 999})
            assert messages[-1] == ("status", 999)

    asyncio.run(main())


def test_texts_are_one_line_without_credentials_and_of_bounded_length() -> None:
    async def main() -> None:
        async with a_feed(FakeSummaries()) as feed, aclosing(feed.listen()) as told:
            await within(told)
            feed.tell("door", SourceChanged("rtsp://me:hunter22@host/\n\nevent: x", "live"))
            feed.tell("door", RecordingStarted("\udcff" + "x" * 100_000))
            first, second = await within(told)
            assert "hunter22" not in first[1]["source"]
            assert first[1]["source"].endswith("\n\nevent: x"), "escaped, and no event of its own"
            assert len(second[1]["path"]) < 2100

    asyncio.run(main())


def test_the_log_is_told_without_credentials() -> None:
    async def main() -> None:
        async with a_feed(FakeSummaries()) as feed:
            handler = LogToFeed(feed)
            logger.addHandler(handler)
            try:
                logger.warning("to nobody")
                async with aclosing(feed.listen()) as told:
                    await within(told)
                    logger.warning("%s", "rtsp://me:hunter22@host/", extra={"stream": "door"})
                    (first,) = await within(told)
                    handler.handle(logging.makeLogRecord({"msg": "%s %s", "args": ("x",)}))
                    (second,) = await within(told)
            finally:
                logger.removeHandler(handler)
        assert first[0] == "log"
        assert (first[1]["level"], first[1]["stream"]) == ("warning", "door")
        assert first[1]["message"] == "rtsp://***@host/"
        assert "not filled in" in second[1]["message"]

    asyncio.run(main())


def test_after_the_server_has_ended_nothing_is_told_and_nothing_raised() -> None:
    async def main() -> Feed:
        feed = Feed(FakeSummaries(), asyncio.get_running_loop())  # type: ignore[arg-type]
        feed._listeners.add(module._Listener())
        return feed

    asyncio.run(main()).tell("door", RecordingStarted("film.mkv"))


def test_a_browser_hears_of_streams_events_and_the_log(page: Page) -> None:
    with page.client.stream("GET", "/api/events") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        told = events(response)
        kind, data = next(told)
        assert (kind, data["streams"][0]["name"]) == ("status", "door")
        logger.warning("something happened")
        seen: set[str] = set()
        while seen < {"status", "log"}:
            kind, data = next(told)
            seen.add(kind)
            if kind == "log":
                assert data["message"] == "something happened"


def test_a_failure_and_an_end_are_told(box: MakeBox) -> None:
    missing = {"source": {"type": "file", "path": "missing.mp4"}}
    with (
        running_page(box(door={}, hall=missing)) as page,
        page.client.stream("GET", "/api/events") as response,
    ):
        failed = next(data for kind, data in events(response) if kind == "StreamFailed")
    assert failed["stream"] == "hall"
    assert "missing.mp4" in failed["why"]


def test_listeners_who_never_read_cost_the_others_nothing(page: Page) -> None:
    host, _, port = page.url.removeprefix("http://").partition(":")
    with ExitStack() as stack:
        for _ in range(40):
            silent = stack.enter_context(socket.socket())
            silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            silent.connect((host, int(port)))
            silent.sendall(
                f"GET /api/events HTTP/1.1\r\nHost: {host}:{port}\r\n"
                f"Cookie: {page.cookie}\r\n\r\n".encode()
            )
        for number in range(2000):
            logger.warning("flood %d %s", number, "x" * 500)
        with page.client.stream("GET", "/api/events") as response:
            told = events(response)
            next(told)
            logger.warning("after the flood")
            assert next(d for k, d in told if k == "log")["message"] == "after the flood"
    wait_for(lambda: page.show()["state"] == "running")
