"""Enough of an npm registry for the real npm client: one package with a chunked resource."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
import time
from http.server import BaseHTTPRequestHandler
from urllib.parse import unquote

from tests.peers.loopback import Server, reply


def chunked_package(name: str, version: str, resource: str, content: bytes, size: int) -> bytes:
    """A package's tarball, with *content* in chunks of *size* bytes as IMG.LY lays them out."""
    files = {"package.json": json.dumps({"name": name, "version": version}).encode()}
    chunks = []
    for start in range(0, len(content), size):
        part = content[start : start + size]
        digest = hashlib.sha256(part).hexdigest()
        files[f"dist/{digest}"] = part
        chunks.append({"hash": digest, "offsets": [start, start + len(part)]})
    files["dist/resources.json"] = json.dumps({resource: {"chunks": chunks}}).encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path in sorted(files):
            member = tarfile.TarInfo(f"package/{path}")
            member.size = len(files[path])
            archive.addfile(member, io.BytesIO(files[path]))
    return buffer.getvalue()


class NpmRegistry(Server):
    """Serves one version of one package."""

    def __init__(self, name: str, version: str, tarball: bytes) -> None:
        super().__init__()
        self._name = name
        self._version = version
        self.tarball = tarball
        self.pause_s = 0.0
        """Before each of 8 parts of the tarball."""
        self.status = 200
        """Other than 200: what every request gets."""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path = unquote(request.path)
        if self.status != 200:
            reply(request, self.status, b"{}", Content_Type="application/json")
        elif path == f"/{self._name}":
            body = json.dumps(self._description()).encode()
            reply(request, 200, body, Content_Type="application/json")
        elif path == "/tarball.tgz":
            self._send_tarball(request)
        else:
            reply(request, 404, b"{}", Content_Type="application/json")

    def _send_tarball(self, request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(self.tarball)))
        request.end_headers()
        step = max(1, len(self.tarball) // 8)
        for start in range(0, len(self.tarball), step):
            time.sleep(self.pause_s)
            request.wfile.write(self.tarball[start : start + step])

    def _description(self) -> dict[str, object]:
        integrity = base64.b64encode(hashlib.sha512(self.tarball).digest()).decode()
        release = {
            "name": self._name,
            "version": self._version,
            "dist": {
                "tarball": f"{self.url}/tarball.tgz",
                "integrity": f"sha512-{integrity}",
            },
        }
        return {
            "name": self._name,
            "dist-tags": {"latest": self._version},
            "versions": {self._version: release},
        }
