"""Sockets that servers listen with, and in words why there is none."""

from __future__ import annotations

import errno
import socket

_BACKLOG = 128


def listening_socket(host: str, port: int) -> socket.socket:
    """
    A socket that listens at *host* and *port* and does not block; the caller closes it.

    Args:
        host: a name or an address of this machine; empty is every one.
        port: 0 to 65535; 0 takes any.

    Raises:
        OSError: the address cannot be used; `refusal` says it in words.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except ValueError as error:  # of a name that no host can have, such as `a..b`
        raise socket.gaierror(socket.EAI_NONAME, "not a host's name") from error
    # Not socket.create_server: on Windows that lets another program take the port from us.
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        exclusive = getattr(socket, "SO_EXCLUSIVEADDRUSE", None)
        option = socket.SO_REUSEADDR if exclusive is None else exclusive
        listener.setsockopt(socket.SOL_SOCKET, option, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)  # with the scope of a link-local address
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def refusal(error: OSError) -> str:
    """Why `listening_socket` raised *error*, and the way out."""
    if isinstance(error, socket.gaierror):
        return "unknown host: use an address of this machine, or 0.0.0.0 for all"
    if error.errno == errno.EADDRINUSE:
        return "the port is taken: stop what uses it, or choose another port"
    if error.errno == errno.EADDRNOTAVAIL:
        return "not an address of this machine: use one that is, or 0.0.0.0 for all"
    if isinstance(error, PermissionError):
        return "not allowed: choose another port, from 1024 on"
    return f"cannot listen there: {error.strerror or error}"
