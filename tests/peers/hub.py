"""Enough of the Hugging Face Hub for its real client: one file at one revision."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler

from tests.peers.loopback import Server, reply


@dataclass
class Behaviour:
    """How the Hub treats its one file."""

    content: bytes
    token: str | None = None
    """Ask for this one; others get `refusal`."""
    refusal: int = 401
    broken_at: int | None = None
    """Hang up at this byte of the file, once or, with `always_broken`, each time."""
    always_broken: bool = False
    pause_s: float = 0.0
    """Before each of 8 parts of the content."""


class HubServer(Server):
    """Serves `/{repo}/resolve/{revision}/{path}`, with byte ranges."""

    def __init__(self, repo: str, revision: str, path: str, behaviour: Behaviour) -> None:
        super().__init__()
        self._path = f"/{repo}/resolve/{revision}/{path}"
        self._revision = revision
        self.behaviour = behaviour

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        how = self.behaviour
        if how.token is not None and request.headers["Authorization"] != f"Bearer {how.token}":
            reply(request, how.refusal, X_Error_Code="GatedRepo", X_Error_Message="gated")
        elif request.path != self._path:
            reply(request, 404, X_Error_Code="EntryNotFound", X_Error_Message="no such file")
        else:
            self._send(request, how)

    def _send(self, request: BaseHTTPRequestHandler, how: Behaviour) -> None:
        content = how.content
        span = request.headers["Range"]
        start = int(span.removeprefix("bytes=").split("-")[0]) if span else 0
        request.send_response(206 if span else 200)
        request.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        request.send_header("X-Repo-Commit", self._revision)
        request.send_header("Content-Length", str(len(content) - start))
        if span:
            end = len(content)
            request.send_header("Content-Range", f"bytes {start}-{end - 1}/{end}")
        request.end_headers()
        if request.command == "HEAD":
            return
        stop = len(content)
        if how.broken_at is not None and start <= how.broken_at:
            stop = how.broken_at
            if not how.always_broken:
                how.broken_at = None
            request.close_connection = True
        step = max(1, len(content) // 8)
        for offset in range(start, stop, step):
            time.sleep(how.pause_s)
            request.wfile.write(content[offset : min(offset + step, stop)])
