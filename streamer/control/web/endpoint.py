"""Serves the page of a host's streams, and their API, at the address that is configured."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from streamer.config.web import WebConfig
from streamer.control.web.application_server import serving_application
from streamer.host import Host

if TYPE_CHECKING:
    from streamer.control.web.access import Access, Hosts
    from streamer.control.web.guard import Guard
    from streamer.control.web.lasting import Lasting


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

    def make(access: Access, hosts: Hosts, lasting: Lasting) -> Guard:
        from streamer.control.web.application import make_application

        return make_application(host, access, hosts, lasting)

    with serving_application(config, make) as url:
        yield url
