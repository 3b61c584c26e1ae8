"""A worker's share of the streams of its fleet, in a host of its own."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import Field

from streamer.config import BoxConfig, Config
from streamer.config.box import RestartConfig
from streamer.host import Host


class Share(BoxConfig):
    """Streams of a fleet that one worker is to have."""

    streams: dict[str, Config] = Field({})
    """By name; there may be none."""
    restart: RestartConfig | None = RestartConfig()
    """When a stream that failed is started again."""


class ShareHost(Host):
    """
    A host that goes on without streams, and is told which to have as a worker is.

    Args:
        rest: the sections of a box that are not its streams.
    """

    def __init__(self, rest: Mapping[str, Any]) -> None:
        self._rest = dict(rest)
        super().__init__(Share.model_validate(self._rest), lasts=True)

    def have(
        self, streams: Mapping[str, Config], prepared: Collection[str], *, at_once: bool
    ) -> None:
        """Have these streams and no others, soon; see `reload`."""
        share = Share.model_validate({**self._rest, "streams": dict(streams)})
        self.reload(share, prepared, at_once=at_once)
