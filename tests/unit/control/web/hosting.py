"""Hosts of small synthetic streams, their pages, and who looks at them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

import av
import httpx2 as httpx
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from streamer.config import BoxConfig, parse_box
from streamer.config.web import WebConfig
from streamer.control.web.endpoint import serving_web
from streamer.host import Host
from tests.unit.control.metrics.hosting import running
from tests.waiting import PATIENCE_S

WIDTH, HEIGHT = 64, 36
LIVE = {
    "source": {
        "type": "synthetic",
        "width": WIDTH,
        "height": HEIGHT,
        "realtime": True,
        "fps": 20,
    }
}
"""A stream that goes on until it is stopped."""


def make_box(model: str, streams: Mapping[str, dict[str, Any]], **process: Any) -> BoxConfig:
    """Live streams, unless they say otherwise; all on a page."""
    defaults = {
        "model": {"name": model, "providers": ["cpu"], "threads": 1},
        "matting": {"mode": "every_frame"},
        "sinks": [{"type": "discard"}],
        **LIVE,
    }
    restart = {"first_s": 0.1, "max_s": 0.1}
    whole = {"restart": restart, "web": {"listen": "127.0.0.1:0"}, **process}
    return parse_box({"defaults": defaults, "streams": streams, **whole})


class Page:
    """A host, its page's address, and a browser that is let in there."""

    def __init__(self, host: Host, url: str) -> None:
        self.host = host
        self.url = url
        self.client = httpx.Client(base_url=url, timeout=PATIENCE_S, verify=False)
        self._take_token(self.client.get("/api/session"))

    def log_in(self, password: str) -> None:
        self._take_token(self.client.post("/api/session", json={"password": password}))

    def _take_token(self, answer: httpx.Response) -> None:
        if (token := answer.json()["token"]) is not None:
            self.client.headers["X-CSRF-Token"] = token

    @property
    def cookie(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.client.cookies.items())

    def patch(self, changes: object, stream: str = "door") -> httpx.Response:
        return self.client.patch(f"/api/streams/{stream}", json=changes)

    def post(self, verb: str, content: bytes | None = None, stream: str = "door") -> httpx.Response:
        return self.client.post(f"/api/streams/{stream}/{verb}", content=content)

    def show(self, stream: str = "door") -> dict[str, Any]:
        shown: dict[str, Any] = self.client.get(f"/api/streams/{stream}").json()
        return shown

    @contextmanager
    def watch(
        self, stream: str = "door", layout: str | None = None, origin: str | None = None
    ) -> Iterator[Watch]:
        query = f"?layout={layout}" if layout else ""
        with connect(
            f"ws{self.url.removeprefix('http')}/api/streams/{stream}/live{query}",
            origin=Origin(origin or self.url),
            additional_headers={"Cookie": self.cookie},
            compression=None,
            max_size=None,
            proxy=None,
        ) as connection:
            yield Watch(connection)

    def statistics(self, kind: str = "page", stream: str = "door") -> dict[str, Any]:
        run = self.host.stream(stream)
        assert run is not None
        return next(
            sink.statistics for sink in run.status().sinks if sink.statistics.get("type") == kind
        )


class Watch:
    """One viewer's WebSocket."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    def next(self) -> str | bytes:
        return self.connection.recv(PATIENCE_S)

    def told(self) -> dict[str, Any]:
        """The next text; pieces before it are left out."""
        while True:
            if isinstance(message := self.next(), str):
                told: dict[str, Any] = json.loads(message)
                return told

    def film(self, pieces: int) -> tuple[dict[str, Any], bytes]:
        """The next opening, and its segment with so many pieces after it."""
        while "mime" not in (opening := self.told()):
            pass
        parts = [self.next() for _ in range(1 + pieces)]
        assert all(isinstance(part, bytes) for part in parts), "another opening came"
        return opening, b"".join(part for part in parts if isinstance(part, bytes))


def decoded(film: bytes) -> list[av.VideoFrame]:
    """The pictures of an MP4."""
    with av.open(io.BytesIO(film)) as container:
        return list(container.decode(video=0))


@contextmanager
def shown(host: Host, config: WebConfig | None = None) -> Iterator[Page]:
    """The page of a *host* that may run or not."""
    with serving_web(host, config or WebConfig(listen="127.0.0.1:0")) as url:
        assert url is not None
        page = Page(host, url)
        with closing(page.client):
            yield page


@contextmanager
def running_page(box: BoxConfig) -> Iterator[Page]:
    """The page of streams that run, and have captured frames."""
    host = Host(box)
    with running(host), shown(host) as page:
        yield page


def events(response: httpx.Response) -> Iterator[tuple[str, dict[str, Any]]]:
    """The server-sent events in *response*, as they come."""
    kind = ""
    for line in response.iter_lines():
        if line.startswith("event: "):
            kind = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield kind, json.loads(line.removeprefix("data: "))
