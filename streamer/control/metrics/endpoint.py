"""Serves a host's metrics and health at the address that its configuration names."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from streamer.config.metrics import MetricsConfig
from streamer.errors import ConfigError, MissingDependency
from streamer.host import Host
from streamer.serving.sockets import listening_socket, refusal

logger = logging.getLogger("streamer.control.metrics")

_INSTALL = "pip install 'streamer[metrics]'"


@contextmanager
def serving_metrics(host: Host, config: MetricsConfig | None) -> Iterator[str | None]:
    """
    Serve metrics and health of *host* within the block; without *config*, do nothing.

    Gives the URL that is served, such as `http://127.0.0.1:9464`, or None. *host* may be prepared
    and run before, within and after the block, and is never held up.

    Raises:
        ConfigError: the address cannot be used.
        MissingDependency: prometheus_client is not installed.
    """
    if config is None:
        yield None
        return
    try:
        from streamer.control.metrics.answers import Answers
        from streamer.control.metrics.exporter import make_registry
    except ImportError as error:
        raise MissingDependency(f"metrics need prometheus_client: {_INSTALL}") from error
    from streamer.control.metrics.http_server import HttpServer

    answers = Answers(host, make_registry(host), config.ready_s)
    try:
        listener = listening_socket(config.host, config.port)
    except OSError as error:
        raise ConfigError(f"metrics.listen: {config.listen}: {refusal(error)}") from error
    name, port = listener.getsockname()[:2]
    url = f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"
    server = HttpServer(listener, answers.answer)
    try:
        logger.info("metrics: %s/metrics", url)
        yield url
    finally:
        server.close()
