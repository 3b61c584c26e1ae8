"""The address that one of our servers listens on, parsed from a URL."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from streamer.core.urls import authority_may_end, stray_in_password

_PATH = re.compile(r"(/[\w.~+-]+)+/?", re.ASCII)
_PORTS = {"rtsp": 8554, "rtsps": 8322}
"""Default ports by scheme; RTSP's own 554 needs an administrator."""


@dataclass(frozen=True, slots=True)
class ServeAddress:
    """An address to listen on and a path to serve there."""

    host: str
    port: int
    path: str
    """Begins with `/`."""
    secure: bool
    """Whether it uses TLS (`rtsps://`)."""
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """The URL, without credentials."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"rtsp{'s' * self.secure}://{host}:{self.port}{self.path}"

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        return is_loopback(self.host)

    @classmethod
    def parse(cls, url: str) -> ServeAddress:
        """
        Parse *url*: `rtsp[s]://[user:password@]host[:port]/path`.

        Raises:
            ValueError: *url* is not such an address; the message does not repeat it.
        """
        try:
            parts = urlsplit(url)
        except ValueError:
            # Without its cause: that repeats a part of the URL, which may be part of the password.
            raise ValueError(
                "cannot be read: check the host, and write special characters of a password as %XX"
            ) from None
        try:
            port = parts.port
        except ValueError:
            raise ValueError(
                stray_in_password(url) or "the port must be a number up to 65535"
            ) from None
        if not authority_may_end(url):
            raise ValueError(stray_in_password(url))
        if parts.scheme not in _PORTS:
            raise ValueError("write rtsp://127.0.0.1:8554/masked, or rtsps:// with a certificate")
        if not parts.hostname:
            raise ValueError("names no host to listen on: 127.0.0.1 is this machine only")
        if parts.query or parts.fragment or not _PATH.fullmatch(parts.path):
            raise ValueError("must end in a path of letters, digits, - and _, such as /masked")
        if (parts.username is None) != (parts.password is None) or parts.username == "":
            raise ValueError("must have both user and password, or none of them")
        return cls(
            parts.hostname,
            _PORTS[parts.scheme] if port is None else port,
            parts.path,
            parts.scheme == "rtsps",
            unquote(parts.username) if parts.username is not None else None,
            unquote(parts.password) if parts.password is not None else None,
        )


def is_loopback(host: str) -> bool:
    """Whether *host*, a name or an address, is this machine to itself only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
