"""
A media server that takes published streams, and keeps who published what, and when.

It speaks as much RTSP as a publisher by TCP needs. A second publisher of a path is let in, as some
servers do: so what it sends is seen, and the test that must not have two can say so.
"""

from __future__ import annotations

import itertools
import re
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_CLOCK_HZ = 90_000
_INTERLEAVED = ord("$")


@dataclass(eq=False)
class Publication:
    """One publisher's time at one path; times are `time.monotonic()`."""

    path: str
    peer: str
    """Its address."""
    began_s: float
    """When it announced what it is about to send."""
    ended_s: float | None = None
    """When its connection ended; None while it has not."""
    pictures: list[tuple[float, int]] = field(default_factory=list)
    """When each came, and its RTP time stamp."""

    def lost(self, fps: int, since_s: float = 0.0) -> int:
        """Pictures missing between those that came after *since_s*, by their time stamps."""
        stamps = [stamp for at_s, stamp in self.pictures if at_s >= since_s]
        steps = ((two - one) % (1 << 32) for one, two in itertools.pairwise(stamps))
        return sum(round(step * fps / _CLOCK_HZ) - 1 for step in steps)


class Publications:
    """
    What has been published to a server.

    Thread-safe.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: list[Publication] = []

    def begin(self, path: str, peer: str) -> Publication:
        """Note that *peer* publishes at *path*."""
        publication = Publication(path, peer, time.monotonic())
        with self._lock:
            self._all.append(publication)
        return publication

    def of(self, path: str) -> list[Publication]:
        """The publications of *path*, in order."""
        with self._lock:
            return [one for one in self._all if one.path == path]

    @property
    def paths(self) -> list[str]:
        """Those that have been published to."""
        with self._lock:
            return sorted({one.path for one in self._all})

    @property
    def overlaps(self) -> list[tuple[Publication, Publication]]:
        """Pairs that had one path at the same time."""
        found = []
        for path in self.paths:
            for one, two in itertools.combinations(self.of(path), 2):
                if one.ended_s is None or two.began_s < one.ended_s:
                    found.append((one, two))
        return found

    def last_s(self, path: str) -> float:
        """When the latest picture of *path* came; 0 before the first."""
        return max((one.pictures[-1][0] for one in self.of(path) if one.pictures), default=0.0)

    def first_after_s(self, path: str, since_s: float) -> float | None:
        """When the first picture of a publication came that began after *since_s*."""
        later = [one.pictures for one in self.of(path) if one.began_s > since_s and one.pictures]
        return later[0][0][0] if later else None

    def gap_s(self, path: str, since_s: float) -> float:
        """The longest time without a picture of *path* since then, up to now."""
        times = [at_s for one in self.of(path) for at_s, _ in one.pictures if at_s >= since_s]
        return max(
            two - one for one, two in itertools.pairwise([since_s, *times, time.monotonic()])
        )

    def since(self, path: str, since_s: float) -> Sequence[Publication]:
        """The publications of *path* that were there at some time after *since_s*."""
        return [one for one in self.of(path) if one.ended_s is None or one.ended_s > since_s]


@contextmanager
def media_server(host: str) -> Iterator[tuple[Publications, int]]:
    """A server at *host* until the block ends: what it was sent, and its port."""
    publications = Publications()
    connections: set[socket.socket] = set()
    threads: list[threading.Thread] = []
    with socket.create_server((host, 0), backlog=64) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, (peer, *_) = listener.accept()
                except OSError:
                    return
                connections.add(connection)
                thread = threading.Thread(target=_talk, args=(connection, peer, publications))
                threads.append(thread)
                thread.start()

        accepting = threading.Thread(target=serve)
        accepting.start()
        try:
            yield publications, listener.getsockname()[1]
        finally:
            for one in (listener, *connections):
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for thread in threads:
                thread.join()


def _talk(connection: socket.socket, peer: str, publications: Publications) -> None:
    """One publisher, until it hangs up."""
    publication: Publication | None = None
    with suppress(OSError, EOFError), connection, connection.makefile("rb") as stream:
        while first := stream.read(1):
            if first[0] == _INTERLEAVED:
                head = stream.read(3)
                size = int.from_bytes(head[1:], "big")
                packet = stream.read(size)
                if publication is not None and head[0] == 0 and len(packet) == size:
                    _note(publication, packet)
                continue
            request = first + b"".join(iter(lambda: stream.readline().strip() + b"\n", b"\n"))
            lines = request.decode().splitlines()
            method, url, _ = lines[0].split(" ", 2)
            fields = {
                name.lower(): value.strip()
                for name, _, value in (line.partition(":") for line in lines[1:])
            }
            stream.read(int(fields.get("content-length", "0")))
            if method == "ANNOUNCE":
                publication = publications.begin(urlsplit(url).path.strip("/"), peer)
            connection.sendall(_answer(method, fields))
    if publication is not None:
        publication.ended_s = time.monotonic()


def _answer(method: str, fields: dict[str, str]) -> bytes:
    lines = ["RTSP/1.0 200 OK", f"CSeq: {fields.get('cseq', '0')}", "Session: 1"]
    if method == "OPTIONS":
        lines.append("Public: OPTIONS, ANNOUNCE, SETUP, RECORD, TEARDOWN")
    if method == "SETUP":
        lines.append(f"Transport: {re.sub('[ ]', '', fields['transport'])}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _note(publication: Publication, packet: bytes) -> None:
    stamp = int.from_bytes(packet[4:8], "big")
    if not publication.pictures or publication.pictures[-1][1] != stamp:
        publication.pictures.append((time.monotonic(), stamp))
