"""Clips encoded at test time: frame n is filled with luma 16 + 4n."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from streamer.config import FileSourceConfig
from streamer.errors import CorruptFrame, EndOfStream
from streamer.sources.file import FileSource
from tests.unit.sources.clips import encode


class Played:
    """What a source delivered until its end."""

    def __init__(self, config: FileSourceConfig, limit: int = 10_000) -> None:
        source = FileSource(config)
        self.corrupt: list[str] = []
        self.times_s: list[Fraction] = []
        self.levels: list[int] = []
        try:
            self.info = source.open()
            out = np.zeros((self.info.height, self.info.width, 3), np.uint8)
            while len(self.times_s) < limit:
                try:
                    grab = source.read(out)
                except EndOfStream:
                    return
                except CorruptFrame as error:
                    self.corrupt.append(str(error))
                    continue
                self.times_s.append(grab.pts * grab.time_base)
                self.levels.append(round(float(out.mean()) * 219 / 255 / 4))
        finally:
            source.close()


@pytest.fixture
def play() -> Callable[..., Played]:
    def run(path: Path, limit: int = 10_000, **fields: object) -> Played:
        config = FileSourceConfig.model_validate({"type": "file", "path": str(path), **fields})
        return Played(config, limit)

    return run


@pytest.fixture
def make_clip() -> Callable[..., Path]:
    return encode


@pytest.fixture(scope="session")
def small_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """50 frames of 64x48 at 25 fps."""
    return encode(tmp_path_factory.mktemp("clips") / "clip.mp4")


@pytest.fixture
def answering() -> Iterator[Callable[[str | None], int]]:
    """Starts a server on loopback that answers DESCRIBE with a status (None: never); its port."""
    servers: list[socket.socket] = []
    peers: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def talk(peer: socket.socket, status: str | None) -> None:
        asked = b""
        while True:
            try:
                data = peer.recv(4096)
            except OSError:
                return
            if not data:
                return
            asked += data
            while b"\r\n\r\n" in asked and status is not None:
                request, asked = asked.split(b"\r\n\r\n", 1)
                sequence = next(
                    line for line in request.decode().split("\r\n") if line.startswith("CSeq")
                )
                line = "200 OK\r\nPublic: OPTIONS, DESCRIBE"
                if not request.startswith(b"OPTIONS"):
                    line = status
                peer.sendall(f"RTSP/1.0 {line}\r\n{sequence}\r\n\r\n".encode())

    def accept(server: socket.socket, status: str | None) -> None:
        while True:
            try:
                peer, _ = server.accept()
            except OSError:
                return
            peers.append(peer)
            thread = threading.Thread(target=talk, args=(peer, status), daemon=True)
            threads.append(thread)
            thread.start()

    def start(status: str | None) -> int:
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)
        thread = threading.Thread(target=accept, args=(server, status), daemon=True)
        threads.append(thread)
        thread.start()
        return int(server.getsockname()[1])

    yield start
    for server in servers:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
    for thread in threads[:]:
        for peer in peers:
            try:
                peer.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        thread.join(5)
    for peer in peers:
        peer.close()
