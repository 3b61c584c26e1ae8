"""What happens, told to every browser at once: events, the state of all streams, the log."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from streamer.control.web.problems import plain
from streamer.control.web.summaries import Summaries
from streamer.core import records
from streamer.core.copying import Uncopyable
from streamer.events import Event

_logger = logging.getLogger("streamer.control.web")

_PERIOD_S = 1.0
"""Between two states of all streams."""
_MOST_WAITING = 200
"""Messages for one listener; who is slower loses the oldest."""


class Feed(Uncopyable):
    """
    Messages of server-sent events (WHATWG HTML, 9.2) for any number of listeners.

    Args:
        summaries: how the streams are.
        loop: the server's; `listen` and `run` are for it, all else for any thread.
    """

    def __init__(self, summaries: Summaries, loop: asyncio.AbstractEventLoop) -> None:
        self._summaries = summaries
        self._loop = loop
        self._listeners: set[_Listener] = set()

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._listeners)

    def tell(self, stream: str, event: Event) -> None:
        """Pass on an event of a stream; a `Listener`."""
        if self._listeners:
            fields = {
                name: plain(value) if isinstance(value, str) else value
                for name, value in asdict(event).items()
            }
            self.send(type(event).__name__, {"stream": stream, **fields})

    def send(self, kind: str, data: dict[str, Any]) -> None:
        """Send one message to all who listen."""
        if self._listeners:
            with suppress(RuntimeError):  # the server has ended
                self._loop.call_soon_threadsafe(self._hand_out, _message(kind, data))

    async def listen(self) -> AsyncGenerator[bytes, None]:
        """All messages from now on, and at once how the streams are. Close it in the end."""
        listener = _Listener()
        self._listeners.add(listener)
        try:
            yield await self._status()
            while True:
                yield await listener.take()
        finally:
            self._listeners.discard(listener)

    async def run(self) -> None:
        """Send how the streams are, again and again, while somebody listens."""
        while True:
            await asyncio.sleep(_PERIOD_S)
            if not self._listeners:
                continue
            try:
                status = await self._status()
            except Exception:  # one that is being changed; the next second's is whole again
                _logger.exception("page: cannot tell how the streams are")
                continue
            for listener in self._listeners:
                listener.put_status(status)

    async def _status(self) -> bytes:
        summaries = await asyncio.to_thread(self._summaries.all)
        return _message("status", {"streams": [one.model_dump(mode="json") for one in summaries]})

    def _hand_out(self, message: bytes) -> None:
        for listener in self._listeners:
            listener.put(message)


class _Listener:
    """
    What waits for one listener: the latest messages, and of the states of all streams the latest.

    For the loop's thread.
    """

    def __init__(self) -> None:
        self._messages: deque[bytes] = deque(maxlen=_MOST_WAITING)
        self._status = b""
        self._woken = asyncio.Event()

    def put(self, message: bytes) -> None:
        """Have *message* wait."""
        self._messages.append(message)
        self._woken.set()

    def put_status(self, message: bytes) -> None:
        """Have the state of all streams wait, in place of an earlier one."""
        self._status = message
        self._woken.set()

    async def take(self) -> bytes:
        """All that waits, once there is something."""
        await self._woken.wait()
        self._woken.clear()
        messages = b"".join((*self._messages, self._status))
        self._messages.clear()
        self._status = b""
        return messages


def _message(kind: str, data: dict[str, Any]) -> bytes:
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode()


class LogToFeed(logging.Handler):
    """
    Sends the log to browsers, without credentials.

    Args:
        feed: who listens.
    """

    def __init__(self, feed: Feed) -> None:
        super().__init__(logging.INFO)
        self._feed = feed

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record, if anybody listens."""
        if not self._feed.listeners:
            return
        stream, _ = records.origin(record)
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        self._feed.send(
            "log",
            {
                "time": time,
                "level": record.levelname.lower(),
                "stream": stream,
                "message": plain(records.message(record)),
            },
        )

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Lose *record*: what logging would print may be secret."""
