"""
A small HTTP server in one thread: each connection asks once, and what it may take is bounded.

A client that is slow or mute costs itself its answer, and nobody else any time.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from streamer.control.metrics.http_messages import Answer
from streamer.core.copying import Uncopyable

logger = logging.getLogger("streamer.control.metrics")

_CONNECTIONS = 32
"""Most at once; for another the oldest is hung up on."""
_HEAD_BYTES = 8192
"""A request's line and headers together."""
_REQUEST_S = 5.0
"""From a connection's beginning to its end."""
_LINGERING_S = 0.5
"""For how long after the answer the client may take to hang up."""
_LINGERING_READS = 16
"""Chunks of a request's rest that are read and thrown away, so that the answer arrives."""


class HttpServer(Uncopyable):
    """
    Serves from its construction until `close`, in the thread `streamer-metrics`.

    Args:
        listener: listens and does not block; owned.
        answer: given a request's line and headers, returns the whole answer; called in the
            server's thread, one call at a time.
    """

    def __init__(self, listener: socket.socket, answer: Callable[[bytes], bytes]) -> None:
        self._listener = listener
        self._answer = answer
        self._connections: dict[asyncio.Task[None], None] = {}
        """In the order of their beginning."""
        self._stopping = asyncio.Event()
        # As for RTSP, not the platform's default: one kind of loop behaves the same everywhere.
        self._loop = asyncio.SelectorEventLoop()
        self._thread = threading.Thread(target=self._run, name="streamer-metrics")
        self._thread.start()

    def close(self) -> None:
        """Hang up on everybody and end, at once. Idempotent; for any thread but the server's."""
        with suppress(RuntimeError):  # it has ended
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._listener.close()
            self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connected, sock=self._listener, limit=_HEAD_BYTES)
        await self._stopping.wait()
        server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - asyncio runs it in one
        self._make_room()
        self._connections[task] = None
        try:
            async with asyncio.timeout(_REQUEST_S):
                await self._talk(reader, writer)
        except asyncio.CancelledError:
            # By `close` or `_make_room`. Raised on, asyncio would log it as an error.
            logger.debug("a client was hung up on")
        except (OSError, asyncio.IncompleteReadError) as error:
            logger.debug("a client gave up or was given up: %s", error or type(error).__name__)
        finally:
            del self._connections[task]
            writer.transport.abort()

    def _make_room(self) -> None:
        """Hang up on the oldest connections, so that there may be one more."""
        open_ = [task for task in self._connections if not task.cancelling()]
        for task in open_[: max(0, len(open_) - _CONNECTIONS + 1)]:
            task.cancel()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answer = self._answer(await reader.readuntil(b"\r\n\r\n"))
        except asyncio.LimitOverrunError:
            answer = Answer(431, b"").encoded()
        writer.write(answer)
        await writer.drain()
        writer.write_eof()
        # A close while something is unread would reset the connection and take the answer with it.
        with suppress(TimeoutError):
            async with asyncio.timeout(_LINGERING_S):
                for _ in range(_LINGERING_READS):
                    if not await reader.read(_HEAD_BYTES * 8):
                        break
        writer.close()
        await writer.wait_closed()
