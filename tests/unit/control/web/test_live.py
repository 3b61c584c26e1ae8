"""Live pictures for browsers: MP4 over a WebSocket, and JPEG pictures one by one."""

from __future__ import annotations

import asyncio
import io
import socket
import struct
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import Any

import httpx2 as httpx
import pytest
from PIL import Image as Pillow
from websockets.exceptions import ConnectionClosed, InvalidStatus

from streamer.config import LayoutConfig
from streamer.config.web import WebConfig
from streamer.control.web import application_server, connections, live
from streamer.control.web.api import Layouts
from streamer.errors import StreamerError
from streamer.host import Host
from streamer.serving import views
from streamer.serving.views import MOST_VIEWERS, Piece
from streamer.sinks.page import PageSink
from tests.unit.control.metrics.hosting import running
from tests.unit.control.web.conftest import MakeBox
from tests.unit.control.web.hosting import (
    HEIGHT,
    LIVE,
    WIDTH,
    Page,
    Watch,
    decoded,
    running_page,
    shown,
)
from tests.waiting import wait_for

PASSWORD = "correct horse"
LARGE = {
    "source": {**LIVE["source"], "width": 640, "height": 360, "fps": 30},
    "sinks": [{"type": "page", "quality": 0}],
}
"""A stream whose pictures fill buffers soon."""
UPGRADE = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


def jpegs(response: httpx.Response) -> Iterator[bytes]:
    """The pictures in *response*, each as soon as a browser shows it: the next head has come."""
    head = b"--frame\r\nContent-Type: image/jpeg\r\n\r\n"
    waiting = b"\r\n"
    for chunk in response.iter_raw():
        *pictures, waiting = (waiting + chunk).split(b"\r\n" + head)
        yield from filter(None, pictures)


def is_key(fragment: bytes) -> bool:
    """Whether a decoder can begin with the sample of *fragment* (ISO/IEC 14496-12, 8.8.8)."""
    place = fragment.index(b"trun") + 4 + 4 + 4 + 4 + 4 + 4  # version, count, offset, length, size
    flags: int = struct.unpack_from(">I", fragment, place)[0]
    return not flags & 0x1_0000


def test_a_picture_that_clients_would_cut_is_left_out() -> None:
    """Without lengths, FFmpeg and OpenCV end at bytes that look like a boundary."""

    class Watched:
        async def items(self) -> AsyncGenerator[Piece, None]:
            for data in (b"one", b"t\r\n--wo", b"three"):
                yield Piece(data, key=True)

    async def sent() -> bytes:
        return b"".join([part async for part in live._parts(Watched())])  # type: ignore[arg-type]

    whole = asyncio.run(sent())
    assert b"one" in whole
    assert b"three" in whole
    assert b"--wo" not in whole


def closed_with(watch: Watch) -> int:
    """The code that the server closes with."""
    try:
        while True:
            watch.next()
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd is not None else 1006


def test_the_film_plays(page: Page) -> None:
    with page.watch() as watch:
        opening, film = watch.film(10)
    assert opening["mime"].startswith('video/mp4; codecs="avc1.')
    frames = decoded(film)
    assert len(frames) == 10
    assert {(frame.width, frame.height) for frame in frames} == {
        (opening["width"], opening["height"])
    }
    assert [frame.pts for frame in frames] == sorted({frame.pts for frame in frames})


def test_a_newcomer_begins_with_a_key_frame(page: Page) -> None:
    with page.watch() as first:
        first.film(5)
        with page.watch() as second:
            opening, film = second.film(1)
            assert is_key(film[film.index(b"moof") - 4 :])
            assert len(decoded(film)) == 1
            assert opening["width"] > 0


