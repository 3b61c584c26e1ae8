"""Answers that last: each ends with its client, with its session, or with the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from typing import Any, TypeVar

from fastapi.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from streamer.control.web.access import Access, Session
from streamer.control.web.problems import Problem

_CHECKED_S = 1.0
"""Between two looks at a session."""

Result = TypeVar("Result")


class Lasting:
    """
    Says how long an answer may last.

    Args:
        access: the sessions.

    Attributes:
        closing: set when the server begins to end.

    For the server's loop; it may be made before that runs.
    """

    def __init__(self, access: Access) -> None:
        self._sessions = access.sessions
        self.closing = asyncio.Event()

    async def over(self, session: Session) -> None:
        """Return when *session* has ended, or the server begins to."""
        while not self.closing.is_set() and self._sessions.holds(session):
            with suppress(TimeoutError):
                await asyncio.wait_for(self.closing.wait(), _CHECKED_S)

    async def unless_closing(self, work: Awaitable[Result]) -> Result:
        """What *work* gives; given up with a Problem if the server begins to end before."""
        working, ending = asyncio.ensure_future(work), asyncio.ensure_future(self.closing.wait())
        try:
            await asyncio.wait((working, ending), return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise Problem(503, "the server is ending")
            return working.result()
        finally:
            await ended(working, ending)


class LastingResponse(StreamingResponse):
    """
    An answer in parts, as they come.

    Args:
        parts: the parts; closed in the end.
        media_type: of all of them.
        until: ends it when it is done, see `Lasting.over`.
        left: called in the end, also if nothing was ever sent.
    """

    def __init__(
        self,
        parts: AsyncGenerator[bytes, None],
        media_type: str,
        until: Awaitable[None],
        left: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(parts, media_type=media_type)
        self._parts = parts
        self._until = until
        self._left = left

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        latest: Message | None = None

        async def noted(message: Message) -> None:
            nonlocal latest
            latest = message
            await send(message)

        sending = asyncio.ensure_future(self.stream_response(noted))
        others = (
            asyncio.ensure_future(self.listen_for_disconnect(receive)),
            asyncio.ensure_future(self._until),
        )
        try:
            async with aclosing(self._parts):
                try:
                    await asyncio.wait((sending, *others), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    failure = await ended(sending, *others)
        finally:
            if self._left is not None:
                self._left()
        if failure is not None:
            raise failure
        if latest is None:
            await send({"type": "http.response.start", "status": 503, "headers": []})
        if latest is None or latest.get("more_body", True):
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def ended(*tasks: asyncio.Future[Any]) -> Exception | None:
    """Cancel *tasks* and wait for their end; returns the first failure, if there is one."""
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    return next((result for result in results if isinstance(result, Exception)), None)
