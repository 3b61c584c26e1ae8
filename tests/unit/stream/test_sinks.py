"""Other sinks while a stream runs: those that stay are not disturbed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import pytest

from streamer import Pipeline
from streamer.config import parse_config
from streamer.controls import Applied, Refused
from tests.conftest import MakeModel
from tests.waiting import wait_for

Sinks = list[dict[str, Any]]
Start = Callable[[Sinks], Pipeline]


@pytest.fixture
def start(make_model: MakeModel) -> Iterator[Start]:
    running: list[Pipeline] = []

    def started(sinks: Sinks, **source: object) -> Pipeline:
        size = {"type": "synthetic", "width": 64, "height": 48, "realtime": True, "fps": 60}
        model = {"name": str(make_model(size=32)), "providers": ["cpu"], "threads": 1}
        config = {"source": {**size, **source}, "model": model, "sinks": sinks}
        stream = Pipeline.from_config(parse_config(config))
        stream.start()
        running.append(stream)
        wait_for(lambda: written(stream, 0))
        return stream

    yield started
    for stream in running:
        stream.stop()
        stream.join()


def pictures(folder: Path) -> dict[str, Any]:
    return {"type": "images", "path": str(folder), "limit": 50}


def film(path: Path) -> dict[str, Any]:
    return {"type": "record", "path": str(path), "preset": "ultrafast"}


def written(stream: Pipeline, number: int) -> int:
    """How many frames the sink at that place has written."""
    frames: int = stream.report()["sinks"][number]["frames"]
    return frames


def test_a_sink_that_is_added_gets_frames_and_the_others_go_on(
    start: Start, tmp_path: Path
) -> None:
    kept = pictures(tmp_path / "a")
    stream = start([kept])
    before = written(stream, 0)
    assert stream.apply({"sinks": [kept, pictures(tmp_path / "b")]}) == Applied(1)
    wait_for(lambda: written(stream, 1) and written(stream, 0) > before)
    assert [sink.path for sink in stream.config.sinks] == [kept["path"], str(tmp_path / "b")]


def test_one_that_is_taken_out_has_a_whole_file(start: Start, tmp_path: Path) -> None:
    kept = pictures(tmp_path / "a")
    stream = start([kept, film(tmp_path / "b.mp4")])
    wait_for(lambda: written(stream, 1) > 5)
    assert stream.apply({"sinks": [kept]}) == Applied(1)
    with av.open(str(tmp_path / "b.mp4")) as container:
        frames = sum(1 for _ in container.decode(video=0))
    assert frames > 5
    assert [sink["type"] for sink in stream.report()["sinks"]] == ["images"]
    before = written(stream, 0)
    wait_for(lambda: written(stream, 0) > before)


def test_only_the_one_that_differs_is_made_anew(start: Start, tmp_path: Path) -> None:
    stream = start([pictures(tmp_path / "a"), film(tmp_path / "b.mp4")])
    kept = stream._engine.sinks[0]
    assert isinstance(stream.apply({"sinks.1.path": str(tmp_path / "c.mp4")}), Applied)
    assert stream._engine.sinks[0] is kept
    wait_for(lambda: written(stream, 1) > 3)
    assert (tmp_path / "c.mp4").exists()
    assert stream.report()["frames"]["emitted"] > 0


def test_what_a_new_one_needs_may_be_what_the_old_one_had(start: Start, tmp_path: Path) -> None:
    film_ = {**film(tmp_path / "a.mp4"), "overwrite": True}
    stream = start([film_])
    assert stream.apply({"sinks.0.crf": 30}) == Applied(1), "the same file, once it is finished"
    wait_for(lambda: written(stream, 0) > 3)


def test_one_that_cannot_be_opened_is_refused_and_the_old_one_comes_back(
    start: Start, tmp_path: Path
) -> None:
    stream = start([pictures(tmp_path / "a"), pictures(tmp_path / "b")])
    (tmp_path / "full").write_text("in the way")
    kept = stream._engine.sinks[0]
    refused = stream.apply({"sinks.1.path": str(tmp_path / "full")})
    assert isinstance(refused, Refused)
    assert "full" in refused.why
    assert stream._engine.sinks[0] is kept
    assert stream.config.sinks[1].path == str(tmp_path / "b")
    before = stream.report()["frames"]["emitted"]
    wait_for(lambda: stream.report()["frames"]["emitted"] > before)
    wait_for(lambda: written(stream, 1))
    assert stream.failure is None


def test_a_file_that_is_being_written_is_not_begun_anew(start: Start, tmp_path: Path) -> None:
    for sink in (film(tmp_path / "a.mp4"), pictures(tmp_path / "a")):
        stream = start([{"type": "discard"}, sink])
        refused = stream.apply({"sinks.1.layout": "mask"})
        assert isinstance(refused, Refused)
        assert refused.why == "sinks.1.path: is being written: name another, or overwrite"
        before = written(stream, 1)
        wait_for(lambda: written(stream, 1) > before)  # noqa: B023


def test_every_frame_is_accounted_for_and_no_thread_is_left(start: Start, tmp_path: Path) -> None:
    stream = start([pictures(tmp_path / "a")])
    threads = threading.active_count()
    for number in range(8):
        sinks = [pictures(tmp_path / f"{number}-{place}") for place in range(1 + number % 3)]
        assert isinstance(stream.apply({"sinks": sinks}), Applied)
        wait_for(lambda: all(written(stream, place) for place in range(len(sinks))))  # noqa: B023
    assert isinstance(stream.apply({"sinks": [{"type": "discard"}]}), Applied)
    assert threading.active_count() == threads
    stream.stop()
    stream.join()
    report = stream.report()
    frames = report["frames"]
    assert frames["captured"] == frames["emitted"] + sum(report["drops"].values())


def test_changes_that_are_refused_take_no_memory(start: Start, tmp_path: Path) -> None:
    served = {"type": "images", "path": str(tmp_path / "a"), "names": "timestamp"}
    stream = start([{"type": "discard"}, served])
    ring = stream._engine._ring
    total = ring._slots_total
    (tmp_path / "full").write_text("in the way")
    for _ in range(5):
        full = {"type": "images", "path": str(tmp_path / "full")}
        assert isinstance(stream.apply({"sinks": [{"type": "discard"}, full]}), Refused)
    assert ring._slots_total == total


def test_a_file_loses_no_frame_while_its_sinks_change(start: Start, tmp_path: Path) -> None:
    def film_at(number: int) -> dict[str, Any]:
        return {"type": "images", "path": str(tmp_path / str(number))}

    stream = start([film_at(0)], realtime=False, frames=400)
    changes = 0
    while stream.apply({"sinks": [film_at(changes + 1)]}) == Applied(changes + 1):
        changes += 1
    stream.join()
    assert changes, "it ended before"
    report = stream.report()
    assert report["frames"]["emitted"] == 400
    assert not any(report["drops"].values())
    folders = [folder for folder in tmp_path.iterdir() if folder.name.isdigit()]
    assert sum(len(list(folder.iterdir())) for folder in folders) == 400


def test_a_reader_that_leaves_a_pipe_added_later_ends_the_stream(
    start: Start, tmp_path: Path
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    stream = start([{"type": "discard"}])
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    pipe = {"type": "pipe", "path": str(fifo), "format": "gray", "layout": "mask"}
    assert stream.apply({"sinks": [{"type": "discard"}, pipe]}) == Applied(1)
    wait_for(lambda: written(stream, 1))
    os.close(reader)
    stream.join()
    assert stream.failure is None, "as of one that was there from the start"


def test_settings_reach_a_sink_that_came_later(start: Start, tmp_path: Path) -> None:
    stream = start([{"type": "discard"}])
    stream.apply({"compose.background": "#ff0000"})
    sink = {**pictures(tmp_path / "a"), "layout": "composite"}
    stream.apply({"sinks": [sink]})
    wait_for(lambda: written(stream, 0) > 2)
    assert stream.settings.compose.background.colour == "#ff0000"


def test_what_goes_at_the_end_of_the_stream_is_ended_too(start: Start, tmp_path: Path) -> None:
    stream = start([{"type": "discard"}])
    stream.apply({"sinks": [film(tmp_path / "a.mp4")]})
    wait_for(lambda: written(stream, 0) > 3)
    stream.stop()
    stream.join()
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) > 3
