"""
Where a publisher sends to: what FFmpeg needs to get there, and names that may be shown.

A target's credentials are its user and password, all of its query, and the stream key that ends an
RTMP path. They leave this module only in `Target.url`, which is for the child alone.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote, unquote_plus, urlsplit

import av

from streamer.core.tls import authorities
from streamer.core.urls import authority_may_end
from streamer.errors import ConfigError, public_url, redact
from streamer.serving.publishing.wire import Failure

Transport = Literal["tcp", "udp"]

_MUXERS = {
    "rtsp": "rtsp",
    "rtsps": "rtsp",
    "rtmp": "flv",
    "rtmps": "flv",
    "whip+http": "whip",
    "whip+https": "whip",
    "http": "whip",
    "https": "whip",
}
_SECURE = {"rtsps", "rtmps", "whip+https", "https"}
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
    "whip": {"h264", "opus"},
}

_WORDS: dict[Failure, str] = {
    "refused": "connection refused: is the server up, and the port right?",
    "untrusted": (
        "no secure connection: its certificate is not trusted, or is another host's: name its "
        "authority in tls_ca, or set tls_verify: false"
    ),
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

_QUERY = re.compile(r"(://[^\s?]*\?)\S*")


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
    unverified: bool = False
    """Whether its certificate should be verified, but FFmpeg cannot do it."""

    def hide(self, text: str) -> str:
        """*text*, which is FFmpeg's or a server's, without this target's credentials."""
        # Whole queries first: FFmpeg may cut a long line in a secret, which is then not found.
        text = _QUERY.sub(r"\1***", text)
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return redact(text)

    def explain(self, kind: Failure, detail: str) -> str:
        """One line for a user on why publishing failed."""
        detail = " ".join(self.hide(detail).split())
        if kind == "unsupported":
            return (
                f"{self.name}: the FFmpeg inside PyAV cannot publish to such a URL ({detail}): "
                "publish by RTSP or RTMP, or build PyAV with an FFmpeg that can"
            )
        words = _WORDS.get(kind, _WORDS["failed"])
        return f"{self.name}: {words}" + (f": {detail}" if kind in _TELLING and detail else "")


def carries(muxer: str, codec: str) -> bool:
    """Whether a track of that codec can be published in that format, both as FFmpeg calls them."""
    return codec in _CARRIES[muxer]


def parse_target(
    url: str, transport: Transport = "tcp", *, tls_verify: bool = True, tls_ca: str | None = None
) -> Target:
    """
    Understand *url*: `rtsp`, `rtsps`, `rtmp`, `rtmps`, or WHIP as `whip+http`, `whip+https`,
    `http` or `https`; and make sure that this machine can publish so.

    Args:
        url: may have credentials.
        transport: what RTP travels on; for RTSP only.
        tls_verify: whether the certificate of a server with TLS must be trusted; FFmpeg can verify
            that of `rtsps` only, see `Target.unverified`.
        tls_ca: a PEM file with the authorities to trust; the system's own when None.

    Raises:
        ConfigError: another scheme, no host, or a port that is none; a certificate that cannot be
            verified; a platform or a PyAV that cannot publish.
    """
    if sys.platform == "win32":
        raise ConfigError("publish: needs Linux or macOS: serve the stream instead")
    try:
        # A '#' is for FFmpeg a letter like others.
        parts = urlsplit(url, allow_fragments=False)
        host, port = parts.hostname, parts.port
        if not authority_may_end(url):
            raise ValueError
    except ValueError:
        # Without its cause: that has a part of the URL, which may be one of the password.
        raise ConfigError(
            "publish: the URL cannot be read: check host and port, and of a password write / as "
            "%2F, # as %23, ? as %3F and @ as %40"
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
    if muxer not in av.formats_available:
        raise ConfigError(
            f"publish: {scheme}://…: the FFmpeg inside PyAV has no {muxer}: publish by RTSP"
        )
    path = parts.path
    secrets = [parts.username or "", parts.password or "", parts.query]
    secrets += [part.partition("=")[2] or part for part in re.split("[&;]", parts.query)]
    if muxer == "flv":
        application, slash, key = path.rpartition("/")
        if key and application:
            secrets.append(key)
            path = f"{application}{slash}***"
    options = _LIVE | _OPTIONS.get(muxer, {})
    if muxer == "rtsp":
        options["rtsp_transport"] = transport
    checked = tls_verify and scheme in _SECURE
    if checked:
        options |= _trust(scheme, tls_ca)
    address = f"[{host}]" if ":" in host else host
    return Target(
        url=re.sub(r"(?i)^whip\+", "", url),
        name=public_url(f"{scheme}://{address}{'' if port is None else f':{port}'}{path}"),
        muxer=muxer,
        options=options,
        secrets=_forms(secrets),
        unverified=checked and "tls_verify" not in options,
    )


def _trust(scheme: str, tls_ca: str | None) -> dict[str, str]:
    """The options that make FFmpeg verify a server's certificate; empty if there are none."""
    if scheme != "rtsps":
        # PyAV hands no options to RTMP's connection, nor does FFmpeg's WHIP to its own.
        if tls_ca is not None:
            raise ConfigError(
                f"publish: {scheme}://…: tls_ca: FFmpeg cannot verify this server's certificate: "
                "leave it out, or publish by rtsps://"
            )
        return {}
    try:
        return {"tls_verify": "1", "ca_file": authorities(tls_ca)}
    except FileNotFoundError as error:
        raise ConfigError(f"publish: {error}") from None


def _forms(secrets: list[str]) -> tuple[str, ...]:
    """Each secret as written and as decoded, longest first, so none is hidden only in part."""
    forms = {
        form
        for secret in secrets
        for form in (secret, unquote(secret), unquote_plus(secret))
        if form
    }
    return tuple(sorted(forms, key=len, reverse=True))
