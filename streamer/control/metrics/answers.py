"""Answers to HTTP requests: `/metrics`, `/healthz` and `/readyz`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, make_wsgi_app

from streamer.control.metrics.http_messages import PLAIN, Answer, Request
from streamer.control.metrics.readiness import unready_streams
from streamer.host import Host

logger = logging.getLogger("streamer.control.metrics")

_METHODS = ("GET", "HEAD")


class Answers:
    """
    Answers requests about one host.

    Args:
        host: asked at each request.
        registry: for `/metrics`.
        ready_s: how old the newest frame of a stream may be for `/readyz`, seconds.

    Not thread-safe.
    """

    def __init__(self, host: Host, registry: CollectorRegistry, ready_s: float) -> None:
        self._host = host
        self._ready_s = ready_s
        self._expose: Callable[..., Sequence[bytes]] = make_wsgi_app(registry)
        self._paths: dict[str, Callable[[Request], Answer]] = {
            "/metrics": self._metrics,
            "/healthz": self._health,
            "/readyz": self._readiness,
        }

    def answer(self, head: bytes) -> bytes:
        """The whole answer to the request that begins with *head*; never raises."""
        try:
            request = Request.parse(head)
        except ValueError:
            return Answer(400, b"not a request of HTTP/1.1\n").encoded()
        try:
            answer = self._answer(request)
        except Exception:
            logger.exception("%s: cannot be answered", request.path[:100])
            answer = Answer(500, b"failed: see the log\n")
        logger.debug("%s %s: %d", request.method[:10], request.path[:100], answer.status)
        return answer.encoded(bodiless=request.method == "HEAD")

    def _answer(self, request: Request) -> Answer:
        find = self._paths.get(request.path)
        if find is None:
            return Answer(404, f"there are {', '.join(self._paths)}\n".encode())
        if request.method not in _METHODS:
            allowed = ", ".join(_METHODS)
            return Answer(405, f"use {allowed}\n".encode(), (PLAIN, ("Allow", allowed)))
        return find(request)

    def _metrics(self, request: Request) -> Answer:
        """In the format and the encoding that the client asks for."""
        accept = request.headers.get("accept", "")
        try:
            return self._exposed(request, accept)
        except Exception:
            if not accept:
                raise
            # What prometheus_client cannot read, such as `version=abc`, asks for nothing.
            return self._exposed(request, "")

    def _exposed(self, request: Request, accept: str) -> Answer:
        said: list[Any] = []
        environ = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": request.path,
            "QUERY_STRING": request.query,
            "HTTP_ACCEPT": accept,
            "HTTP_ACCEPT_ENCODING": request.headers.get("accept-encoding", ""),
        }
        body = b"".join(self._expose(environ, lambda *given: said.extend(given)))
        status, headers = said[0], said[1]
        return Answer(int(status.split()[0]), body, headers)

    def _health(self, request: Request) -> Answer:
        if self._host.alive:
            return Answer(200, b"ok\n")
        return Answer(503, b"the streams have not been seen to for 10 s\n")

    def _readiness(self, request: Request) -> Answer:
        if unready := unready_streams(self._host, self._ready_s):
            return Answer(503, "".join(f"{line}\n" for line in unready).encode())
        return Answer(200, b"ok\n")
