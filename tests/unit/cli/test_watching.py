"""How several streams are shown while they run."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from streamer.cli import progress, watching
from streamer.cli.progress import Downloads
from streamer.cli.watching import StreamTable
from streamer.core.metrics import DROP_REASONS
from tests.fakes import FakeClock


class Streams:
    """A host's status, as a test sets it."""

    def __init__(self):
        self.emitted = 0
        self.busy_s = 0.0
        self.state = "running"
        self.why = None

    def __call__(self):
        counts = SimpleNamespace(
            frames={"emitted": self.emitted},
            drops=dict.fromkeys(DROP_REASONS, 0) | {"overwritten": 3},
            source=SimpleNamespace(state="live"),
        )
        status = SimpleNamespace(
            counts=counts,
            wall_s=0.0,
            latency_ms={"end_to_end": {"p95": 41.2}},
            matte_age=SimpleNamespace(mean=2.5),
            use=SimpleNamespace(busy_s=self.busy_s),
            sinks=[SimpleNamespace(statistics={"viewers": 2})],
        )
        door = SimpleNamespace(name="door", state=self.state, why=self.why, status=status)
        down = SimpleNamespace(
            name="hall", state="waiting", why="rtsp://user:secret@camera: no", status=None
        )
        return SimpleNamespace(streams=(door, down))


@pytest.fixture
def streams():
    return Streams()


@pytest.fixture
def clock():
    return FakeClock()


def table(streams, clock, monkeypatch, *, terminal):
    monkeypatch.setattr(watching, "on_a_terminal", lambda: terminal)
    monkeypatch.setattr(progress, "on_a_terminal", lambda: terminal)
    return StreamTable(streams, Downloads(), clock)


def test_without_a_terminal_a_minute_brings_a_line_for_each(streams, clock, monkeypatch, capsys):
    shown = table(streams, clock, monkeypatch, terminal=False)
    clock.pass_s(59)
    shown.tick()
    assert capsys.readouterr().err == ""
    clock.pass_s(1)
    shown.tick()
    streams.emitted, streams.busy_s = 900, 30.0
    clock.pass_s(60)
    capsys.readouterr()
    shown.tick()
    door, hall = capsys.readouterr().err.splitlines()
    assert door == (
        "door: live, fps 15.0, dropped 3, p95 41 ms, age 2.5, viewers 2, cpu 0%, model 50%"
    )
    assert hall == "hall: waiting: rtsp://***@camera: no"
    shown.close()


def test_on_a_terminal_a_second_brings_the_table(streams, clock, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "140")
    monkeypatch.setenv("FORCE_COLOR", "1")  # so that rich takes it for a terminal
    monkeypatch.setenv("TERM", "xterm")
    shown = table(streams, clock, monkeypatch, terminal=True)
    clock.pass_s(1)
    shown.tick()
    streams.emitted, streams.why = 15, "sinks[0] record: disk full"
    clock.pass_s(1)
    shown.tick()
    shown.close()
    text = capsys.readouterr().err
    for words in ("stream", "viewers", "door", "live", "15.0", "41 ms", "disk full", "hall"):
        assert words in text
    assert "secret" not in text