@pytest.mark.parametrize("layout", Layouts.__args__)  # type: ignore[attr-defined]
def test_every_layout_has_its_film_and_its_pictures(page: Page, layout: str) -> None:
    with page.watch(layout=layout) as watch:
        opening, film = watch.film(2)
    width, height = opening["width"], opening["height"]
    assert (width, height) >= (WIDTH, HEIGHT)
    assert (width > WIDTH or height > HEIGHT) == (layout in ("side_by_side", "stack", "grid"))
    assert len(decoded(film)) == 2
    with page.client.stream("GET", f"/api/streams/door/live.mjpeg?layout={layout}") as response:
        assert response.headers["content-type"].startswith("multipart/x-mixed-replace")
        with Pillow.open(io.BytesIO(next(jpegs(response)))) as picture:
            picture.load()
            assert abs(picture.width - width) <= 1
            assert abs(picture.height - height) <= 1


def test_a_transparent_film_has_two_halves(page: Page) -> None:
    with page.watch(layout="transparent") as watch:
        opening, film = watch.film(2)
    assert (opening["width"], opening["height"]) == (WIDTH, 2 * HEIGHT)
    assert len(decoded(film)) == 2
    path = "/api/streams/door/live.mjpeg?layout=transparent"
    assert page.client.get(path).status_code == 422, "a picture of JPEG alone cannot be joined"


def test_pictures_follow_one_another(page: Page) -> None:
    with page.client.stream("GET", "/api/streams/door/live.mjpeg") as response:
        pictures = jpegs(response)
        assert len({next(pictures) for _ in range(5)}) > 1, "they move"


@pytest.mark.parametrize(
    ("stream", "layout", "code"),
    [("nope", None, 4404), ("door", "junk", 4422), ("door", "x" * 999, 4422)],
)
def test_what_there_is_not_is_told_by_a_code(
    page: Page, stream: str, layout: str | None, code: int
) -> None:
    with page.watch(stream, layout) as watch:
        assert closed_with(watch) == code
    answer = page.client.get(
        f"/api/streams/{stream}/live.mjpeg", params={"layout": layout} if layout else {}
    )
    assert answer.status_code == code - 4000


def test_without_a_session_there_is_no_film(box: MakeBox) -> None:
    host = Host(box())
    config = WebConfig(listen="127.0.0.1:0", password=PASSWORD)  # type: ignore[arg-type]
    with running(host), shown(host, config) as page:
        with page.watch() as watch:
            assert closed_with(watch) == 4401
        assert page.client.get("/api/streams/door/live.mjpeg").status_code == 401


def test_a_logout_ends_what_is_watched(box: MakeBox) -> None:
    host = Host(box())
    config = WebConfig(listen="127.0.0.1:0", password=PASSWORD)  # type: ignore[arg-type]
    with running(host), shown(host, config) as page:
        page.log_in(PASSWORD)
        with (
            page.watch() as watch,
            page.client.stream("GET", "/api/streams/door/live.mjpeg") as response,
            page.client.stream("GET", "/api/events") as events,
        ):
            watch.film(1)
            pictures = jpegs(response)
            next(pictures)
            assert page.client.delete("/api/session").status_code == 204
            assert closed_with(watch) == 4401
            for _ in pictures:
                """They end."""
            for _ in events.iter_raw():
                """They end."""


def test_too_many_viewers_are_told(page: Page) -> None:
    view = page.host.view("door")
    viewers = [view.join(LayoutConfig(), "mp4", lambda: None) for _ in range(MOST_VIEWERS)]
    with page.watch() as watch:
        assert closed_with(watch) == 4429
    assert page.client.get("/api/streams/door/live.mjpeg").status_code == 429
    for viewer in viewers:
        viewer.leave()
    with page.watch() as watch:
        watch.film(1)


def test_nothing_is_encoded_while_nobody_looks(page: Page) -> None:
    wait_for(lambda: page.statistics()["frames"] >= 5)
    assert page.statistics()["encoded"] == 0
    with page.watch() as watch:
        watch.film(2)
        assert page.statistics()["viewers"] == 1
    wait_for(lambda: page.statistics()["viewers"] == 0)
    seen = page.statistics()["frames"]
    wait_for(lambda: page.statistics()["frames"] >= seen + 1)
    encoded = page.statistics()["encoded"]
    seen = page.statistics()["frames"]
    wait_for(lambda: page.statistics()["frames"] >= seen + 5)
    assert page.statistics()["encoded"] == encoded


