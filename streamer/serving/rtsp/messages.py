"""
RTSP requests and interleaved frames out of a byte stream, and responses into one (RFC 2326).

The parser takes bytes as they come, in pieces of any size, and holds no more than one message
within its limits. Whatever it is fed, it raises `MessageError` and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from streamer.serving.rtsp.limits import Limits

REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    413: "Request Entity Too Large",
    414: "Request-URI Too Long",
    451: "Parameter Not Understood",
    453: "Not Enough Bandwidth",
    454: "Session Not Found",
    455: "Method Not Valid In This State",
    459: "Aggregate Operation Not Allowed",
    460: "Only Aggregate Operation Allowed",
    461: "Unsupported Transport",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    505: "RTSP Version Not Supported",
    551: "Option Not Supported",
}
"""Status codes that this server sends (RFC 2326 section 7.1.1)."""

_HEADERS = 64
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VERSION = re.compile(r"RTSP/\d{1,3}\.\d{1,3}")
_LENGTH = re.compile(r"\d{1,9}")
_CSEQ = re.compile(r"\d{1,10}")
# CR and LF by themselves end lines for a tolerant receiver (section 4); LF alone is seen in the
# wild, CR alone is not.
_END = re.compile(rb"\r?\n\r?\n")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class MessageError(Exception):
    """
    The stream is not RTSP from here on: answer *status*, then hang up.

    Attributes:
        status: the response's status code.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    """One whole request."""

    method: str
    uri: str
    """As sent."""
    headers: Mapping[str, str]
    """By lower-case name; the values of a repeated one are joined by `, `."""
    body: bytes = field(default=b"", repr=False)

    @property
    def cseq(self) -> str | None:
        """Its sequence number, or None where it has none or nonsense."""
        value = self.headers.get("cseq", "")
        return value if _CSEQ.fullmatch(value) else None


@dataclass(frozen=True, slots=True)
class Interleaved:
    """One binary frame between requests (section 10.12)."""

    channel: int
    payload: bytes


class Parser:
    """
    An incremental parser of what a client sends. Not to be used after a `MessageError`.

    Args:
        limits: sizes of line, headers and body.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._buffer = bytearray()
        self._scanned = 0
        self._head: tuple[Request, int] | None = None

    @property
    def partial(self) -> bool:
        """Whether a message has begun and not ended."""
        return bool(self._buffer) or self._head is not None

    @property
    def held(self) -> int:
        """Bytes kept for a message that is not whole yet."""
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        """Add *data*; `take` then returns the messages that it completes."""
        self._buffer += data

    def take(self) -> Request | Interleaved | None:
        """
        The next message, or None until more bytes come.

        Raises:
            MessageError: the bytes are no message, or one too large.
        """
        if self._head is None:
            # Empty lines before a request are to be ignored (section 4.1).
            if self._buffer.startswith((b"\r", b"\n")):
                del self._buffer[: len(self._buffer) - len(self._buffer.lstrip(b"\r\n"))]
            if self._buffer[:1] == b"$":
                return self._interleaved()
            self._head = self._request_head()
            if self._head is None:
                return None
        request, length = self._head
        if len(self._buffer) < length:
            return None
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        self._head = None
        return Request(request.method, request.uri, request.headers, body)

    def _interleaved(self) -> Interleaved | None:
        if len(self._buffer) < 4:
            return None
        length = int.from_bytes(self._buffer[2:4], "big")
        if len(self._buffer) < 4 + length:
            return None
        frame = Interleaved(self._buffer[1], bytes(self._buffer[4 : 4 + length]))
        del self._buffer[: 4 + length]
        return frame

    def _request_head(self) -> tuple[Request, int] | None:
        """A request without its body, and the body's length."""
        end = _END.search(self._buffer, max(0, self._scanned - 3))
        if end is None:
            self._scanned = len(self._buffer)
            if b"\n" not in self._buffer[: self._limits.request_line_bytes + 2]:
                self._check_line(self._scanned)
            self._check_head(self._scanned)
            return None
        self._check_line(self._buffer.index(b"\n"))
        self._check_head(end.start())
        head = bytes(self._buffer[: end.start()])
        del self._buffer[: end.end()]
        self._scanned = 0
        line, *lines = _text(head).replace("\r\n", "\n").split("\n")
        method, uri = _request_line(line)
        headers = _headers(lines)
        return Request(method, uri, headers), self._body_length(headers)

    def _check_line(self, size: int) -> None:
        if size > self._limits.request_line_bytes:
            raise MessageError(414, "request line too long")

    def _check_head(self, size: int) -> None:
        if size > self._limits.header_bytes:
            raise MessageError(413, "headers too long")

    def _body_length(self, headers: Mapping[str, str]) -> int:
        value = headers.get("content-length", "0")
        if not _LENGTH.fullmatch(value):
            raise MessageError(400, "Content-Length is not a number")
        if int(value) > self._limits.body_bytes:
            raise MessageError(413, "body too long")
        return int(value)


def _text(head: bytes) -> str:
    """Decode a head: as UTF-8, or else as Latin-1, in which older clients write names."""
    try:
        return head.decode("utf-8")
    except UnicodeDecodeError:
        return head.decode("latin-1")


def _request_line(line: str) -> tuple[str, str]:
    words = line.split(" ")
    if len(words) != 3 or not _TOKEN.fullmatch(words[0]) or not words[1]:
        raise MessageError(400, "not a request line")
    method, uri, version = words
    if _CONTROL.search(uri):
        raise MessageError(400, "control characters in the URI")
    if not _VERSION.fullmatch(version):
        raise MessageError(400, "not RTSP")
    if version != "RTSP/1.0":
        raise MessageError(505, "only RTSP/1.0 is spoken here")
    return method, uri


def _headers(lines: list[str]) -> dict[str, str]:
    if len(lines) > _HEADERS:
        raise MessageError(413, "too many headers")
    headers: dict[str, str] = {}
    for line in _unfolded(lines):
        name, colon, value = line.partition(":")
        if not colon or not _TOKEN.fullmatch(name) or _CONTROL.search(value):
            raise MessageError(400, "not a header")
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _unfolded(lines: list[str]) -> list[str]:
    """Join folded headers: a line that begins with a blank continues the one before it."""
    whole: list[str] = []
    for line in lines:
        if not line.startswith((" ", "\t")):
            whole.append(line)
        elif whole:
            whole[-1] = f"{whole[-1].rstrip()} {line.strip()}"
        else:
            raise MessageError(400, "the request line goes on")
    return whole


def response(
    status: int,
    cseq: str | None,
    headers: list[tuple[str, str]] | None = None,
    body: bytes = b"",
) -> bytes:
    """A response as bytes; a name may come more than once in *headers*."""
    lines = [f"RTSP/1.0 {status} {REASONS[status]}"]
    if cseq is not None:
        lines.append(f"CSeq: {cseq}")
    lines += [f"{name}: {value}" for name, value in headers or ()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body
