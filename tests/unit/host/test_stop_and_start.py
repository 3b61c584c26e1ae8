"""Streams that users stop and start while the host goes on."""

from __future__ import annotations

import gc
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest

from streamer import Pipeline
from streamer.config import Config, parse_box
from streamer.controls import Applied
from streamer.events import StreamEnded
from streamer.host import Host
from streamer.stream import Stream
from tests.conftest import MakeModel
from tests.unit.host.hosting import MakeBox, emitted, running, states
from tests.waiting import wait_for


def test_one_is_stopped_and_started_while_the_others_go_on(make_box: MakeBox) -> None:
    with running(make_box(door={}, hall={})) as host:
        hall, before = host.stream("hall"), host.metrics("hall").frames()
        host.stop("door")
        wait_for(lambda: states(host)["door"] == "stopped")
        at_rest = emitted(host, "door")
        assert not any(thread.name.startswith("streamer-door-") for thread in threading.enumerate())
        host.start("door")
        wait_for(lambda: emitted(host, "door") > at_rest)
        assert states(host) == {"door": "running", "hall": "running"}
        assert host.status().streams[0].restarts == 0, "that counts failures"
        assert host.stream("hall") is hall
        assert host.metrics("hall").frames()["emitted"] > before["emitted"]


def test_the_host_goes_on_while_all_are_stopped(make_box: MakeBox) -> None:
    with running(make_box(door={})) as host:
        host.stop("door")
        wait_for(lambda: states(host)["door"] == "stopped")
        at_rest = emitted(host, "door")
        assert host.alive
        host.start("door")
        wait_for(lambda: emitted(host, "door") > at_rest)
        host.stop("door")
        wait_for(lambda: states(host)["door"] == "stopped")
    assert states(host)["door"] == "ended"


def test_it_comes_back_as_its_users_had_made_it(make_box: MakeBox) -> None:
    with running(make_box(door={})) as host:
        run = host.stream("door")
        assert isinstance(run.apply({"refine.threshold": 0.8}), Applied)
        host.stop("door")
        wait_for(lambda: states(host)["door"] == "stopped")
        host.start("door")
        wait_for(lambda: host.stream("door") is not run)
        assert host.stream("door").config.refine.threshold == 0.8


def test_a_reload_leaves_it_stopped_and_is_not_lost(make_box: MakeBox) -> None:
    with running(make_box(door={}, hall={})) as host:
        host.stop("door")
        wait_for(lambda: states(host)["door"] == "stopped")
        host.reload(make_box(door={"refine": {"threshold": 0.9}}, hall={}, yard={}))
        wait_for(lambda: "yard" in states(host) and emitted(host, "yard"))
        assert states(host)["door"] == "stopped"
        host.start("door")
        wait_for(lambda: host.stream("door").config.refine.threshold == 0.9)


