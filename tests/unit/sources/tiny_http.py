"""A camera that speaks HTTP: MJPEG as `multipart/x-mixed-replace`, or any other answers."""

from __future__ import annotations

import base64
import http.server
import io
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

import numpy as np
from PIL import Image as Picture

from streamer.serving.rtsp import TlsFiles

MIXED = "multipart/x-mixed-replace; boundary=frame"


@dataclass(frozen=True)
class Page:
    """One answer; its body is sent as *pieces* gives it."""

    kind: str
    pieces: Callable[[], Iterable[bytes]]
    status: int = 200
    sized: bool = False
    """Say how long it is, as the server of a file does."""


def page(data: bytes, kind: str, **fields: object) -> Page:
    """*data* at once."""
    return Page(kind, lambda: [data], **fields)


def jpeg(number: int) -> bytes:
    """A picture filled with luma 16 + 4 * *number*, and as large as a real one at the least."""
    level = round((4 * (number % 54)) * 255 / 219)
    file = io.BytesIO()
    Picture.fromarray(np.full((48, 64), level, np.uint8)).save(file, "JPEG", quality=95)
    data, remark = file.getvalue(), bytes(4000)
    return data[:2] + b"\xff\xfe" + (len(remark) + 2).to_bytes(2, "big") + remark + data[2:]


def mjpeg(frames: int, fps: float, *, sized: bool = True, kind: str = "image/jpeg") -> Page:
    """A camera's stream: frame n is `jpeg(n)`, at its own time, in parts that are marked *kind*."""

    def pieces() -> Iterable[bytes]:
        begun = time.monotonic()
        for number in range(frames):
            time.sleep(max(0.0, begun + number / fps - time.monotonic()))
            data = jpeg(number)
            size = f"Content-Length: {len(data)}\r\n" if sized else ""
            yield f"--frame\r\nContent-Type: {kind}\r\n{size}\r\n".encode() + data + b"\r\n"

    return Page(MIXED, pieces)


def paced(data: bytes, seconds: float, kind: str) -> Page:
    """*data* evenly over *seconds*."""

    def pieces() -> Iterable[bytes]:
        steps = max(1, round(seconds * 25))
        size = -(-len(data) // steps)
        for start in range(0, len(data), size):
            yield data[start : start + size]
            time.sleep(seconds / steps)

    return Page(kind, pieces)


class TinyHttp:
    """
    Serves *pages* by their path until the `with` block ends.

    Args:
        pages: the answers; of any other path it is 404.
        login: `user:password` that is asked for, by Basic authentication.
        tls: what it is secured with.

    Attributes:
        asked: the paths of the requests so far, with their queries.
    """

    def __init__(
        self, pages: dict[str, Page], *, login: str | None = None, tls: TlsFiles | None = None
    ) -> None:
        self.asked: list[str] = []
        self.closing = threading.Event()
        camera, wanted = self, None
        if login is not None:
            wanted = "Basic " + base64.b64encode(login.encode()).decode()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                camera.asked.append(self.path)
                found = pages.get(self.path.partition("?")[0]) or page(
                    b"", "text/plain", status=404
                )
                refused = wanted is not None and self.headers.get("Authorization") != wanted
                self.send_response(401 if refused else found.status)
                if refused:
                    self.send_header("WWW-Authenticate", 'Basic realm="camera"')
                self.send_header("Content-Type", found.kind)
                pieces = [] if refused else found.pieces()
                if found.sized:
                    pieces = [b"".join(pieces)]
                    self.send_header("Content-Length", str(len(pieces[0])))
                self.send_header("Connection", "close")
                self.end_headers()
                self.close_connection = True
                try:
                    for piece in pieces:
                        if camera.closing.is_set():
                            return
                        self.wfile.write(piece)
                except OSError:
                    return

            def handle(self) -> None:
                with suppress(OSError):
                    super().handle()

            def log_message(self, *words: object) -> None:
                """Nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._scheme = "http"
        if tls is not None:
            self._scheme = "https"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls.cert, tls.key)
            # The handshake is the handler's, or one viewer who breaks it off would end the server.
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        self.port = self._server.server_port

    def url(self, path: str, login: str = "") -> str:
        return f"{self._scheme}://{login}{'@' * bool(login)}127.0.0.1:{self.port}{path}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
