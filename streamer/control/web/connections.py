"""
Connections of the page's server. None lasts that does nothing, and none makes memory grow.

uvicorn lets a client take as long as it likes to send a request or to take an answer, and answers
as many as come. This does not.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

_MOST = 512
"""Connections at once; further ones are closed as they come."""
_HEAD_S = 15.0
"""For a request's head, once a connection is made or the head has begun."""
_BODY_S = 300.0
"""For a request's body: 10 MB over a slow line."""
_STALLED_S = 30.0
"""For which a client may take nothing of what waits for it."""
_GRACE_S = 0.5
"""For clients to take the end of their answers when the server ends."""
_PATIENCE_S = {h11.IDLE: _HEAD_S, h11.SEND_BODY: _BODY_S}
_BEFORE_ANSWER = (h11.IDLE, h11.SEND_RESPONSE)


class Deadline:
    """Calls back once, unless it is met. For the loop's thread."""

    def __init__(self, missed: Callable[[], object]) -> None:
        self._missed = missed
        self._timer: asyncio.TimerHandle | None = None

    def set(self, seconds: float) -> None:
        """Call back in *seconds*, and not when it was to be before."""
        self.meet()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._missed)

    def meet(self) -> None:
        """Do not call back."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class HttpConnection(H11Protocol):
    """Speaks HTTP/1.1 with one client."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._request = Deadline(self._drop)
        self._taking = Deadline(self._drop)
        self._phase: object = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, unless there are too many connections already."""
        super().connection_made(transport)
        if len(self.connections) > _MOST:
            self._drop()
        else:
            self._await_request()

    def data_received(self, data: bytes) -> None:
        """Take some of a request."""
        super().data_received(data)
        self._await_request()

    def pause_writing(self) -> None:
        """The client does not take what is sent."""
        super().pause_writing()
        self._taking.set(_STALLED_S)

    def resume_writing(self) -> None:
        """It does again."""
        super().resume_writing()
        self._taking.meet()

    def connection_lost(self, error: Exception | None) -> None:
        """End."""
        self._request.meet()
        self._taking.meet()
        super().connection_lost(error)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, unless an answer was sent already; no other one follows."""
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in _BEFORE_ANSWER:
            super().send_400_response(msg)
        else:
            self.transport.close()

    def _await_request(self) -> None:
        """Bound the time for the part of a request that is on its way."""
        phase = self.conn.their_state
        if phase is self._phase:
            return
        self._phase = phase
        patience_s = _PATIENCE_S.get(phase)
        if patience_s is None or self.transport.is_closing():
            self._request.meet()
        else:
            self._request.set(patience_s)

    def _drop(self) -> None:
        self.transport.abort()


class WebSocketConnection(WebSocketsSansIOProtocol):
    """Speaks WebSocket with one client; its messages are read and forgotten."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._taking = Deadline(self._drop)

    def pause_writing(self) -> None:
        """The client does not take what is sent."""
        super().pause_writing()
        self._taking.set(_STALLED_S)

    def resume_writing(self) -> None:
        """It does again."""
        super().resume_writing()
        self._taking.meet()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._taking.meet()
        super().connection_lost(exc)

    async def send(self, message: Any) -> None:
        """Send some of an answer. Raises ClientDisconnected."""
        if self.transport.is_closing():  # which uvicorn learns a little later
            self.disconnected = True
        await super().send(message)

    def handle_text(self, event: Frame) -> None:
        """Forget a message, or a part of one."""

    handle_bytes = handle_cont = handle_text

    def handle_ping(self) -> None:
        """Answer a ping, unless earlier answers were not taken."""
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def _drop(self) -> None:
        self.transport.abort()


class PageServer(uvicorn.Server):
    """
    Serves until `should_exit` is true, then ends within a second, whoever is connected.

    Args:
        config: with the two classes above.
        closing: set in the server's loop when it begins to end: answers that last then end too.
    """

    def __init__(self, config: uvicorn.Config, closing: asyncio.Event) -> None:
        super().__init__(config)
        self._closing = closing

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End all connections."""
        self._closing.set()
        abandoning = asyncio.get_running_loop().call_later(_GRACE_S, self._abandon)
        try:
            await super().shutdown(sockets)
        finally:
            abandoning.cancel()

    def _abandon(self) -> None:
        """Cut off those that do not take the end of their answers."""
        for connection in tuple(self.server_state.connections):
            connection.transport.abort()
