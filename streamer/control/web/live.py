"""Live pictures for browsers: fragments of MP4 over a WebSocket, or JPEG pictures one by one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Coroutine
from typing import Any, get_args

import cv2
import numpy as np
from fastapi import APIRouter, Request, WebSocket
from fastapi.responses import StreamingResponse
from starlette.websockets import WebSocketDisconnect

from streamer.config import LayoutConfig, PageSinkConfig
from streamer.control.web.api import Layouts
from streamer.control.web.guard import NO_SESSION
from streamer.control.web.lasting import Lasting, LastingResponse, ended
from streamer.control.web.problems import Problem, answers
from streamer.host import Host
from streamer.serving.fragments import Opening
from streamer.serving.views import Item, Kind, Piece, TooManyViewers, Viewer, layout_key

_BOUNDARY = "frame"
_HEAD = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\n\r\n".encode()
"""Sent right after each picture: browsers show one only when the next one's head has come."""
_CUT = b"\r\n--"
"""Where clients cut pictures that come without their length. A picture rarely has it: once in 2^32
bytes; FFmpeg would end there."""
_CLOSED = {404: 4404, 422: 4422, 429: 4429}
"""Codes of WebSockets by status."""
_AGAIN = 1012
"""RFC 6455's registry: come again."""
_CHECKED_S = 0.5
"""Between two looks at what is configured."""
_BLACK = cv2.imencode(".jpg", np.zeros((90, 160, 3), np.uint8))[1].tobytes()
"""Shown where there is no picture: the latest one would look as if it were live."""
_REASON_BYTES = 123
"""RFC 6455, 5.5: a control frame holds 125, the code among them."""


class Watching:
    """
    A viewer of a stream, as the server's loop waits for pictures.

    Args:
        host: the streams.
        name: of the stream.
        layout: of the pictures; None: that of its page.
        kind: of the pictures.

    Raises:
        Problem: there is no such stream, or nobody else can watch it.
    """

    def __init__(self, host: Host, name: str, layout: Layouts | None, kind: Kind) -> None:
        loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the server has ended
                loop.call_soon_threadsafe(self._woken.set)

        self._host, self._name, self._asked = host, name, layout
        try:
            shown = _layout(host, name, layout)
            self.viewer: Viewer = host.view(name).join(shown, kind, wake)
            self._key = layout_key(shown)
        except KeyError:
            raise Problem(404, f"there is no stream {name}") from None
        except TooManyViewers as error:
            raise Problem(429, f"{name}: {error}") from None

    async def items(self) -> AsyncGenerator[Item, None]:
        """What comes, without end."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            while items := self.viewer.take(1):  # what is not yet sent still counts as waiting
                yield items[0]

    async def over(self) -> None:
        """Return when the stream is gone, or its page has another layout: join again then."""
        while True:
            await asyncio.sleep(_CHECKED_S)
            try:
                if layout_key(_layout(self._host, self._name, self._asked)) != self._key:
                    return
            except KeyError:
                return


def _layout(host: Host, name: str, layout: Layouts | None) -> LayoutConfig:
    sinks = host.config(name).sinks
    if layout is not None:
        return LayoutConfig(layout=layout)
    return next((sink for sink in sinks if isinstance(sink, PageSinkConfig)), LayoutConfig())


def live_routes(host: Host, lasting: Lasting) -> APIRouter:
    """
    The routes of live pictures.

    Args:
        host: the streams.
        lasting: how long they may last.
    """
    router = APIRouter(prefix="/api")

    @router.get(
        "/streams/{name}/live.mjpeg",
        response_class=StreamingResponse,
        responses={
            200: {"content": {"multipart/x-mixed-replace": {}}},
            **answers(401, 403, 404, 422, 429, 503),
        },
    )
    async def pictures(
        request: Request, name: str, layout: Layouts | None = None
    ) -> StreamingResponse:
        """JPEG pictures, each in the place of the one before, as fast as they are taken."""
        watching = Watching(host, name, layout, "jpeg")
        media_type = f"multipart/x-mixed-replace; boundary={_BOUNDARY}"
        until = _first(lasting.over(request.state.session), watching.over())
        return LastingResponse(_parts(watching), media_type, until, watching.viewer.leave)

    @router.websocket("/streams/{name}/live")
    async def fragments(socket: WebSocket, name: str, layout: str | None = None) -> None:
        """
        An opening as text and bytes, then a fragment of MP4 for each frame.

        In the layout `transparent` they are of colour times alpha, above the alpha in grey.
        """
        with contextlib.suppress(WebSocketDisconnect):
            await socket.accept()
            try:
                named, kind = _asked(layout)
                watching = Watching(host, name, named, kind)
            except Problem as problem:
                reason = problem.said.why.encode()[:_REASON_BYTES].decode(errors="ignore")
                await socket.close(_CLOSED[problem.status], reason)
                return
            try:
                await _send_until_over(socket, watching, lasting)
            finally:
                watching.viewer.leave()

    return router


def _asked(layout: str | None) -> tuple[Layouts | None, Kind]:
    return ("cutout", "keyed") if layout == "transparent" else (_named(layout), "mp4")


def _named(layout: str | None) -> Layouts | None:
    for one in get_args(Layouts):
        if one == layout:
            found: Layouts = one
            return found
    if layout is not None:
        raise Problem(422, "there is no such layout")
    return None


async def _send_until_over(socket: WebSocket, watching: Watching, lasting: Lasting) -> None:
    """Send what comes, until the browser is gone, its session has ended, or the server ends."""
    over = asyncio.ensure_future(lasting.over(socket.state.session))
    other = asyncio.ensure_future(watching.over())
    talking = asyncio.ensure_future(_send(socket, watching)), asyncio.ensure_future(_hear(socket))
    try:
        await asyncio.wait((over, other, *talking), return_when=asyncio.FIRST_COMPLETED)
        logged_out = over.done() and not lasting.closing.is_set()
        come_again = other.done()
    finally:
        failure = await ended(over, other, *talking)
    if failure is not None:
        raise failure
    if logged_out:
        await socket.close(NO_SESSION, "the session has ended")
    elif come_again:
        await socket.close(_AGAIN, "the page has changed")


async def _first(*waiting: Coroutine[Any, Any, None]) -> None:
    """Return when the first of *waiting* does."""
    tasks = [asyncio.ensure_future(one) for one in waiting]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await ended(*tasks)


async def _send(socket: WebSocket, watching: Watching) -> None:
    async with contextlib.aclosing(watching.items()) as items:
        async for item in items:
            if item is None:
                await socket.send_json({"state": "waiting"})
            elif isinstance(item, Opening):
                opening = {"mime": item.mime, "width": item.width, "height": item.height}
                await socket.send_json(opening)
                await socket.send_bytes(item.data)
            else:
                await socket.send_bytes(item.data)


async def _hear(socket: WebSocket) -> None:
    """Read until the browser is gone; what it says is of no interest."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


async def _parts(watching: Watching) -> AsyncGenerator[bytes, None]:
    yield _HEAD
    async with contextlib.aclosing(watching.items()) as items:
        async for item in items:
            if item is None:
                yield _part(_BLACK)
            elif isinstance(item, Piece) and _CUT not in item.data:
                yield _part(item.data)


def _part(picture: bytes) -> bytes:
    return picture + b"\r\n" + _HEAD