def test_several_viewers_share_one_encoder(page: Page) -> None:
    with ExitStack() as stack:
        watches = [stack.enter_context(page.watch()) for _ in range(4)]
        for watch in watches:
            watch.film(1)
        before = page.statistics()
        for _ in range(10):
            watches[0].next()
        after = page.statistics()
        assert after["viewers"] == 4
    assert after["encoded"] - before["encoded"] <= after["frames"] - before["frames"] + 1


def test_a_viewer_who_takes_nothing_holds_up_nobody(
    box: MakeBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits for him is thrown away in time."""
    monkeypatch.setattr(views, "_MOST_WAITING", 5)
    monkeypatch.setattr(application_server, "_SEND_BYTES", 4096)
    with running_page(box(door=LARGE)) as page, page.watch() as good:
        good.film(1)
        with stalled_viewer(page):
            wait_for(lambda: len(_viewers(page)) == 2)
            stalled = _viewers(page)[1]
            wait_for(lambda: stalled.lost)
            before = page.statistics()["frames"]
            for _ in range(10):
                good.next()
            assert page.statistics()["frames"] - before <= 15
            assert len(stalled.take()) <= 5 + 2
        wait_for(lambda: page.statistics()["viewers"] == 1)


def test_a_viewer_who_takes_nothing_for_long_is_dropped(
    box: MakeBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application_server, "_SEND_BYTES", 4096)
    monkeypatch.setattr(connections, "_STALLED_S", 0.5)
    with running_page(box(door=LARGE)) as page:
        for path in ("live?layout=grid", "live.mjpeg?layout=grid"):
            with stalled_viewer(page, path):
                wait_for(lambda: page.statistics()["viewers"] == 1)
                wait_for(lambda: page.statistics()["viewers"] == 0)


def _viewers(page: Page) -> tuple[Any, ...]:
    return tuple(
        viewer for audience in page.host.view("door").watched for viewer in audience._viewers
    )


def stalled_viewer(page: Page, path: str = "live?layout=grid") -> socket.socket:
    """A viewer who asks for pictures, and reads none."""
    host, _, port = page.url.removeprefix("http://").partition(":")
    stalled = socket.socket()
    stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    stalled.connect((host, int(port)))
    stalled.sendall(
        f"GET /api/streams/door/{path} HTTP/1.1\r\n"
        f"Host: {host}:{port}\r\nOrigin: {page.url}\r\nCookie: {page.cookie}\r\n".encode()
        + (b"" if "mjpeg" in path else UPGRADE)
        + b"\r\n"
    )
    return stalled


def test_viewers_go_on_over_a_restart(box: MakeBox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run fails, another begins: the same viewers get another opening, and play."""
    fail = False
    real = PageSink.write

    def write(self: PageSink, *frame: Any) -> None:
        nonlocal fail
        if fail:
            fail = False
            raise StreamerError("broken")
        real(self, *frame)

    monkeypatch.setattr(PageSink, "write", write)
    with (
        running_page(box()) as page,
        page.watch() as watch,
        page.client.stream("GET", "/api/streams/door/live.mjpeg") as response,
    ):
        pictures = jpegs(response)
        watch.film(3)
        next(pictures)
        fail = True
        assert watch.told() == {"state": "waiting"}
        _, film = watch.film(3)
        assert len(decoded(film)) == 3
        wait_for(lambda: page.show()["restarts"] == 1)
        for _ in range(3):
            next(pictures)


def test_a_viewer_of_a_stream_that_has_not_begun_gets_it_when_it_has(box: MakeBox) -> None:
    host = Host(box())
    with shown(host) as page, page.watch() as watch, running(host):
        _, film = watch.film(2)
        assert len(decoded(film)) == 2


def test_a_relay_encodes_for_the_page_too(box: MakeBox) -> None:
    """The same layout is encoded once; any other by the page's sink."""
    relay = {"type": "rtsp", "serve": "rtsp://127.0.0.1:0/door", "layout": "composite"}
    sinks = [relay, {"type": "page", "layout": "composite"}]
    with running_page(box(door={"sinks": sinks})) as page:
        with page.watch() as watch:
            _, film = watch.film(5)
            assert len(decoded(film)) == 5
            assert page.statistics("rtsp")["encoded"] >= 5
        assert page.statistics()["encoded"] == 0
        with page.watch(layout="mask") as watch:
            watch.film(2)
        assert page.statistics()["encoded"] >= 2


def test_another_size_begins_another_film(box: MakeBox) -> None:
    """Regions change the layout's size at most; a second stream has its own."""
    larger = {"source": {**LIVE["source"], "width": 128, "height": 72}}
    with running_page(box(door={}, hall=larger)) as page:
        with page.watch("door", "source") as watch:
            assert watch.film(1)[0]["width"] == WIDTH
        with page.watch("hall", "source") as watch:
            assert watch.film(1)[0]["width"] == 128


def test_what_a_viewer_says_is_of_no_interest(page: Page) -> None:
    with page.watch() as watch:
        for message in ("hello", b"\x00" * 4000, "", '{"x": 1}') * 20:
            watch.connection.send(message)
        watch.connection.send(iter(["a"] * 100))
        watch.connection.ping()
        watch.film(3)


def test_a_viewer_who_says_too_much_is_closed(page: Page) -> None:
    with page.watch() as watch:
        watch.connection.send(b"x" * 5000)
        assert closed_with(watch) == 1009


def test_a_page_of_another_site_gets_no_film(page: Page) -> None:
    with pytest.raises(InvalidStatus) as refused, page.watch(origin="http://evil.example"):
        pass
    assert refused.value.response.status_code == 403


def test_viewers_come_and_go_and_leave_nothing(page: Page) -> None:
    def look(number: int) -> None:
        if number % 3 == 0:
            with page.client.stream("GET", "/api/streams/door/live.mjpeg") as response:
                next(jpegs(response))
        elif number % 3 == 1:
            with page.watch() as watch:
                watch.film(1)
        else:  # gone before an answer
            stalled_viewer(page).close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(look, range(48)))
    wait_for(lambda: page.statistics()["viewers"] == 0)


