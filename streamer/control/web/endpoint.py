"""Serves the page of a host's streams, and their API, at the address that is configured."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamer.config.web import WebConfig
from streamer.core.home import expanded
from streamer.errors import ConfigError, MissingDependency
from streamer.host import Host
from streamer.serving.sockets import listening_socket, refusal

logger = logging.getLogger("streamer.control.web")

_INSTALL = "pip install 'streamer[web]'"
_TICK_S = 0.01
_MESSAGE_BYTES = 4096
"""Of a WebSocket; browsers have nothing to say there."""
_SEND_BYTES = 256 << 10
"""Of a connection, that the system buffers: what waits there for a slow viewer comes late."""
_KEPT_S = 15
"""For which a connection may be idle between two requests."""


@contextmanager
def serving_web(host: Host, config: WebConfig | None) -> Iterator[str | None]:
    """
    Serve the page of *host* within the block; without *config*, do nothing.

    Gives the URL that is served, such as `http://127.0.0.1:8080`, or None. *host* may be prepared
    and run before, within and after the block, and is never held up.

    Raises:
        ConfigError: the address or the certificate cannot be used, or the page does not start.
        MissingDependency: what it needs is not installed.
    """
    if config is None:
        yield None
        return
    try:
        import uvicorn
        import websockets  # noqa: F401 - uvicorn imports it late

        from streamer.control.web.access import Access, Hosts
        from streamer.control.web.application import make_application
        from streamer.control.web.connections import (
            HttpConnection,
            PageServer,
            WebSocketConnection,
        )
        from streamer.control.web.lasting import Lasting
    except ImportError as error:
        raise MissingDependency(f"the page needs more packages ({error}): {_INSTALL}") from error

    tls = _tls(config)
    try:
        listener = listening_socket(config.host, config.port)
    except OSError as error:
        raise ConfigError(f"web.listen: {config.listen}: {refusal(error)}") from error
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BYTES)
    name, port = listener.getsockname()[:2]
    scheme = "http" if tls is None else "https"
    url = f"{scheme}://[{name}]:{port}" if ":" in name else f"{scheme}://{name}:{port}"
    password = config.password.get_secret_value() if config.password is not None else None
    access, hosts = Access(password), Hosts(config.host, port, config.hosts)
    if config.is_plain_beyond_loopback:
        logger.warning(
            "page: %s: the password and the pictures can be read on the way: set web.certificate "
            "and web.private_key, or have a proxy speak TLS",
            url,
        )
    lasting = Lasting(access)
    served = uvicorn.Config(
        make_application(host, access, hosts, lasting),
        loop="none",
        ws=WebSocketConnection,
        ws_max_size=_MESSAGE_BYTES,
        ws_per_message_deflate=False,
        http=HttpConnection,
        lifespan="on",
        log_config=None,
        log_level="error",  # warnings are of what strangers send
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_KEPT_S,
    )
    served.load()
    served.ssl = tls
    server = PageServer(served, lasting.closing)
    thread = threading.Thread(target=server.run, args=([listener],), name="streamer-web")
    thread.start()
    try:
        while not server.started and thread.is_alive():
            time.sleep(_TICK_S)
        if not server.started:
            raise ConfigError("web: the page could not be started: the log says why")
        yield url
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def _tls(config: WebConfig) -> ssl.SSLContext | None:
    """What the certificate and its key make; None if there is none. Raises ConfigError."""
    if config.certificate is None or config.private_key is None:
        return None
    paths = []
    for key in ("certificate", "private_key"):
        try:
            paths.append(str(expanded(getattr(config, key))))
            Path(paths[-1]).open("rb").close()
        except OSError as error:
            raise ConfigError(f"web.{key}: {paths[-1]}: {error.strerror}") from error
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(paths[0], paths[1], lambda: "")  # else OpenSSL asks the terminal
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(
            f"web.certificate, web.private_key: {error.strerror or error}: PEM files that belong "
            "together are needed, without a passphrase"
        ) from error
    return context
