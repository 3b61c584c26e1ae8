"""
One viewer's TCP connection: bytes to requests, responses and interleaved RTP to bytes, and when to
hang up. Used from the server's thread only.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from contextlib import suppress
from typing import cast

from streamer.serving.rtsp.dialogue import Dialogue
from streamer.serving.rtsp.directory import Directory
from streamer.serving.rtsp.messages import Interleaved, MessageError, Parser, Request, response
from streamer.serving.rtsp.mount import Mount
from streamer.serving.rtsp.pace import Pace
from streamer.serving.rtsp.session import Session

log = logging.getLogger("streamer.serving.rtsp")

_TURN = 4
"""Messages that are handled before the other viewers have a turn."""
_WRITE_BUFFER = 64 << 10
_UNSENT_BYTES = 128 << 10
"""What the kernel may hold beyond what is on its way: more would only be latency."""


class Connection(asyncio.Protocol):
    """
    Made as soon as its socket is accepted, so that it counts during a TLS handshake too.

    Args:
        address: the viewer's IP.
        directory: the server's tables; it adds and removes itself.
        encrypted: whether it speaks TLS.
    """

    def __init__(self, address: str, directory: Directory, *, encrypted: bool) -> None:
        self.address = address
        self.encrypted = encrypted
        self.sessions: set[Session] = set()
        """The sessions set up on it."""
        self.parted: set[str] = set()
        """Sessions that we ended; the viewer may not have heeded the good-bye yet."""
        self._directory = directory
        self._limits = directory.limits
        self._parser = Parser(directory.limits)
        self._dialogue = Dialogue(self, directory)
        self._pace = Pace(directory.limits.messages_per_s)
        self._later: asyncio.TimerHandle | None = None
        """Timer that resumes the work; until then nothing more is read."""
        self._held = b""
        """The answer that is sent then."""
        self._transport: asyncio.Transport | None = None
        self._writable = True
        self._unsent = 0
        self._accepted_s = time.monotonic()
        self._useful_s = time.monotonic()
        self._partial_s: float | None = None
        directory.connections.add(self)

    @property
    def local(self) -> str:
        """Our IP, as the viewer reaches it."""
        return str(self._sockname()[0])

    @property
    def local_host(self) -> str:
        """Our IP and port, as a URL has them."""
        host, port = self._sockname()[:2]
        return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"

    @property
    def known(self) -> bool:
        """Whether it has shown the password or, where none is asked for, has begun to play."""
        if self._directory.guard is not None:
            return self._dialogue.granted
        return any(session.joined for session in self.sessions)

    @property
    def writable(self) -> bool:
        """Whether the write buffer has room."""
        return self._writable and self._transport is not None

    def writelines(self, parts: list[bytes | memoryview]) -> None:
        """Write *parts* in one piece."""
        if self._transport is not None:
            self._transport.write(b"".join(parts))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=_WRITE_BUFFER)
        options = [
            (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
            (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        ]
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            options.append((socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_BYTES))
        end = transport.get_extra_info("socket")
        for option in options:
            # macOS says EINVAL if the viewer has hung up; `connection_lost` is called later.
            with suppress(OSError):
                end.setsockopt(*option)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        self._parser.feed(data)
        self._work()

    def pause_writing(self) -> None:
        """Called by asyncio; until the viewer reads, we read nothing from it."""
        self._writable = False
        self._unsent = self._write_buffer()
        self._accepted_s = time.monotonic()
        self._read_or_not()

    def resume_writing(self) -> None:
        """Called by asyncio."""
        self._writable = True
        for session in list(self.sessions):
            if session.carrier is not None and session.carrier.name == "TCP":
                session.has_room()
        self._work()

    def connection_lost(self, error: Exception | None) -> None:
        """Called by asyncio, and by us where there never was a transport."""
        self._transport = None
        if self._later is not None:
            self._later.cancel()
        self._directory.connections.discard(self)
        for session in list(self.sessions):
            # A session over UDP needs no connection (RFC 2326 section 1.1); it may come back.
            if session.carrier is None or session.carrier.name == "TCP" or not session.playing:
                session.end("hung up" if error is None else "connection lost")
        self.sessions.clear()

    def open_session(self, mount: Mount) -> Session:
        """A new session on this connection."""
        session = Session(mount, self.address, self._limits, self._forget)
        self._directory.sessions[session.identity] = session
        self.sessions.add(session)
        return session

    def check(self) -> None:
        """Hang up if it is too slow, idle or stalled; called several times a second."""
        now_s = time.monotonic()
        if not self._writable:
            unsent = self._write_buffer()
            if unsent < self._unsent:
                self._unsent, self._accepted_s = unsent, now_s
            elif now_s - self._accepted_s > self._limits.stall_s:
                self.abort("accepts nothing")
        elif self._partial_s is not None and now_s - self._partial_s > self._limits.request_s:
            self.refuse(408)
        elif (
            not any(session.joined for session in self.sessions)
            and now_s - self._useful_s > self._limits.idle_s
        ):
            self.close()

    def refuse(self, status: int, cseq: str | None = None) -> None:
        """Answer with *status* and hang up."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(response(status, cseq, [("Connection", "close")]))
        self.close()

    def close(self) -> None:
        """Hang up when what is written has been sent."""
        self._partial_s = None
        if self._transport is not None:
            self._transport.close()

    def abort(self, reason: str) -> None:
        """Hang up at once."""
        for session in list(self.sessions):
            session.end(reason)
        if self._transport is None:
            self.connection_lost(None)
        else:
            self._transport.abort()

    def _work(self) -> None:
        """Handle the messages that have come, unless the timer is to do it."""
        if self._later is not None:
            return
        try:
            pause_s = self._take_turn()
        except MessageError as error:
            self.refuse(error.status)
            return
        if pause_s is not None:
            self._later = asyncio.get_running_loop().call_later(pause_s, self._go_on)
        self._read_or_not()
        if pause_s is not None or not self._parser.partial:
            self._partial_s = None
        elif self._partial_s is None:
            self._partial_s = time.monotonic()

    def _take_turn(self) -> float | None:
        """
        Handle a few messages, as long as the viewer takes the answers.

        Returns the seconds until the rest are due; None to wait for the viewer.
        """
        for _ in range(_TURN):
            if not self._parser.partial or not self.writable or self._is_closing():
                return None
            if (wait_s := self._pace.wait_s()) > 0:
                return wait_s
            message = self._parser.take()
            if message is None:
                return None
            self._partial_s = None
            self._pace.count()
            if isinstance(message, Interleaved):
                for session in self.sessions:
                    session.touch()
            elif hold_s := self._answer(message):
                return hold_s
        return 0.0 if self._parser.partial else None

    def _go_on(self) -> None:
        self._later = None
        if self._held and not self._is_closing():
            self.writelines([self._held])
        self._held = b""
        self._work()

    def _read_or_not(self) -> None:
        """Read on only while the viewer takes its answers and none of its requests is put off."""
        if self._transport is None or self._is_closing():
            return
        if self._writable and self._later is None:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _answer(self, request: Request) -> float:
        """Answer, or hold the answer back; returns for how many seconds."""
        try:
            answer = self._dialogue.answer(request)
        except Exception:
            log.exception("a request of %s could not be answered", self.address)
            self.refuse(500, request.cseq)
            return 0.0
        if answer.status == 200 and request.method != "OPTIONS":
            self._useful_s = time.monotonic()
        if answer.hold_s:
            self._held = answer.data
        else:
            self.writelines([answer.data])
        return answer.hold_s

    def _is_closing(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    def _forget(self, session: Session) -> None:
        self._directory.forget(session)
        # Idle time begins anew: a viewer that has watched may watch again.
        self._useful_s = time.monotonic()

    def _write_buffer(self) -> int:
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def _sockname(self) -> tuple[str, int]:
        if self._transport is None:
            return ("", 0)
        return cast("tuple[str, int]", self._transport.get_extra_info("sockname"))
