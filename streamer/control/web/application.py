"""The page and its API as one ASGI application."""

from __future__ import annotations

import asyncio
import gzip
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.resources import files

from fastapi import FastAPI, Request
from fastapi.responses import Response

from streamer import __version__
from streamer.control.web.access import Access, Hosts
from streamer.control.web.api import api_routes
from streamer.control.web.feed import Feed, LogToFeed
from streamer.control.web.guard import Guard, session_routes
from streamer.control.web.lasting import Lasting
from streamer.control.web.live import live_routes
from streamer.control.web.problems import answer_problems
from streamer.control.web.summaries import Summaries
from streamer.host import Host

_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/player.js": ("player.js", "text/javascript; charset=utf-8"),
    "/embed/{name}": ("embed.html", "text/html; charset=utf-8"),
    "/embed.css": ("embed.css", "text/css; charset=utf-8"),
    "/embed.js": ("embed.js", "text/javascript; charset=utf-8"),
    "/favicon.svg": ("favicon.svg", "image/svg+xml"),
}


def make_application(host: Host, access: Access, hosts: Hosts, lasting: Lasting) -> Guard:
    """
    The application of *host*'s streams, for those whom *access* lets in.

    Args:
        host: the streams.
        access: its password and sessions.
        hosts: by which browsers may call it.
        lasting: how long answers may last.

    It is for one loop, that of its server.
    """
    summaries = Summaries(host)
    feeds: list[Feed] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        feed = Feed(summaries, asyncio.get_running_loop())
        feeds.append(feed)
        log, ours = LogToFeed(feed), logging.getLogger("streamer")
        leave = host.subscribe(feed.tell)
        ours.addHandler(log)
        ticking = asyncio.ensure_future(feed.run())
        try:
            yield
        finally:
            leave()
            ours.removeHandler(log)
            ticking.cancel()
            with suppress(asyncio.CancelledError):
                await ticking

    app = FastAPI(
        title="streamer",
        version=__version__,
        description="Streams without their backgrounds: how they are, and what is changed.",
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    answer_problems(app)
    app.include_router(session_routes(access))
    app.include_router(api_routes(host, summaries, lambda: feeds[-1], lasting))
    app.include_router(live_routes(host, lasting))
    for path, (name, media_type) in _FILES.items():
        _serve(app, path, (files("streamer.control.web") / "page" / name).read_bytes(), media_type)
    return Guard(app, access, hosts)


def _serve(app: FastAPI, path: str, content: bytes, media_type: str) -> None:
    """Have *app* answer *path* with a file of the page, compressed where the browser takes that."""
    packed = gzip.compress(content, mtime=0)
    headers = {"Cache-Control": "no-cache", "Vary": "Accept-Encoding"}

    @app.get(path, include_in_schema=False)
    async def file(request: Request) -> Response:
        if "gzip" in request.headers.get("accept-encoding", ""):
            zipped = {**headers, "Content-Encoding": "gzip"}
            return Response(packed, media_type=media_type, headers=zipped)
        return Response(content, media_type=media_type, headers=headers)
