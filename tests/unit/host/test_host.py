"""Several streams in one process: what befalls one does not befall another."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streamer.config import BoxConfig, parse_box
from streamer.errors import SourceNotFound, StageFailed
from streamer.events import Event, StreamFailed
from streamer.host import Host
from tests.conftest import MakeModel

MakeBox = Callable[..., BoxConfig]
FRAMES = 40


@pytest.fixture
def make_box(make_model: MakeModel) -> MakeBox:
    model = {"name": str(make_model(size=32)), "providers": ["cpu"], "threads": 1}
    source = {"type": "synthetic", "width": 64, "height": 48, "frames": FRAMES}

    def make(**streams: dict[str, Any]) -> BoxConfig:
        restart = streams.pop("restart", {"first_s": 0.1, "max_s": 0.1})
        defaults = {"model": model, "source": source, "sinks": [{"type": "discard"}]}
        return parse_box({"defaults": defaults, "streams": streams, "restart": restart})

    return make


def test_all_streams_run_on_one_model_and_report_by_name(
    make_box: MakeBox, opened: list[Path]
) -> None:
    report = Host(make_box(door={}, hall={}, yard={})).run()
    assert len(opened) == 1, "one session"
    assert list(report["streams"]) == ["door", "hall", "yard"]
    for stream in report["streams"].values():
        assert stream["state"] == "ended"
        assert stream["frames"]["emitted"] == FRAMES
        assert stream["model"]["runs"] >= FRAMES
        assert stream["latency_ms"]["queue"]["p50"] is not None


def test_one_that_fails_is_started_again_and_costs_the_others_nothing(
    make_box: MakeBox, tmp_path: Path
) -> None:
    (tmp_path / "full").write_text("in the way")
    record = [{"type": "images", "path": str(tmp_path / "full")}]
    events: list[tuple[str, Event]] = []
    host = Host(make_box(door={"sinks": record}, hall={}, restart={"first_s": 0.1, "max_s": 0.1}))
    host.subscribe(lambda stream, event: events.append((stream, event)))
    mended = False

    def mend() -> bool:
        nonlocal mended
        if not mended and host.status().streams[0].restarts >= 2:
            (tmp_path / "full").unlink()
            mended = True
        return False

    report = host.run(mend)
    assert mended
    assert report["streams"]["door"]["state"] == "ended"
    assert len(list((tmp_path / "full").iterdir())) == FRAMES
    assert report["streams"]["hall"]["frames"]["emitted"] == FRAMES
    assert not any(report["streams"]["hall"]["drops"].values())
    failures = [event for stream, event in events if isinstance(event, StreamFailed)]
    assert len(failures) >= 2
    assert {stream for stream, event in events if isinstance(event, StreamFailed)} == {"door"}
    assert host.failures == {}


def test_one_that_cannot_be_made_waits_while_the_others_run(make_box: MakeBox) -> None:
    missing = {"source": {"type": "file", "path": "missing.mp4"}}
    report = Host(
        make_box(door=missing, hall={}, restart={"first_s": 0.1, "max_s": 0.1, "max_attempts": 1})
    ).run()
    assert report["streams"]["door"]["state"] == "failed"
    assert "missing.mp4" in report["streams"]["door"]["error"]
    assert report["streams"]["hall"]["frames"]["emitted"] == FRAMES


def test_one_alone_fails_as_a_pipeline_does(make_model: MakeModel) -> None:
    plain = {"sinks": [{"type": "discard"}], "model": {"name": str(make_model(size=32))}}
    with pytest.raises(SourceNotFound):
        Host(parse_box({**plain, "source": {"type": "file", "path": "missing.mp4"}})).run()
    source = {"type": "synthetic", "width": 64, "height": 48, "frames": 5}
    report = Host(parse_box({**plain, "source": source})).run()
    assert report["frames"]["emitted"] == 5, "the report of one stream, as it always was"


def test_a_failure_while_one_alone_runs_is_raised(make_model: MakeModel, tmp_path: Path) -> None:
    (tmp_path / "full").write_text("in the way")
    plain = {
        "source": {"type": "synthetic", "width": 64, "height": 48, "frames": 5},
        "sinks": [{"type": "images", "path": str(tmp_path / "full")}],
        "model": {"name": str(make_model(size=32))},
    }
    with pytest.raises(StageFailed, match="images"):
        Host(parse_box(plain)).run()


def test_a_stop_ends_all_also_those_that_wait(make_box: MakeBox) -> None:
    endless = {"source": {"type": "synthetic", "width": 64, "height": 48, "realtime": True}}
    missing = {"source": {"type": "file", "path": "missing.mp4"}}
    host = Host(make_box(door=endless, hall=missing, restart={"first_s": 3600, "max_s": 3600}))
    before = threading.active_count()
    report = host.run(lambda: host.captured >= 5)
    assert report["streams"]["door"]["state"] == "ended"
    assert report["streams"]["hall"]["state"] == "ended"
    assert isinstance(host.failures["hall"], SourceNotFound), "it was down when the stop came"
    assert threading.active_count() == before


def test_counts_go_on_over_restarts(make_box: MakeBox, tmp_path: Path) -> None:
    """A sink fails after some frames; the report adds up over both runs."""
    folder = tmp_path / "pictures"
    sinks = [{"type": "images", "path": str(folder)}, {"type": "discard"}]
    host = Host(make_box(door={"sinks": sinks, "source": {"realtime": True, "fps": 50}}, hall={}))
    broken = False

    def break_it() -> bool:
        nonlocal broken
        if not broken and folder.is_dir() and len(list(folder.iterdir())) >= 5:
            broken = True
            folder.rename(tmp_path / "aside")
            folder.write_text("in the way")
        elif broken and folder.is_file() and host.status().streams[0].why:
            folder.unlink()
        return False

    report = host.run(break_it)["streams"]["door"]
    assert report["restarts"] >= 1
    frames = report["frames"]
    assert frames["captured"] > FRAMES
    assert frames["captured"] == frames["emitted"] + sum(report["drops"].values())
