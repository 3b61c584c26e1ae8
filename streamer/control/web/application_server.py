"""Serves an application like the page's at the address that is configured, for whom it lets in."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from streamer.config.web import WebConfig
from streamer.core.home import expanded
from streamer.errors import ConfigError, MissingDependency
from streamer.serving.sockets import listening_socket, refusal

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from streamer.control.web.access import Access, Hosts
    from streamer.control.web.lasting import Lasting

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
def serving_application(
    config: WebConfig,
    make: Callable[[Access, Hosts, Lasting], ASGIApp],
    *,
    key: str = "web",
    thread: str = "streamer-web",
) -> Iterator[str]:
    """
    Serve an application within the block, in a thread of its own.

    Gives the URL that is served, such as `http://127.0.0.1:8080`.

    Args:
        config: where, and who may use it.
        make: makes the application: for those whom it lets in, the hosts by which it may be called,
            and what says how long answers may last.
        key: of *config*, for what is said of it.
        thread: its name.

    Raises:
        ConfigError: the address or the certificate cannot be used, or the server does not start.
        MissingDependency: what it needs is not installed.
    """
    try:
        import uvicorn
        import websockets  # noqa: F401 - uvicorn imports it late

        from streamer.control.web.access import Access, Hosts
        from streamer.control.web.connections import (
            HttpConnection,
            PageServer,
            WebSocketConnection,
        )
        from streamer.control.web.lasting import Lasting
    except ImportError as error:
        raise MissingDependency(f"the page needs more packages ({error}): {_INSTALL}") from error

    tls = _tls(config, key)
    try:
        listener = listening_socket(config.host, config.port)
    except OSError as error:
        raise ConfigError(f"{key}.listen: {config.listen}: {refusal(error)}") from error
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BYTES)
    name, port = listener.getsockname()[:2]
    scheme = "http" if tls is None else "https"
    url = f"{scheme}://[{name}]:{port}" if ":" in name else f"{scheme}://{name}:{port}"
    password = config.password.get_secret_value() if config.password is not None else None
    access, hosts = Access(password), Hosts(config.host, port, config.hosts)
    if config.is_plain_beyond_loopback:
        logger.warning(
            "page: %s: the password and what is shown can be read on the way: set %s.certificate "
            "and %s.private_key, or have a proxy speak TLS",
            url,
            key,
            key,
        )
    lasting = Lasting(access)
    served = uvicorn.Config(
        make(access, hosts, lasting),
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
    running = threading.Thread(target=server.run, args=([listener],), name=thread)
    running.start()
    try:
        while not server.started and running.is_alive():
            time.sleep(_TICK_S)
        if not server.started:
            raise ConfigError(f"{key}: the page could not be started: the log says why")
        yield url
    finally:
        server.should_exit = True
        running.join()
        listener.close()


def _tls(config: WebConfig, section: str) -> ssl.SSLContext | None:
    """What the certificate and its key make; None if there is none. Raises ConfigError."""
    if config.certificate is None or config.private_key is None:
        return None
    paths = []
    for key in ("certificate", "private_key"):
        try:
            paths.append(str(expanded(getattr(config, key))))
            Path(paths[-1]).open("rb").close()
        except OSError as error:
            raise ConfigError(f"{section}.{key}: {paths[-1]}: {error.strerror}") from error
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(paths[0], paths[1], lambda: "")  # else OpenSSL asks the terminal
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(
            f"{section}.certificate, {section}.private_key: {error.strerror or error}: PEM files "
            "that belong together are needed, without a passphrase"
        ) from error
    return context
