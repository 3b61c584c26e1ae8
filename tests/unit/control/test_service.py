"""What systemd is told: ready once a frame went out, alive while frames come."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from streamer.control.service import Service, status_line
from tests.fakes import FakeClock


class Manager:
    """The end of the socket that systemd reads."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)
        self.environment = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "8000000"}

    def told(self) -> list[str]:
        """What has come since the last call, without status lines."""
        found = []
        while True:
            try:
                found.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return [text for text in found if not text.startswith("STATUS=")]

    def close(self) -> None:
        self._socket.close()


class Streams:
    """A host, in the eyes of the service."""

    pictures = 0
    state = "running"
    source = "live"
    paused = False

    def status(self) -> SimpleNamespace:
        counts = SimpleNamespace(source=SimpleNamespace(state=self.source))
        status = SimpleNamespace(counts=counts)
        stream = SimpleNamespace(name="door", state=self.state, status=status)
        return SimpleNamespace(streams=(stream,))

    def is_paused(self, name: str) -> bool:
        return self.paused


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(tmp_path / "notify")
    yield manager
    manager.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def streams() -> Streams:
    return Streams()


def test_it_is_ready_only_when_a_frame_went_out(
    manager: Manager, clock: FakeClock, streams: Streams
) -> None:
    service = Service(manager.environment, clock)
    for _ in range(5):
        service.tick(streams)
        clock.pass_s(1)
    assert "READY=1" not in manager.told()
    streams.pictures = 1
    service.tick(streams)
    assert manager.told() == ["READY=1", "WATCHDOG=1"]


def test_the_watchdog_is_fed_by_frames_and_not_by_time(
    manager: Manager, clock: FakeClock, streams: Streams
) -> None:
    service = Service(manager.environment, clock)
    fed = []
    for second in range(30):
        streams.pictures += second < 10
        service.tick(streams)
        fed.append("WATCHDOG=1" in manager.told())
        clock.pass_s(1)
    assert all(fed[:10])
    assert not any(fed[10:]), "nothing came for 20 s: systemd would have fired after 8"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("paused", True),
        ("source", "reconnecting"),
        ("source", "released"),
        ("state", "waiting"),
        ("state", "starting"),
        ("state", "stopped"),
    ],
)
def test_a_stream_that_is_not_live_owes_no_pictures(
    name: str, value: object, manager: Manager, clock: FakeClock, streams: Streams
) -> None:
    service = Service(manager.environment, clock)
    setattr(streams, name, value)
    for _ in range(30):
        service.tick(streams)
        assert manager.told() == ["WATCHDOG=1"]
        clock.pass_s(2)


def test_without_a_watchdog_none_is_fed(
    manager: Manager, clock: FakeClock, streams: Streams
) -> None:
    for environment in ({"WATCHDOG_USEC": "0"}, {"WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "x"}):
        service = Service({**manager.environment, **environment}, clock)
        streams.pictures += 1
        service.tick(streams)
        assert manager.told() == ["READY=1"]


def test_a_reload_and_the_end_are_told(
    manager: Manager, clock: FakeClock, streams: Streams
) -> None:
    service = Service(manager.environment, clock)
    streams.pictures = 1
    service.tick(streams)
    manager.told()
    service.reloading(True)
    service.reloading(False)
    service.stopping()
    began, ended, stopping = manager.told()
    assert began.startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert (ended, stopping) == ("READY=1", "STOPPING=1")


def test_where_there_is_no_manager_nothing_is_sent(clock: FakeClock, streams: Streams) -> None:
    service = Service({}, clock)
    assert not service.there
    service.tick(streams)
    service.stopping()
    gone = Service({"NOTIFY_SOCKET": "/nowhere/notify"}, clock)
    streams.pictures = 1
    gone.tick(streams)


def test_the_status_names_what_is_not_live() -> None:
    def stream(name: str, state: str, source: str) -> SimpleNamespace:
        counts = SimpleNamespace(source=SimpleNamespace(state=source))
        return SimpleNamespace(name=name, state=state, status=SimpleNamespace(counts=counts))

    streams = (
        stream("door", "running", "live"),
        stream("hall", "running", "reconnecting"),
        stream("yard", "waiting", "ended"),
    )
    status = SimpleNamespace(streams=streams)
    assert status_line(status) == "1 of 3 live; hall reconnecting, yard waiting"
