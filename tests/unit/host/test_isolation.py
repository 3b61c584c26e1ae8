"""What befalls one of eight streams does not befall the other seven."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any, ClassVar, Literal

import pytest

from streamer.config import (
    ReconnectConfig,
    SinkBase,
    SourceBase,
    kinds_of,
    parse_box,
    register,
)
from streamer.config import kinds as registry
from streamer.frame import Frame, Grab, Image, Matte, StreamInfo
from streamer.host import Host
from streamer.sinks import Making
from tests.conftest import MakeModel
from tests.waiting import wait_for

FRAMES = 20
GOOD = [f"good{number}" for number in range(7)]
released = threading.Event()


class StuckSourceConfig(SourceBase):
    """A camera whose driver never returns."""

    MADE_BY = "tests.unit.host.test_isolation:make_stuck"
    RECONNECTS: ClassVar[bool] = True

    type: Literal["stuck"]
    reconnect: ReconnectConfig = ReconnectConfig(first_s=0.1, max_s=0.1, stall_s=0.2)


class StuckSource:
    name = "stuck"

    def open(self) -> StreamInfo:
        return StreamInfo("stuck", 64, 48, None, Fraction(1, 1000), live=True)

    def read(self, out: Image) -> Grab:
        released.wait()
        raise AssertionError("nobody waits for this any more")

    def close(self) -> None:
        pass


class FullSinkConfig(SinkBase):
    """A disk that is full after some frames."""

    MADE_BY = "tests.unit.host.test_isolation:make_full"

    type: Literal["full"]


class FullSink:
    name = "full"

    def __init__(self) -> None:
        self._left = 5

    def open(self, info: StreamInfo) -> None:
        pass

    def write(self, frame: Frame, matte: Matte) -> None:
        self._left -= 1
        if self._left < 0:
            raise OSError(errno.ENOSPC, "No space left on device")

    def close(self) -> None:
        pass

    def statistics(self) -> dict[str, Any]:
        return {"type": "full"}


def make_stuck(config: StuckSourceConfig) -> StuckSource:
    return StuckSource()


def make_full(config: FullSinkConfig, making: Making) -> FullSink:
    return FullSink()


@pytest.fixture(autouse=True)
def kinds() -> Iterator[None]:
    before = {base: kinds_of(base) for base in (SourceBase, SinkBase)}
    register(StuckSourceConfig)
    register(FullSinkConfig)
    released.clear()
    yield
    released.set()
    for base, known in before.items():
        registry._put(base, known)  # other tests name all that there are


def stuck(host: Host) -> bool:
    """Its first connection was given up, and the next one tried."""
    return any(thread.name == "streamer-bad-capture-2" for thread in threading.enumerate())


def failed_often(host: Host) -> bool:
    bad = host.status().streams[0]
    return bad.restarts >= 2 or (bad.status is None and bool(bad.why))


def killed(host: Host) -> bool:
    stream = host.stream("bad")
    if stream is None or not stream.statistics().frames["emitted"]:
        return False
    stream.abort()
    return True


@pytest.mark.parametrize(
    ("bad", "seen"),
    [
        ({"source": {"type": "stuck"}}, stuck),
        ({"source": {"type": "file", "path": "missing.mp4"}}, failed_often),
        ({"model": {"name": "missing.onnx"}}, failed_often),
        ({"sinks": [{"type": "full"}]}, failed_often),
        ({}, killed),
    ],
    ids=["stuck in its driver", "misconfigured", "without a model", "disk full", "killed"],
)
def test_the_other_seven_lose_nothing(
    bad: dict[str, Any], seen: Callable[[Host], bool], make_model: MakeModel
) -> None:
    source = {"type": "synthetic", "width": 64, "height": 48, "realtime": True, "fps": 20}
    box = {
        "defaults": {
            "model": {"name": str(make_model(size=32)), "providers": ["cpu"], "threads": 1},
            "source": source,
            "sinks": [{"type": "discard"}],
            "pipeline": {"ring_capacity": 256, "sink_queue": 256},
        },
        "streams": {"bad": bad, **{name: {} for name in GOOD}},
        "restart": {"first_s": 0.1, "max_s": 0.1},
    }
    host = Host(parse_box(box))
    after: dict[str, int] = {}

    def frames() -> dict[str, int]:
        return {name: host.metrics(name).frames()["emitted"] for name in GOOD}

    def over() -> bool:
        if not after and all(frames().values()) and seen(host):
            after.update(frames())
        return bool(after) and all(now >= after[name] + FRAMES for name, now in frames().items())

    streams = host.run(over)["streams"]
    for name in GOOD:
        drops = streams[name]["drops"]
        # Queues are long, for the machine of a test may be slow: what is lost is lost to the fault.
        assert sum(drops.values()) == drops["stale"]
        assert streams[name]["error"] is None
        assert streams[name]["restarts"] == 0
    released.set()
    wait_for(lambda: not any("streamer-bad" in one.name for one in threading.enumerate()))
