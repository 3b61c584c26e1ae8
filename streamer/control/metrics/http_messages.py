"""HTTP messages as far as they are understood here: a request's head, and an answer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Self
from urllib.parse import urlsplit

PLAIN = ("Content-Type", "text/plain; charset=utf-8")

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Request:
    """The head of a request."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    """By name in lower case."""

    @classmethod
    def parse(cls, head: bytes) -> Self:
        """
        The request that begins with *head*, up to its empty line.

        Raises:
            ValueError: it is not one of HTTP/1.
        """
        line, *fields = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        if any(_CONTROL.search(text) for text in (line, *fields)):
            raise ValueError("a control character in a request")
        method, target, version = line.split(" ")
        if not version.startswith("HTTP/1."):
            raise ValueError("not HTTP/1")
        parts = urlsplit(target)
        headers: dict[str, str] = {}
        for field in fields:
            name, colon, value = field.partition(":")
            if not colon:
                raise ValueError("a header without a colon")
            said = headers.get(name.lower())
            headers[name.lower()] = f"{said},{value.strip()}" if said else value.strip()
        return cls(method, parts.path, parts.query, headers)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to a request; the connection ends with it."""

    status: int
    body: bytes
    headers: Sequence[tuple[str, str]] = (PLAIN,)

    def encoded(self, *, bodiless: bool = False) -> bytes:
        """What is sent; *bodiless*: without the body, as HEAD wants it."""
        reason = HTTPStatus(self.status).phrase
        fields = (*self.headers, ("Content-Length", str(len(self.body))), ("Connection", "close"))
        lines = (f"HTTP/1.1 {self.status} {reason}", *(f"{name}: {said}" for name, said in fields))
        head = "".join(f"{line}\r\n" for line in (*lines, "")).encode("latin-1")
        return head if bodiless else head + self.body
