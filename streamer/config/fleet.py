"""A fleet's file: the streams of many machines, and how they are shared out."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field, model_validator

from streamer.config.box import BoxConfig, RestartConfig, parse_streams
from streamer.config.data import Data
from streamer.config.load import read_yaml
from streamer.config.models import Config
from streamer.config.web import WebConfig
from streamer.errors import ConfigError

_MOST_STREAMS = 20_000
_RENEWALS = 3
"""Renewals that a lease must outlast, or one that is late would cost a worker its streams."""


class FleetPageConfig(WebConfig):
    """A page that shows nodes and streams, and empties nodes, and its API, over HTTP."""

    listen: str = "127.0.0.1:8090"
    """Address to serve at, `host:port`; port 0 takes any that is free. Every address but this
    machine's own needs `password`. The port is not that of `web`, as the head may have streams."""


class FleetConfig(Data):
    """How the streams of a fleet are shared out."""

    renew_s: float = Field(1.0, ge=0.1, le=60)
    """Seconds between a worker's reports, each of which renews the lease of its streams."""
    lease_s: float = Field(5.0, ge=2, le=600)
    """Seconds without an answer after which a worker lets go of its streams. A second later
    another one may have them."""
    full: float = Field(0.85, gt=0, le=1)
    """Share of the time that a node's model or cores may be busy before it gets no more streams."""
    late: float = Field(0.02, gt=0, le=1)
    """Share of frames lost for want of time at which a full node gives streams away."""
    patience_s: float = Field(10.0, ge=1, le=3600)
    """Seconds that a node must have been late before it gives one away, and seconds before the
    next one."""
    stay_s: float = Field(120.0, ge=1, le=86_400)
    """Seconds that a stream stays where it was moved to, if its node lives."""
    nodes: dict[str, str] = Field({})
    """Only nodes with these labels get streams; absent: all."""
    targets: str | None = None
    """File to write for Prometheus' `file_sd_configs`: where each worker's metrics are; absent:
    none."""
    page: FleetPageConfig | None = None
    """A page in the browser, served by the controller on its node, the head; absent: there is none.
    Fixed while the fleet runs."""

    @model_validator(mode="after")
    def _outlasts_renewals(self) -> FleetConfig:
        if self.lease_s < _RENEWALS * self.renew_s - 1e-9:
            raise ValueError(
                f"lease_s is below {_RENEWALS} times renew_s: one late report would cost streams"
            )
        return self


class Fleet(BoxConfig):
    """All streams of a fleet. `restart`, `metrics` and `web` are those of each worker."""

    streams: dict[str, Config] = Field(min_length=1, max_length=_MOST_STREAMS)
    """By name."""
    restart: RestartConfig = RestartConfig()
    """When a stream that failed is started again, by the worker that has it."""
    fleet: FleetConfig = FleetConfig()
    """How the streams are shared out."""


def load_fleet(path: str | os.PathLike[str], overrides: Sequence[str] = ()) -> Fleet:
    """
    The fleet of a YAML file: that of a box, with `fleet:` beside its `streams:`.

    Raises:
        ConfigError: it cannot be read or is not valid; one line that names file, key and value.
    """
    return parse_fleet(read_yaml(path), overrides, name=os.fspath(path))


def parse_fleet(
    data: Mapping[str, Any], overrides: Sequence[str] = (), *, name: str = "configuration"
) -> Fleet:
    """
    The fleet in plain data, as `load_fleet` has it from YAML.

    Raises:
        ConfigError: it is not valid.
    """
    if "streams" not in data:
        raise ConfigError(f"{name}: streams: is missing: a fleet's streams have names")
    return parse_streams(Fleet, data, overrides, name)
