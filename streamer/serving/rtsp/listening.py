"""The server's socket and certificate, or one line that says why there is none."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from streamer.errors import SinkError
from streamer.serving.sockets import listening_socket, refusal


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
        return listening_socket(host, port)
    except OSError as error:
        raise SinkError(f"RTSP server {name}: {refusal(error)}") from error


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
