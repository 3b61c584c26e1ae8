"""
Muxes packets from stdin to a media server; run as `python -m streamer.serving.publishing.child`.

A process of its own, because PyAV connects and writes to a network without a time-out and holds
the interpreter's lock meanwhile: a mute server would freeze every thread. Its parent kills it.
What goes in and out is described in `wire`; FFmpeg's log goes to stderr.
"""

from __future__ import annotations

import ctypes
import logging
import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from typing import NoReturn

import av
import av.error
import av.logging

from streamer.errors import ffmpeg_reason
from streamer.serving.muxing import CopiedStream, add_audio, add_video
from streamer.serving.publishing.target import carries
from streamer.serving.publishing.wire import (
    AUDIO,
    HEADER,
    PROGRESS_S,
    VIDEO,
    Failure,
    Hello,
    pack_event,
    parse_hello,
)

_STDIN, _STDOUT = 0, 1
_PR_SET_PDEATHSIG = 1
"""From `linux/prctl.h`."""


class _Unsendable(Exception):
    """A track that the protocol has no place for."""


_KINDS: tuple[tuple[type[BaseException], Failure], ...] = (
    (_Unsendable, "codec"),
    (av.error.HTTPUnauthorizedError, "unauthorized"),
    (av.error.HTTPForbiddenError, "forbidden"),
    (av.error.HTTPNotFoundError, "not_found"),
    (av.error.HTTPError, "rejected"),
    (av.error.HTTPClientError, "rejected"),
    (av.error.ProtocolNotFoundError, "unsupported"),
    (ConnectionRefusedError, "refused"),
    (TimeoutError, "timed_out"),
    (ConnectionError, "lost"),
    (EOFError, "lost"),
)


def main() -> None:
    """Publish until stdin ends or something fails."""
    _die_with_parent()
    # PyAV hands FFmpeg's log to Python's, and only then keeps its last line for the exception.
    printer = logging.StreamHandler(sys.stderr)
    printer.setFormatter(_OneLine("%(name)s: %(message)s"))
    logging.basicConfig(handlers=[printer], level=logging.DEBUG)
    messages = _messages()
    first = next((message for message in messages if message is not None), None)
    if first is None:
        return
    hello = parse_hello(first[3])
    _emit("opening")
    try:
        publication = _Publication(hello)
    except Exception as error:  # whatever it is, the parent is told
        _fail(error)
    _emit("connected")
    try:
        for message in messages:
            if message is not None:
                publication.mux(*message)
            publication.tell()
        # Before the trailer, which a server may leave unanswered.
        publication.tell(now=True)
        publication.close()
    except Exception as error:
        publication.tell(now=True)
        _fail(error)


class _OneLine(logging.Formatter):
    """Keeps only the first line of a record: WHIP's add the whole offer, with ICE's password."""

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record).partition("\n")[0]


class _Publication:
    """One connection to a server, open and with its header written."""

    def __init__(self, hello: Hello) -> None:
        for track in (hello.video, hello.audio):
            if track is not None and not carries(hello.format, track.codec):
                raise _Unsendable(f"{hello.format} has no {track.codec}")
        self._container = av.open(
            hello.url, "w", format=hello.format, container_options=hello.options
        )
        self._tracks = {VIDEO: CopiedStream(add_video(self._container, hello.video), hello.video)}
        if hello.audio is not None:
            self._tracks[AUDIO] = CopiedStream(add_audio(self._container, hello.audio), hello.audio)
        # Only now: before, FFmpeg would warn that the streams' templates are empty.
        av.logging.set_level(av.logging.WARNING)
        self._container.start_encoding()
        self._packets = self._bytes = self._told = 0
        self._told_s = time.monotonic()

    def mux(self, kind: int, key: bool, pts: int, data: bytes) -> None:
        """Send one packet; waits as long as the server does."""
        self._container.mux_one(self._tracks[kind].packet(data, pts, key))
        self._packets += 1
        self._bytes += len(data)

    def tell(self, *, now: bool = False) -> None:
        """Report the progress, if there is any and it is time."""
        due = now or time.monotonic() - self._told_s >= PROGRESS_S
        if due and self._packets > self._told:
            self._told, self._told_s = self._packets, time.monotonic()
            _emit("progress", packets=self._packets, bytes=self._bytes)

    def close(self) -> None:
        """Write the trailer and hang up."""
        self._container.close()


def _messages() -> Iterator[tuple[int, bool, int, bytes] | None]:
    """Messages from stdin until it ends, and None whenever nothing came for `PROGRESS_S`."""
    buffer = bytearray()
    while True:
        while len(buffer) >= HEADER.size:
            kind, key, pts, size = HEADER.unpack_from(buffer)
            end = HEADER.size + size
            if len(buffer) < end:
                break
            body = bytes(memoryview(buffer)[HEADER.size : end])
            del buffer[:end]
            yield kind, bool(key), pts, body
        ready, _, _ = select.select([_STDIN], [], [], PROGRESS_S)
        if not ready:
            yield None
            continue
        data = os.read(_STDIN, 1 << 16)
        if not data:
            return
        buffer += data


def _emit(event: str, **fields: str | int) -> None:
    os.write(_STDOUT, pack_event(event, **fields))


def _fail(error: Exception) -> NoReturn:
    """Tell the parent and leave at once: to close the container might wait for the server again."""
    _, last = av.logging.get_last_error()
    _, source, line = last or (0, "", "")
    kind: Failure
    if not isinstance(error, av.error.FFmpegError):
        detail = (
            str(error) if isinstance(error, _Unsendable) else f"{type(error).__name__}: {error}"
        )
    else:
        # FFmpeg's last line on the matter, or what its error code means.
        detail = (line or ffmpeg_reason(error)).partition("\n")[0]
    if source == "tls" and "certificate" in line:
        kind = "untrusted"  # to FFmpeg, an input/output error like others
    else:
        kind = next((kind for type_, kind in _KINDS if isinstance(error, type_)), "failed")
    _emit("error", kind=kind, detail=detail)
    os._exit(1)


def _die_with_parent() -> None:
    """Have the kernel kill this process with its parent; elsewhere the end of stdin must do."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main()