def code_at_the_end(watch: Watch) -> int | None:
    """Read until the server closes."""
    with suppress(ConnectionClosed):
        while True:
            watch.next()
    return watch.connection.close_code


def test_who_comes_before_the_first_run_gets_the_layout_that_is_configured(box: MakeBox) -> None:
    host = Host(box(door={"sinks": [{"type": "page", "layout": "cutout"}]}))
    with shown(host) as page, page.watch() as watch, running(host):
        opening, _ = watch.film(1)
        assert (opening["width"], opening["height"]) == (WIDTH, HEIGHT)


def test_viewers_come_again_when_the_page_has_another_layout(box: MakeBox) -> None:
    with running_page(box(door={"sinks": [{"type": "page", "layout": "cutout"}]})) as page:
        with page.watch() as watch, page.watch(layout="mask") as other:
            watch.film(1)
            page.host.reload(box(door={"sinks": [{"type": "page", "layout": "stack"}]}))
            assert code_at_the_end(watch) == 1012
            other.film(1)
        with page.watch() as again:
            opening, _ = again.film(1)
            assert opening["height"] == 2 * HEIGHT


def test_viewers_of_a_stream_that_is_taken_out_are_sent_away(box: MakeBox) -> None:
    with running_page(box(door={}, hall={})) as page, page.watch("hall") as watch:
        watch.film(1)
        page.host.reload(box(door={}))
        assert code_at_the_end(watch) == 1012
        assert page.client.get("/api/streams/hall").status_code == 404
