"""What happens to a stream is told, typed, with the stream's name."""

from __future__ import annotations

import logging
import socket
import threading
from pathlib import Path

import pytest

from streamer import Pipeline
from streamer.config import ReconnectConfig, parse_config
from streamer.engine.dropped import DroppedFrames
from streamer.errors import SinkError, SourceLost, StageFailed
from streamer.events import (
    ChangeMade,
    ChangeRefused,
    Event,
    Events,
    FramesDropped,
    ModelSwapped,
    RecordingEnded,
    RecordingStarted,
    SourceChanged,
    StageFailure,
    ViewerJoined,
    ViewerLeft,
)
from streamer.matting import EveryFrame
from tests.conftest import MakeModel
from tests.fakes import FakeSegmenter, FakeSink, FakeSource
from tests.unit.serving.rtsp.client import Client
from tests.waiting import wait_for


class Heard:
    """Keeps what a stream tells."""

    def __init__(self, stream: Pipeline) -> None:
        self.events: list[Event] = []
        self.names: set[str] = set()
        stream.events.subscribe(self)

    def __call__(self, name: str, event: Event) -> None:
        self.names.add(name)
        self.events.append(event)

    def of(self, *kinds: type) -> list[Event]:
        return [event for event in self.events if isinstance(event, kinds)]


def test_a_camera_that_is_lost_and_comes_back_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "streamer")
    lost = {3: SourceLost("fake: hung up")}
    stream = Pipeline(
        FakeSource(3, live=True, events=lost),
        EveryFrame(FakeSegmenter()),
        [FakeSink()],
        fresh=lambda: FakeSource(3, live=True),
        reconnect=ReconnectConfig(first_s=0.1, max_s=0.1, max_attempts=1),
    )
    heard = Heard(stream)
    stream.run()
    told = heard.of(SourceChanged)
    assert [event.state for event in told] == ["live", "reconnecting", "live", "ended"]
    assert "hung up" in told[1].why
    assert told[0].away_s is None
    assert told[2].away_s > 0
    logged = [r.levelname for r in caplog.records if r.getMessage().startswith("fake: live")]
    assert logged == ["INFO", "WARNING"], "as loud as the loss was"


def test_a_failed_stage_is_told_without_secrets() -> None:
    def fail(frame: object) -> None:
        raise SinkError("rtsp://me:s3cret@host/a: is gone")

    stream = Pipeline(FakeSource(3), EveryFrame(FakeSegmenter()), [FakeSink(on_write=fail)])
    heard = Heard(stream)
    with pytest.raises(StageFailed):
        stream.run()
    (event,) = heard.of(StageFailure)
    assert event.stage == "sinks[0] fake"
    assert "is gone" in event.why
    assert "s3cret" not in event.why


def test_changes_and_recordings_are_told_in_their_order(
    make_model: MakeModel, tmp_path: Path
) -> None:
    config = {
        "name": "door",
        "source": {"type": "synthetic", "width": 64, "height": 48, "realtime": True, "fps": 60},
        "model": {"name": str(make_model("one.onnx", size=32))},
        "sinks": [{"type": "record", "path": str(tmp_path / "a.mp4")}],
    }
    with Pipeline.from_config(parse_config(config)) as stream:
        heard = Heard(stream)
        stream.start()
        wait_for(lambda: heard.of(RecordingStarted))
        stream.apply({"refine.gain": 0.5, "refine.threshold": 0.6})
        stream.apply({"refine.gain": "much"})
        stream.apply({"matting.mode": "tracked"})
        stream.record(on=False)
        wait_for(lambda: heard.of(RecordingEnded))
        names = {thread.name for thread in threading.enumerate()}
        assert {"streamer-door-capture", "streamer-door-matting"} <= names
        assert "streamer-door-sinks[0] record" in names
    assert heard.names == {"door"}
    path = str(tmp_path / "a.mp4")
    made = heard.of(ChangeMade, ChangeRefused, ModelSwapped)
    assert made[0] == ChangeMade(1, ("refine.threshold", "refine.gain"))
    assert isinstance(made[1], ChangeRefused)
    assert made[1].key == "refine.gain"
    assert made[2:] == [
        ModelSwapped(config["model"]["name"], "tracked"),
        ChangeMade(2, ("matting.mode",)),
    ]
    recorded = heard.of(RecordingStarted, RecordingEnded)
    assert recorded == [RecordingStarted(path), RecordingEnded(path)]


