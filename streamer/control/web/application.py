"""The page and its API as one ASGI application."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI

from streamer import __version__
from streamer.control.web.access import Access, Hosts
from streamer.control.web.api import api_routes
from streamer.control.web.feed import Feed, LogToFeed
from streamer.control.web.files import serve_files
from streamer.control.web.guard import Guard, session_routes
from streamer.control.web.lasting import Lasting
from streamer.control.web.live import live_routes
from streamer.control.web.problems import answer_problems
from streamer.control.web.summaries import Summaries
from streamer.host import Host

_FILES = {
    "/": "index.html",
    "/page.css": "page.css",
    "/page.js": "page.js",
    "/session.js": "session.js",
    "/player.js": "player.js",
    "/embed/{name}": "embed.html",
    "/embed.css": "embed.css",
    "/embed.js": "embed.js",
    "/favicon.svg": "favicon.svg",
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
    serve_files(app, _FILES)
    return Guard(app, access, hosts)
