"""Which URLs a stream can be read from, and what is wrong with one that is not."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

from streamer.core.urls import authority_may_end, stray_in_password

SCHEMES = ("rtsp", "rtsps", "http", "https")
"""What a live source's URL may begin with."""
SECURE = frozenset({"rtsps", "https"})
"""The schemes that use TLS."""

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+", re.IGNORECASE)
_URL = re.compile(rf"{_SCHEME.pattern}://", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def scheme_of(url: str) -> str:
    """The scheme of *url*, in lower case; empty where it has none."""
    scheme, separator, _ = url.partition("://")
    return scheme.lower() if separator and _SCHEME.fullmatch(scheme) else ""


def check_stream_url(url: str) -> None:
    """
    Make sure that a live stream can be read from *url*.

    Raises:
        ValueError: it cannot; the message repeats nothing but its scheme.
    """
    scheme = scheme_of(url)
    if scheme not in SCHEMES:
        raise ValueError(_foreign(scheme))
    if _CONTROL.search(url):
        raise ValueError("has a line break or another control character in it")
    rest = url.partition("://")[2]
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    place = authority.rpartition("@")[2]
    stray = stray_in_password(url)
    by_themselves = f"{stray}; source.username and source.password take it as it is"
    if stray and not authority_may_end(url):
        raise ValueError(by_themselves)
    try:
        parts = urlsplit(f"//{place}")
        host, _ = parts.hostname, parts.port
    except ValueError:
        if stray:
            raise ValueError(by_themselves) from None
        # Without its cause: that repeats a part of the URL, which may be part of the password.
        raise ValueError(
            "host and port cannot be read: the port is a number up to 65535; of a password write "
            "@ as %40, / as %2F, # as %23, ? as %3F, or use source.username and source.password"
        ) from None
    if not host:
        raise ValueError(f"names no host: write {scheme}://HOST/PATH")


def _foreign(scheme: str) -> str:
    if not scheme:
        return "is no URL of a stream: write rtsp://HOST/PATH, rtsps://, http:// or https://"
    if scheme == "file":
        return "file:// is no live stream: use `type: file` with its path"
    return (
        f"{scheme}:// is not read: only {', '.join(SCHEMES)}; a media server can give such a "
        "stream on as RTSP"
    )


def _no_url(path: str) -> str:
    if not _URL.match(path):
        return path
    if scheme_of(path) in SCHEMES:
        raise ValueError("is a URL: a live stream is `type: rtsp` with `url:`; download a file")
    raise ValueError("is a URL: write the path of a file on this machine")


LocalPath = Annotated[str, AfterValidator(_no_url)]
"""A path on this machine; one that FFmpeg would take for a URL is refused."""
