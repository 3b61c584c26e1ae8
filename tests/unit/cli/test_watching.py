"""How several streams are shown while they run."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from streamer.cli import logs, progress, watching
from streamer.cli.progress import Downloads
from streamer.cli.watching import StreamTable
from streamer.core.metrics import DROP_REASONS
from tests.fakes import FakeClock


class Streams:
    """A host's status, as a test sets it."""

    def __init__(self):
        self.names = ("door", "hall")
        self.emitted = 0
        self.busy_s = 0.0
        self.state = "running"
        self.why = None
        self.both_run = False

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
        door = SimpleNamespace(name=self.names[0], state=self.state, why=self.why, status=status)
        down = SimpleNamespace(
            name=self.names[1],
            state="waiting",
            why="rtsp://user:secret@camera: no",
            status=status if self.both_run else None,
        )
        return SimpleNamespace(streams=(door, down))


@pytest.fixture
def streams():
    return Streams()


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture(autouse=True)
def spent_s(monkeypatch):
    """The CPU seconds of each thread, by its name, as a test sets them."""
    spent = {}
    times = SimpleNamespace(sample=lambda: None, seconds=lambda: dict(spent))
    monkeypatch.setattr(watching, "ThreadTimes", lambda: times)
    return spent


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


def test_a_line_in_json_has_its_stream_and_level_whatever_the_stream_is_called(
    streams, clock, monkeypatch, capsys
):
    streams.names = ("error", "door")
    shown = table(streams, clock, monkeypatch, terminal=False)
    handler = logs.set_up(verbose=False, debug=False, log_format=logs.LogFormat.json)
    clock.pass_s(60)
    shown.tick()
    logs.tear_down(handler)
    said = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(one["stream"], one["level"]) for one in said] == [("error", "info"), ("door", "info")]
    assert said[0]["message"].startswith("live, fps ")
    assert said[1]["message"] == "waiting: rtsp://***@camera: no"


def test_a_stream_counts_its_own_threads_only(streams, clock, monkeypatch, capsys, spent_s):
    streams.names, streams.both_run = ("door", "door-2"), True
    shown = table(streams, clock, monkeypatch, terminal=False)
    clock.pass_s(60)
    shown.tick()
    capsys.readouterr()
    spent_s |= {
        "streamer-door-capture-1": 4.0,
        "streamer-door-changing": 2.0,
        "streamer-door-2-matting": 30.0,
        "streamer-door-2-sinks[0] record": 3.0,
        "streamer-metrics": 7.0,
        "MainThread": 5.0,
    }
    clock.pass_s(60)
    shown.tick()
    cpu = [line.partition("cpu ")[2].split(",")[0] for line in capsys.readouterr().err.splitlines()]
    assert cpu == ["10%", "55%"]


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
