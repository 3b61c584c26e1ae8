"""The addresses that our servers listen on, and the hosts by which others call them, parsed."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from streamer.core.urls import authority_may_end, stray_in_password

_PATH = re.compile(r"(/[\w.~+-]+)+/?", re.ASCII)
_HOST = re.compile(
    r"(?:\[(?P<address>[0-9a-f:.]{2,45})\]|(?P<name>[a-z0-9_][a-z0-9_-]*(?:\.[a-z0-9_-]+)*))"
    r"(?::(?P<port>[0-9]{1,5}))?",
    re.ASCII | re.IGNORECASE,
)
_LONGEST_NAME = 253
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


def listen_address(listen: str, example: str) -> tuple[str, int]:
    """
    Host and port of *listen*, `host:port`; an IPv6 address comes without its brackets.

    Args:
        listen: as it is written in a configuration.
        example: a right one, with an IPv4 address, for the message.

    Raises:
        ValueError: it is no such address; the message does not repeat it.
    """
    try:
        parts = urlsplit(f"//{listen}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or port is None or parts.netloc != listen or "@" in listen:
        other = f"[::1]:{example.rpartition(':')[2]}"
        raise ValueError(f"is not host:port, such as {example} or {other}")
    return host, port


def called_host(text: str) -> tuple[str, int | None]:
    """
    Host and port of *text*, `host[:port]`, as a browser writes the host that it calls.

    Names come in lower case, IPv6 addresses in their shortest form and without brackets.

    Raises:
        ValueError: it is no such host; the message does not repeat it.
    """
    found = _HOST.fullmatch(text) if len(text) <= _LONGEST_NAME + len(":65535") else None
    address = found and found["address"]
    if found is None or (address and not _is_ipv6(address)):
        raise ValueError("is not a host, such as cam.example.org or cam.example.org:8443")
    host = str(ipaddress.IPv6Address(address)) if address else found["name"].lower()
    port = int(found["port"]) if found["port"] else None
    if port is not None and not 0 < port < 1 << 16:
        raise ValueError("the port must be a number from 1 to 65535")
    return host, port


def is_loopback(host: str) -> bool:
    """Whether *host*, a name or an address, is this machine to itself only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_ipv6(address: str) -> bool:
    try:
        ipaddress.IPv6Address(address)
    except ValueError:
        return False
    return True
