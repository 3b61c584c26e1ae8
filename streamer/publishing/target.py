"""
Where a publisher sends to: what FFmpeg needs to get there, and what may be said of it.

A target's credentials are its user and password, the values in its query, and the stream key that
ends an RTMP path. They leave this module only in `Target.url`, which is for the child alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from streamer.errors import ConfigError, redact
from streamer.publishing.wire import Failure

Transport = Literal["tcp", "udp"]

_MUXERS = {
    "rtsp": "rtsp",
    "rtsps": "rtsp",
    "rtmp": "flv",
    "rtmps": "flv",
    "srt": "mpegts",
    "whip+http": "whip",
    "whip+https": "whip",
    "http": "whip",
    "https": "whip",
}
_LIVE = {
    # Without it, video waits up to 10 s for an audio track that is silent.
    "max_interleave_delta": "250000",
    "fflags": "+flush_packets",
}
_OPTIONS = {"flv": {"flvflags": "no_duration_filesize"}}

_VIDEO = {"h264", "hevc"}
_CARRIES = {
    "rtsp": _VIDEO | {"aac", "mp3", "opus", "pcm_mulaw", "pcm_alaw"},
    "flv": _VIDEO | {"aac", "mp3", "opus"},  # FFmpeg's muxer aborts when given G.711
    "mpegts": _VIDEO | {"aac", "mp3", "opus"},
    "whip": {"h264", "opus"},
}

_WORDS: dict[Failure, str] = {
    "refused": "connection refused: is the server up, and the port right?",
    "unauthorized": "401 unauthorized: check user and password in the URL",
    "forbidden": "403 forbidden: this user may not publish there",
    "not_found": "404 not found: check the path in the URL",
    "timed_out": "no answer: is the server up, and the address right?",
    "rejected": "the server refused the stream",
    "lost": "the server ended the connection",
    "codec": "its protocol cannot carry this track",
    "failed": "cannot be published to",
}
_TELLING: frozenset[Failure] = frozenset({"rejected", "codec", "failed"})
"""Failures whose detail, FFmpeg's own words, tells a user more than ours do."""


@dataclass(frozen=True)
class Target:
    """One place to publish to. Its `repr` and `name` are free of credentials."""

    url: str = field(repr=False)
    """As FFmpeg takes it, with its credentials."""
    name: str
    """How it is called in messages."""
    muxer: str
    """FFmpeg's name of the format."""
    options: dict[str, str]
    """The muxer's options."""
    secrets: tuple[str, ...] = field(repr=False)
    """What `hide` hides, longest first."""

    def hide(self, text: str) -> str:
        """*text*, which is FFmpeg's or a server's, without this target's credentials."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return redact(text)

    def explain(self, kind: Failure, detail: str) -> str:
        """One line for a user on why publishing failed."""
        if kind == "unsupported":
            return (
                f"{self.name}: the FFmpeg inside PyAV cannot publish to such a URL ({detail}): "
                "publish by RTSP or RTMP, or build PyAV with an FFmpeg that can"
            )
        words = _WORDS.get(kind, _WORDS["failed"])
        detail = " ".join(self.hide(detail).split())
        return f"{self.name}: {words}" + (f": {detail}" if kind in _TELLING and detail else "")


def carries(muxer: str, codec: str) -> bool:
    """Whether a track of that codec can be published in that format, both as FFmpeg calls them."""
    return codec in _CARRIES[muxer]


def parse_target(url: str, transport: Transport = "tcp") -> Target:
    """
    Understand *url*: `rtsp`, `rtsps`, `rtmp`, `rtmps`, `srt`, or WHIP as `whip+http`,
    `whip+https`, `http` or `https`.

    Args:
        url: may have credentials.
        transport: what RTP travels on; for RTSP only.

    Raises:
        ConfigError: another scheme, no host, or a port that is none.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        # Without its cause: that has a part of the URL, which may be one of the password.
        raise ConfigError(
            "publish: the URL cannot be read: check host and port, and write special characters "
            "of a password as %XX"
        ) from None
    scheme = parts.scheme.lower()
    if scheme not in _MUXERS:
        schemes = ", ".join(sorted(_MUXERS))
        raise ConfigError(f"publish: {scheme or 'no scheme'}://…: is none of {schemes}")
    if not host:
        raise ConfigError(f"publish: {scheme}://…: has no host: write {scheme}://HOST/PATH")
    if transport not in ("tcp", "udp"):
        raise ConfigError(f"publish: transport: {transport!r} is neither tcp nor udp")
    muxer = _MUXERS[scheme]
    secrets = [parts.password or "", *(value for _, value in parse_qsl(parts.query))]
    path = parts.path
    if muxer == "flv":
        application, slash, key = path.rpartition("/")
        if key and application:
            secrets.append(key)
            path = f"{application}{slash}***"
    options = _LIVE | _OPTIONS.get(muxer, {})
    if muxer == "rtsp":
        options["rtsp_transport"] = transport
    address = f"[{host}]" if ":" in host else host
    return Target(
        url=re.sub(r"(?i)^whip\+", "", url),
        name=f"{scheme}://{address}{'' if port is None else f':{port}'}{path}",
        muxer=muxer,
        options=options,
        secrets=_forms(secrets),
    )


def _forms(secrets: list[str]) -> tuple[str, ...]:
    """Each as it is written and as it is meant, longest first, so that none is hidden in part."""
    forms = {form for secret in secrets for form in (secret, unquote(secret)) if form}
    return tuple(sorted(forms, key=len, reverse=True))
