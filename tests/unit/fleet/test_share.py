"""The host of a worker: it begins without streams, whatever else its fleet's file has."""

from __future__ import annotations

from typing import Any

import pytest

from streamer.config.fleet import parse_fleet
from streamer.fleet.share import ShareHost

SECTIONS = ("restart", "metrics", "web")


@pytest.mark.parametrize(
    "sections",
    [{}, {"web": {"listen": "127.0.0.1:0"}}, {"metrics": {"listen": "127.0.0.1:0"}}],
)
def test_it_begins_without_streams(sections: dict[str, Any]) -> None:
    stream = {"source": {"type": "synthetic"}, "sinks": [{"type": "discard"}]}
    fleet = parse_fleet({"streams": {"door": stream}, **sections})
    host = ShareHost({section: getattr(fleet, section) for section in SECTIONS})
    assert list(host.names) == []
