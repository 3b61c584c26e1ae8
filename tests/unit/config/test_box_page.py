"""Streams of a process with a page have a sink for it."""

from __future__ import annotations

import pytest

from streamer.config import PageSinkConfig, parse_box
from streamer.errors import ConfigError

STREAM = {"source": {"type": "synthetic"}, "sinks": [{"type": "discard"}]}


def kinds(data: dict[str, object]) -> dict[str, list[str]]:
    box = parse_box(data)
    return {name: [sink.type for sink in stream.sinks] for name, stream in box.streams.items()}


def test_with_a_page_each_stream_has_one_sink_for_it() -> None:
    page = {"type": "page", "layout": "composite"}
    own = {**STREAM, "sinks": [page]}
    streams = {"door": STREAM, "hall": own}
    assert kinds({"streams": streams, "web": {}}) == {"door": ["discard", "page"], "hall": ["page"]}
    box = parse_box({"streams": streams, "web": {}})
    (sink,) = box.streams["hall"].sinks
    assert isinstance(sink, PageSinkConfig)
    assert sink.layout == "composite"


def test_a_stream_alone_may_have_a_page_and_none_has_one_unasked() -> None:
    assert list(kinds({**STREAM, "web": {}}).values()) == [["discard", "page"]]
    assert list(kinds(STREAM).values()) == [["discard"]]
    assert list(kinds({**STREAM, "web": None}).values()) == [["discard"]]


def test_a_mistake_in_it_is_said_with_its_place() -> None:
    with pytest.raises(ConfigError, match=r"configuration: web\.listen: is not host:port"):
        parse_box({**STREAM, "web": {"listen": "8080"}})
    with pytest.raises(ConfigError, match="without a password: set password"):
        parse_box({**STREAM, "web": {"listen": "0.0.0.0:8080"}})


def test_a_stream_has_one_sink_for_its_page_at_most() -> None:
    page = {"type": "page"}
    with pytest.raises(ConfigError, match="one sink of type page is enough"):
        parse_box({**STREAM, "sinks": [page, {**page, "layout": "mask"}], "web": {}})
