"""Several streams of one camera, which can be opened only once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from streamer.config import UsbSourceConfig, parse_box
from streamer.errors import SourceLost, SourceNotFound
from streamer.events import Event, SourceChanged
from streamer.host import Host
from streamer.sources import usb
from tests.conftest import MakeModel
from tests.fakes import FakeSource
from tests.waiting import wait_for


class Camera:
    """What `usb` cameras are made of: a device with one connection at a time."""

    def __init__(self) -> None:
        self.attempts = self.opens = self.closes = 0
        self.exclusive = True
        self.unplugged = threading.Event()
        self.hangs: threading.Event | None = None
        """The next read waits for it."""

    def __call__(self, config: UsbSourceConfig) -> FakeSource:
        return Connection(self)


class Connection(FakeSource):
    def __init__(self, camera: Camera) -> None:
        super().__init__(None, live=True, period_s=0.005, on_open=self._take, on_read=self._look)
        self._camera = camera
        self._has_it = False

    def _take(self) -> None:
        self._camera.attempts += 1
        if self._camera.exclusive and self._camera.opens > self._camera.closes:
            raise SourceNotFound("fake: is in use")
        self._camera.opens += 1
        self._has_it = True

    def _look(self, number: int) -> None:
        if self._camera.unplugged.is_set():
            self._camera.unplugged.clear()
            raise SourceLost("fake: was unplugged")
        hangs, self._camera.hangs = self._camera.hangs, None
        if hangs is not None:
            hangs.wait(30)

    def close(self) -> None:
        super().close()
        self._camera.closes += self._has_it
        self._has_it = False


@pytest.fixture
def camera(monkeypatch: pytest.MonkeyPatch) -> Camera:
    made = Camera()
    monkeypatch.setattr(usb, "UsbSource", made)
    return made


@pytest.fixture
def make_host(make_model: MakeModel) -> Callable[..., Host]:
    def make(stall_s: float = 5.0, **streams: dict[str, Any]) -> Host:
        defaults = {
            "source": {"type": "usb", "reconnect": {"first_s": 0.05, "stall_s": stall_s}},
            "model": {"name": str(make_model(size=32)), "providers": ["cpu"], "threads": 1},
            "sinks": [{"type": "discard"}],
        }
        return Host(parse_box({"defaults": defaults, "streams": streams}))

    return make


def emitted(host: Host) -> list[int]:
    return [host.metrics(name).frames()["emitted"] for name in ("door", "face", "wide")]


CROPPED = {"preprocess": {"roi": [[8, 8, 32, 32]], "output": "cropped"}}


def test_the_streams_of_one_camera_open_it_once(
    camera: Camera, make_host: Callable[..., Host]
) -> None:
    host = make_host(door={}, face=CROPPED, wide={})
    report = host.run(lambda: min(emitted(host)) >= 20)
    assert (camera.attempts, camera.opens, camera.closes) == (1, 1, 1)
    assert {stream["state"] for stream in report["streams"].values()} == {"ended"}
    widths = [report["streams"][name]["source"]["width"] for name in ("door", "face", "wide")]
    assert widths == [64, 32, 64]


def test_a_camera_that_comes_back_comes_back_to_all(
    camera: Camera, make_host: Callable[..., Host]
) -> None:
    host = make_host(door={}, face=CROPPED, wide={})
    events: list[tuple[str, Event]] = []
    host.subscribe(lambda stream, event: events.append((stream, event)))
    before: list[int] = []

    def is_back() -> bool:
        if not before and min(emitted(host)) >= 10:
            before.extend(emitted(host))
            camera.unplugged.set()
        now = emitted(host)
        return bool(before) and all(
            host.stream(name).statistics().source.reconnects and late > early
            for name, early, late in zip(("door", "face", "wide"), before, now, strict=True)
        )

    host.run(is_back)
    assert (camera.opens, camera.closes) == (2, 2)
    lost = [stream for stream, event in events if isinstance(event, SourceChanged)]
    assert set(lost) == {"door", "face", "wide"}


def test_a_stream_that_releases_it_takes_it_from_no_other(
    camera: Camera, make_host: Callable[..., Host]
) -> None:
    host = make_host(door={}, face={}, wide={})
    reached: list[int] = []

    def others_go_on() -> bool:
        door = host.stream("door")
        if min(emitted(host)) < 10 or door is None:
            return False
        door.release()
        if door.statistics().source.state != "released":
            return False
        if not reached:
            reached.extend(emitted(host)[1:])
        assert camera.closes == 0
        return all(now >= then + 10 for now, then in zip(emitted(host)[1:], reached, strict=True))

    host.run(others_go_on)
    assert (camera.opens, camera.closes) == (1, 1)


def test_a_driver_that_hangs_costs_one_thread_and_all_streams_come_back(
    camera: Camera, make_host: Callable[..., Host]
) -> None:
    host, release = make_host(0.5, door={}, face=CROPPED, wide={}), threading.Event()
    camera.exclusive = False
    reached: list[int] = []

    def are_back() -> bool:
        if not reached and min(emitted(host)) >= 10:
            reached.extend(emitted(host))
            camera.hangs = release
        return camera.opens >= 2 and all(
            now >= then + 100 for now, then in zip(emitted(host), reached, strict=True)
        )

    host.run(are_back)
    (stuck,) = host.abandoned
    assert stuck.startswith("shared-")
    release.set()
    wait_for(lambda: not host.abandoned)
    assert camera.opens == camera.closes
