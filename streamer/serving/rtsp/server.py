"""
An RTSP 1.0 server (RFC 2326) that relays encoded packets to its viewers.

One thread runs everything but the mounts' inboxes, and viewers share its time. What each may take
of it and of memory is bounded (`Limits`), so one that is slow, silent or hostile costs itself its
stream and the others the time of a few answers. Whoever sends the packets never waits.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from streamer.errors import SinkError
from streamer.events import Tell, nobody
from streamer.packets import AudioTrack, VideoTrack
from streamer.serving.rtsp.auth import Credentials, DigestGuard
from streamer.serving.rtsp.connection import Connection
from streamer.serving.rtsp.directory import Directory
from streamer.serving.rtsp.limits import Limits
from streamer.serving.rtsp.listening import TlsFiles, listen, tls_context
from streamer.serving.rtsp.messages import response
from streamer.serving.rtsp.mount import Mount
from streamer.serving.rtsp.sdp import TRACK
from streamer.serving.rtsp.session import Session

log = logging.getLogger("streamer.serving.rtsp")

_CHECK_S = 0.2
_FAREWELL_S = 0.5
"""How long viewers have to take what is written to them, and to hang up after a good-bye."""
_OUT_OF_FILES_S = 0.5
_ACCEPT_AGAIN_S = 0.05
_TURNED_AWAY = 32
"""Refused connections that are given time to read why."""


class RtspServer:
    """
    Serves mounts at `rtsp://host:port/path`, over UDP and over the RTSP connection itself.

    `start`, `mount`, `statistics` and `stop` may be called from any thread but the server's own. A
    server runs once.

    Args:
        host: the address to listen on; `127.0.0.1` is this machine only, `0.0.0.0` every IPv4 one.
        port: to listen on; 0 takes any.
        credentials: what viewers must know; None lets everyone in.
        tls: None for no encryption. With TLS there is no UDP, which would not be encrypted.
        limits: what viewers may use up. TLS handshakes are limited only by the number of
            connections: each takes a few milliseconds of the one thread.
    """

    def __init__(
        self,
        host: str,
        port: int,
        credentials: Credentials | None = None,
        tls: TlsFiles | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._limits = limits or Limits()
        guard = DigestGuard(credentials) if credentials is not None else None
        self._directory = Directory(self._limits, guard)
        self._address: tuple[str, int] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stopping = asyncio.Event()
        self._greetings: set[asyncio.Task[None]] = set()
        self._turned_away: set[socket.socket] = set()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that are really bound, once started."""
        if self._address is None:
            raise SinkError("the RTSP server has no address before its start")
        return self._address

    def start(self) -> None:
        """
        Bind, then serve in a thread.

        Raises:
            SinkError: the address or the certificate cannot be used.
        """
        if self._thread is not None:
            raise SinkError("an RTSP server starts only once: make another")
        context = tls_context(self._tls) if self._tls is not None else None
        listener = listen(self._host, self._port)
        host, port = listener.getsockname()[:2]
        self._address = (str(host), int(port))
        # Not the platform's default: on Windows that one cannot watch UDP sockets.
        self._loop = asyncio.SelectorEventLoop()
        self._thread = threading.Thread(
            target=self._run, args=(self._loop, listener, context), name="streamer-rtsp-server"
        )
        self._thread.start()

    def mount(
        self,
        path: str,
        video: VideoTrack | None = None,
        audio: AudioTrack | None = None,
        *,
        tell: Tell = nobody,
    ) -> Mount:
        """
        Add a stream at *path*, such as `/masked`, before or after the start.

        Args:
            path: not that of another mount.
            video: None if not known yet: until `Mount.begin`, the path is reserved and viewers are
                told to try again later.
            audio: goes with *video*.
            tell: called for viewers that join or leave, in the server's thread.

        Raises:
            SinkError: the path is taken or cannot be one, or the audio cannot be relayed.
        """
        name = path.rstrip("/") or "/"
        if not path.startswith("/") or TRACK in name or set(name) & set("?#% ") or "//" in name:
            raise SinkError(f"{path}: not a path: begin with / and use letters, digits, - and _")
        mount = Mount(name, self._limits, wake=self._wake, leave=self._leave, tell=tell)
        if self._directory.mounts.setdefault(name, mount) is not mount:
            raise SinkError(f"{name}: another stream has this path: choose another")
        if video is not None:
            try:
                mount.begin(video, audio)
            except SinkError:
                mount.close()
                raise
        return mount

    def statistics(self) -> dict[str, Any]:
        """`{connections, sessions, mounts}`: two counts, and each mount's own statistics."""
        return {
            "connections": len(self._directory.connections),
            "sessions": len(self._directory.sessions),
            "mounts": [mount.statistics() for mount in list(self._directory.mounts.values())],
        }

    def stop(self) -> None:
        """Say good-bye to every viewer, and end; within about a second. Idempotent."""
        self._wake(self._stopping.set)
        if self._thread is not None:
            self._thread.join()

    def _wake(self, work: Callable[[], None]) -> None:
        # Before the start the mounts' inboxes wait for `_serve`; after the end nobody does.
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(work)

    def _leave(self, mount: Mount) -> None:
        """Free the path of *mount* at once, and end its sessions soon."""
        if self._directory.mounts.get(mount.path) is mount:
            del self._directory.mounts[mount.path]
        self._wake(lambda: self._dismiss(mount))

    def _dismiss(self, mount: Mount) -> None:
        for session in list(self._directory.sessions.values()):
            if session.mount is mount:
                self._part(session, "the stream ended")

    def _part(self, session: Session, reason: str) -> None:
        """End *session*. If it was its connection's last, hang up, unless the viewer does first."""
        connection = self._directory.owner(session)
        session.end(reason)
        if connection is None or connection.sessions:
            return
        if not session.joined:
            connection.close()
            return
        connection.parted.add(session.identity)
        asyncio.get_running_loop().call_later(_FAREWELL_S, connection.close)

    def _run(
        self,
        loop: asyncio.AbstractEventLoop,
        listener: socket.socket,
        context: ssl.SSLContext | None,
    ) -> None:
        try:
            loop.run_until_complete(self._serve(listener, context))
        finally:
            listener.close()
            loop.close()

    async def _serve(self, listener: socket.socket, context: ssl.SSLContext | None) -> None:
        for mount in list(self._directory.mounts.values()):
            mount.deliver()
        tasks = [
            asyncio.create_task(self._accept(listener, context), name="accepts no more viewers"),
            asyncio.create_task(self._check(), name="hangs up on nobody any more"),
        ]
        for task in tasks:
            task.add_done_callback(_tell_failure)
        await self._stopping.wait()
        listener.close()
        # First stop accepting; then let go of those that were accepted and are not greeted yet.
        for group in (tasks, self._greetings):
            for task in group:
                task.cancel()
            await asyncio.gather(*group, return_exceptions=True)
        await self._farewell()

    async def _accept(self, listener: socket.socket, context: ssl.SSLContext | None) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                end, peer = await loop.sock_accept(listener)
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    log.warning("no viewer can be accepted: %s", error.strerror)
                    await asyncio.sleep(_OUT_OF_FILES_S)
                else:
                    # Most likely the viewer was gone before it was accepted, but who knows.
                    await asyncio.sleep(_ACCEPT_AGAIN_S)
                continue
            if not self._directory.has_room_for(peer[0]):
                self._turn_away(end, context is not None)
                continue
            connection = Connection(peer[0], self._directory, encrypted=context is not None)
            greeting = loop.create_task(self._greet(connection, end, context))
            self._greetings.add(greeting)
            greeting.add_done_callback(self._greetings.discard)

    async def _greet(
        self, connection: Connection, end: socket.socket, context: ssl.SSLContext | None
    ) -> None:
        limit_s = None if context is None else self._limits.request_s
        goodbye_s = None if context is None else _FAREWELL_S
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection,
                end,
                ssl=context,
                ssl_handshake_timeout=limit_s,
                ssl_shutdown_timeout=goodbye_s,
            )
        except OSError as error:
            connection.connection_lost(error)
        except asyncio.CancelledError:
            connection.connection_lost(None)
            raise

    def _turn_away(self, end: socket.socket, encrypted: bool) -> None:
        """Refuse a connection: with a response, or by closing it at once if it is encrypted."""
        if encrypted or len(self._turned_away) >= _TURNED_AWAY:
            end.close()
            return
        with suppress(OSError):
            end.send(response(503, None, [("Connection", "close")]))
            end.shutdown(socket.SHUT_WR)
        # A close before its request comes would reset the connection and take the answer with it.
        self._turned_away.add(end)
        asyncio.get_running_loop().call_later(_FAREWELL_S, self._close_turned_away, end)

    def _close_turned_away(self, end: socket.socket) -> None:
        self._turned_away.discard(end)
        end.close()

    async def _check(self) -> None:
        while True:
            await asyncio.sleep(_CHECK_S)
            for session in list(self._directory.sessions.values()):
                if session.expired():
                    session.end("no sign of life")
            for connection in list(self._directory.connections):
                connection.check()
            self._directory.guesses.tidy()

    async def _farewell(self) -> None:
        for mount in list(self._directory.mounts.values()):
            mount.close()
        for session in list(self._directory.sessions.values()):
            self._part(session, "the server stopped")
        for connection in list(self._directory.connections):
            if not connection.parted:
                connection.close()
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + _FAREWELL_S
        while self._directory.connections and loop.time() < deadline_s:
            await asyncio.sleep(0.01)
        for connection in list(self._directory.connections):
            connection.abort("the server stopped")
        while self._directory.connections:
            await asyncio.sleep(0)
        await asyncio.sleep(0)  # for transports that never had a viewer
        for end in list(self._turned_away):
            self._close_turned_away(end)
        self._directory.guesses.clear()


def _tell_failure(task: asyncio.Task[None]) -> None:
    """Log why *task*, which should run until it is cancelled, did not."""
    if not task.cancelled():
        log.error("the RTSP server %s", task.get_name(), exc_info=task.exception())
