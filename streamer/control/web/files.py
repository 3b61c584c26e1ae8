"""The files that pages are made of, as routes: compressed where the browser takes that."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from fastapi import FastAPI, Request
from fastapi.responses import Response

PAGE = files("streamer.control.web") / "page"
"""The folder of the page of streams."""

_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_LEVEL = 6


@dataclass(frozen=True, slots=True)
class Packed:
    """A content, as it is and compressed."""

    content: bytes
    zipped: bytes

    @classmethod
    def of(cls, content: bytes, level: int = _LEVEL) -> Packed:
        """Compress *content*."""
        return cls(content, gzip.compress(content, level, mtime=0))

    def response(self, request: Request, media_type: str, **headers: str) -> Response:
        """The answer to *request*: compressed if its browser takes that."""
        headers = {"Vary": "Accept-Encoding", **headers}
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
            return Response(self.zipped, media_type=media_type, headers=headers)
        return Response(self.content, media_type=media_type, headers=headers)


def serve_files(app: FastAPI, paths: Mapping[str, str], folder: Traversable = PAGE) -> None:
    """
    Have *app* answer with files.

    Args:
        app: the application.
        paths: of requests, each with the name of its file.
        folder: where the files are; read now.
    """
    for path, name in paths.items():
        _serve(app, path, Packed.of((folder / name).read_bytes()), _TYPES[name.partition(".")[2]])


def _serve(app: FastAPI, path: str, packed: Packed, media_type: str) -> None:
    @app.get(path, include_in_schema=False)
    async def file(request: Request) -> Response:
        return packed.response(request, media_type, **{"Cache-Control": "no-cache"})