def test_viewers_are_told(make_model: MakeModel) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    config = {
        "source": {"type": "synthetic", "width": 64, "height": 48, "realtime": True, "fps": 30},
        "model": {"name": str(make_model("one.onnx", size=32))},
        "sinks": [{"type": "rtsp", "serve": f"rtsp://127.0.0.1:{port}/a", "preset": "ultrafast"}],
    }
    with Pipeline.from_config(parse_config(config)) as stream:
        heard = Heard(stream)
        stream.start()
        wait_for(lambda: stream.statistics().frames["emitted"] > 0)
        with Client(("127.0.0.1", port), "/a") as client:
            client.watch()
            wait_for(lambda: heard.of(ViewerJoined))
        wait_for(lambda: heard.of(ViewerLeft))
    (joined,), (left,) = heard.of(ViewerJoined), heard.of(ViewerLeft)
    assert joined.path == left.path == "/a"
    assert joined.viewer == left.viewer
    assert left.why


def test_drops_are_told_once_a_second_and_none_is_forgotten() -> None:
    now, told = [0.0], []
    dropped = DroppedFrames(told.append, lambda: now[0])
    for _ in range(5):
        dropped("overwritten")
    assert not told, "who drops a frame may hold a lock"
    dropped.tell_due()
    assert told == [FramesDropped("overwritten", 5)]
    dropped("sink_full")
    dropped.tell_due()
    assert len(told) == 1
    now[0] = 1.0
    dropped.tell_due()
    assert told[1:] == [FramesDropped("sink_full", 1)]
    dropped("stale")
    dropped.tell_rest()
    dropped.tell_rest()
    assert told[2:] == [FramesDropped("stale", 1)]


def test_a_run_tells_of_every_frame_that_it_dropped() -> None:
    sink = FakeSink(on_write=lambda frame: threading.Event().wait(0.02))
    source = FakeSource(60, live=True, period_s=0.001)
    stream = Pipeline(source, EveryFrame(FakeSegmenter()), [sink], sink_queue=1, ring_capacity=1)
    heard = Heard(stream)
    stream.run()
    told = heard.of(FramesDropped)
    assert sum(event.count for event in told) == sum(stream.statistics().drops.values()) > 0


def test_a_listener_that_fails_or_leaves_disturbs_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    events, heard = Events("door"), []

    def fail(name: str, event: Event) -> None:
        raise ValueError("no")

    leave = events.subscribe(fail)
    events.subscribe(lambda name, event: heard.append((name, event)))
    event = ChangeRefused("refine.gain", "too much")
    events.tell(event)
    leave()
    leave()
    events.tell(event)
    assert heard == [("door", event)] * 2
    assert caplog.text.count("a listener failed") == 1


def test_each_sink_has_its_own_times_in_status_and_report() -> None:
    slow = FakeSink("slow", on_write=lambda frame: threading.Event().wait(0.2))
    stream = Pipeline(FakeSource(5), EveryFrame(FakeSegmenter()), [FakeSink("quick"), slow])
    report = stream.run()
    quick, slower = stream.status().sinks
    assert (quick.stage, slower.stage) == ("sinks[0] quick", "sinks[1] slow")
    assert quick.latency_ms["write"]["p50"] < slower.latency_ms["write"]["p50"]
    assert slower.latency_ms["write"]["p50"] >= 190
    assert report["sinks"][1]["latency_ms"] == slower.latency_ms