def test_a_start_before_the_stop_is_done_is_not_lost(
    make_box: MakeBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, tend = threading.Event(), Stream.tend

    def slowly(stream: Stream) -> bool:
        return tend(stream) or not held.is_set()

    with running(make_box(door={})) as host:
        run = host.stream("door")
        monkeypatch.setattr(Stream, "tend", slowly)
        host.stop("door")
        wait_for(lambda: not run.statistics().running)
        host.start("door")
        held.set()
        wait_for(lambda: host.stream("door") is not run)
        wait_for(lambda: states(host)["door"] == "running")


def test_a_run_that_was_stopped_is_not_kept(make_box: MakeBox) -> None:
    with running(make_box(door={})) as host:
        run = weakref.ref(host.stream("door"))
        host.stop("door")
        wait_for(lambda: states(host)["door"] == "stopped")
        host.start("door")
        wait_for(lambda: host.stream("door") is not run())
        wait_for(lambda: gc.collect() is not None and run() is None)


def test_one_alone_that_does_not_come_up_stays_stopped_and_can_be_tried_again(
    make_model: MakeModel, tmp_path: Path
) -> None:
    film = tmp_path / "film.mkv"
    source = {"type": "synthetic", "width": 64, "height": 48, "realtime": True, "fps": 60}
    sinks = [{"type": "record", "path": str(film)}]
    box = parse_box({"source": source, "sinks": sinks, "model": {"name": str(make_model(size=32))}})
    with running(box) as host:
        host.stop("stream")
        wait_for(lambda: states(host)["stream"] == "stopped")
        host.start("stream")
        wait_for(lambda: "exists" in (host.status().streams[0].why or ""))
        wait_for(lambda: states(host)["stream"] == "stopped")
        film.unlink()
        before = emitted(host, "stream")
        host.start("stream")
        wait_for(lambda: emitted(host, "stream") > before)


def test_a_reload_that_comes_while_it_is_being_stopped_is_not_lost(
    make_box: MakeBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    changing, go_on = threading.Event(), threading.Event()
    apply = Stream.apply

    def slowly(stream: Stream, changes: Any) -> Any:
        changing.set()
        go_on.wait(30)
        return apply(stream, changes)

    monkeypatch.setattr(Stream, "apply", slowly)
    with running(make_box(door={}, hall={})) as host:
        run = host.stream("door")
        host.reload(make_box(door={"matting": {"mode": "tracked"}}, hall={}))
        assert changing.wait(30)
        host.stop("door")
        wait_for(lambda: not run.statistics().running)
        go_on.set()
        wait_for(lambda: states(host)["door"] == "stopped")
        host.start("door")
        wait_for(lambda: host.stream("door").config.matting.mode == "tracked")


def test_it_is_told_once_that_a_user_stopped_it(make_box: MakeBox) -> None:
    told: list[tuple[str, StreamEnded]] = []
    with running(make_box(door={}, hall={})) as host:
        host.subscribe(
            lambda name, event: (
                told.append((name, event)) if isinstance(event, StreamEnded) else None
            )
        )
        host.stop("door")
        wait_for(lambda: states(host)["door"] == "stopped")
    assert sorted(told, key=str) == [
        ("door", StreamEnded("", stopped=True)),
        ("hall", StreamEnded("", stopped=False)),
    ]


@pytest.mark.parametrize("pause_s", [0.1, 3600])
def test_one_that_fails_is_stopped_and_tried_at_once(
    make_box: MakeBox, tmp_path: Path, pause_s: float
) -> None:
    (tmp_path / "full").write_text("in the way")
    images = {"sinks": [{"type": "images", "path": str(tmp_path / "full")}]}
    restart = {"first_s": pause_s, "max_s": pause_s}
    with running(make_box(hall={}, restart=restart)) as host:
        host.reload(make_box(hall={}, door=images, restart=restart))
        wait_for(lambda: host.status().streams[-1].why)
        host.stop("door")
        wait_for(lambda: states(host)["door"] == "stopped")
        assert "full" in host.status().streams[-1].why, "why it was down is still told"
        (tmp_path / "full").unlink()
        host.start("door")
        wait_for(lambda: emitted(host, "door"))


def test_one_that_has_ended_begins_again(make_box: MakeBox) -> None:
    few = {"source": {"realtime": False, "frames": 5}}
    with running(make_box(door={}, hall=few)) as host:
        wait_for(lambda: states(host)["hall"] == "ended")
        host.start("hall")
        wait_for(lambda: emitted(host, "hall") == 10)


def test_one_that_is_being_loaded_is_stopped(
    make_box: MakeBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    making, go_on = threading.Event(), threading.Event()
    made = Pipeline.from_config

    def slowly(config: Config, **options: Any) -> Pipeline:
        if config.name == "yard":
            making.set()
            go_on.wait(30)
        return made(config, **options)

    monkeypatch.setattr(Pipeline, "from_config", slowly)
    with running(make_box(door={})) as host:
        host.reload(make_box(door={}, yard={}))
        assert making.wait(30)
        host.stop("yard")
        go_on.set()
        wait_for(lambda: states(host)["yard"] == "stopped")
        assert not emitted(host, "yard")
        host.start("yard")
        wait_for(lambda: emitted(host, "yard"))


def test_no_stream_of_another_name(make_box: MakeBox) -> None:
    with running(make_box(door={})) as host:
        for change in (host.stop, host.start):
            with pytest.raises(KeyError):
                change("hall")


def test_one_is_prepared_beside_the_others_and_begins_when_told(make_box: MakeBox) -> None:
    with running(make_box(door={})) as host:
        host.reload(make_box(door={}, yard={}), prepared={"yard"})
        wait_for(lambda: "yard" in states(host) and host.is_prepared("yard"))
        assert host.stream("yard") is None, "it has opened nothing"
        other = {"refine": {"threshold": 0.9}}
        host.reload(make_box(door={}, yard=other), prepared={"yard"})
        wait_for(lambda: host.config("yard").refine.threshold == 0.9)
        wait_for(lambda: host.is_prepared("yard"))
        host.start("yard")  # as a user may, who sees it on a page
        host.begin("yard")
        wait_for(lambda: emitted(host, "yard"))
        assert host.stream("yard").config.refine.threshold == 0.9
        host.reload(make_box(door={}, yard=other, hall={}), prepared={"hall"})
        wait_for(lambda: "hall" in states(host) and host.is_prepared("hall"))
        host.reload(make_box(door={}))
        wait_for(lambda: not host.leaving and list(states(host)) == ["door"])


def test_a_host_that_lasts_goes_on_without_streams(make_box: MakeBox) -> None:
    host = Host(make_box(door={}), lasts=True)
    thread = threading.Thread(target=host.run)
    thread.start()
    wait_for(lambda: emitted(host, "door"))
    empty = make_box(door={}).model_copy(update={"streams": {}})
    host.reload(empty, at_once=True)
    wait_for(lambda: not host.names and not host.leaving)
    host.reload(make_box(hall={}))
    wait_for(lambda: "hall" in host.names and emitted(host, "hall"))
    host.request_stop()
    thread.join(30)
    assert not thread.is_alive()


def test_it_says_what_a_stream_runs_as(make_box: MakeBox) -> None:
    with running(make_box(door={})) as host:
        first = host.taken("door")
        missing = {"source": {"type": "file", "path": "missing.mp4"}}
        host.reload(make_box(door=missing))
        wait_for(lambda: "missing.mp4" in host.refusal("door"))
        assert host.taken("door") is first, "what cannot be had is not taken"
        wanted = make_box(door={"source": {"width": 96}})
        host.reload(wanted)
        wait_for(lambda: host.taken("door") == wanted.streams["door"])
        assert not host.refusal("door")
