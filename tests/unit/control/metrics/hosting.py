"""Hosts of synthetic streams on a tiny model, and what is scraped from them."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError

from prometheus_client.core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

from streamer.config import BoxConfig, parse_box
from streamer.host import Host
from tests.waiting import wait_for

FRAMES = 40
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
LIVE = {"source": {"realtime": True, "fps": 20, "frames": None}}
"""A stream that goes on until it is stopped."""

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def make_box(model: str, streams: Mapping[str, dict[str, Any]], **process: Any) -> BoxConfig:
    """Streams of 40 frames unless they say otherwise, each into the void."""
    defaults = {
        "model": {"name": model, "providers": ["cpu"], "threads": 1},
        "source": {"type": "synthetic", "width": 64, "height": 48, "frames": FRAMES},
        "sinks": [{"type": "discard"}],
    }
    restart = {"first_s": 0.1, "max_s": 0.1}
    return parse_box({"defaults": defaults, "streams": streams, "restart": restart, **process})


@contextmanager
def running(host: Host) -> Iterator[None]:
    """*host* in a thread of its own; within the block it has captured frames."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            host.run()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        wait_for(lambda: host.captured or failures)
        assert not failures, failures
        yield
    finally:
        host.request_stop()
        thread.join()


@dataclass(frozen=True)
class Got:
    """An answer over HTTP."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


def get(url: str, method: str = "GET", **headers: str) -> Got:
    """Ask for *url*; header names are written with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, method=method, headers=named)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return Got(answer.status, answer.headers, answer.read())
    except HTTPError as error:
        with error:
            return Got(error.code, error.headers, error.read())


def families(exposed: bytes, *, open_metrics: bool = False) -> list[Metric]:
    """The metrics in an exposition, parsed as strictly as the client library does."""
    return list((openmetrics if open_metrics else plain)(exposed.decode()))


def samples(exposed: bytes, *, open_metrics: bool = False) -> Samples:
    """The values in an exposition, by name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families(exposed, open_metrics=open_metrics)
        for sample in family.samples
    }


def value(found: Samples, name: str, **labels: str) -> float:
    """The one with exactly these labels."""
    return found[name, tuple(sorted(labels.items()))]
