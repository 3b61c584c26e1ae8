"""Serves the fleet's page, and its API, where the controller runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from streamer.config.web import WebConfig
from streamer.control.web.application_server import serving_application
from streamer.fleet.controller import Controller

if TYPE_CHECKING:
    from streamer.control.web.access import Access, Hosts
    from streamer.control.web.guard import Guard
    from streamer.control.web.lasting import Lasting


@contextmanager
def serving_overview(controller: Controller, config: WebConfig) -> Iterator[str]:
    """
    Serve the page of *controller*'s fleet within the block.

    Gives the URL that is served, such as `http://127.0.0.1:8090`.

    Raises:
        ConfigError: the address or the certificate cannot be used, or the page does not start.
        MissingDependency: what it needs is not installed.
    """

    def make(access: Access, hosts: Hosts, _lasting: Lasting) -> Guard:
        from streamer.fleet.overview_routes import make_overview

        return make_overview(controller, access, hosts)

    with serving_application(config, make, key="fleet.page", thread="streamer-fleet-page") as url:
        yield url
