"""The server's socket and certificate, or one line that says why there is none."""

from __future__ import annotations

import errno
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from streamer.errors import SinkError

_BACKLOG = 128


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Makes the server speak rtsps: PEM files, the key without a passphrase."""

    cert: Path
    """The certificate, then those that signed it."""
    key: Path


def listen(host: str, port: int) -> socket.socket:
    """
    A socket that listens at *host* and *port*, and does not block; 0 is any port.

    Raises:
        SinkError: the address cannot be used.
    """
    name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if not 0 <= port <= 65535:  # which some systems take modulo 65536
        raise SinkError(f"RTSP server {name}: a port is a number from 0 to 65535")
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = _bound(family, (str(address[0]), int(address[1])))
    except OSError as error:
        raise SinkError(f"RTSP server {name}: {_refusal(error)}") from error
    listener.setblocking(False)
    return listener


def tls_context(files: TlsFiles) -> ssl.SSLContext:
    """
    The server's TLS settings, made from *files*.

    Raises:
        SinkError: they cannot be read or used.
    """
    for path in (files.cert, files.key):
        try:
            path.read_bytes()
        except OSError as error:
            raise SinkError(f"{path}: cannot be read: {error.strerror}") from error
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # A key with a passphrase would ask for it on the terminal.
        context.load_cert_chain(files.cert, files.key, password=lambda: "")
    except (ssl.SSLError, OSError) as error:
        raise SinkError(
            f"{files.cert}, {files.key}: not a PEM certificate and its key without a passphrase: "
            "see openssl req -x509 -newkey rsa:2048 -nodes"
        ) from error
    return context


def _bound(family: int, address: tuple[str, int]) -> socket.socket:
    # Not socket.create_server: on Windows that lets another program take the port from us.
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        exclusive = getattr(socket, "SO_EXCLUSIVEADDRUSE", None)
        option = socket.SO_REUSEADDR if exclusive is None else exclusive
        listener.setsockopt(socket.SOL_SOCKET, option, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _refusal(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return "unknown host: use an address of this machine, or 0.0.0.0 for all"
    if error.errno == errno.EADDRINUSE:
        return "the port is taken: stop what uses it, or choose another port"
    if error.errno == errno.EADDRNOTAVAIL:
        return "not an address of this machine: use one that is, or 0.0.0.0 for all"
    if isinstance(error, PermissionError):
        return "not allowed: choose another port, from 1024 on"
    return f"cannot listen there: {error.strerror or error}"
