"""Another configuration while the streams run: what is the same goes on, what differs follows."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from streamer import Pipeline
from streamer.config import Config, parse_box
from streamer.errors import ConfigError
from streamer.host import Host
from tests.conftest import MakeModel
from tests.unit.host.hosting import MakeBox, emitted, running, states
from tests.waiting import wait_for


def test_a_setting_reaches_its_stream_while_it_runs(make_box: MakeBox) -> None:
    with running(make_box(door={}, hall={})) as host:
        runs = [host.stream("door"), host.stream("hall")]
        host.reload(make_box(door={"refine": {"threshold": 0.8}}, hall={}))
        wait_for(lambda: host.stream("door").config.refine.threshold == 0.8)
        assert [host.stream("door"), host.stream("hall")] == runs, "no run was ended for it"
        assert host.stream("hall").config.refine.threshold != 0.8


def test_what_a_stream_needs_of_a_fleet_changes_nothing_here(make_box: MakeBox) -> None:
    with running(make_box(door={})) as host:
        run = host.stream("door")
        host.reload(make_box(door={"needs": {"labels": {"site": "north"}}}))
        wait_for(lambda: host.taken("door").needs.labels)
        assert host.stream("door") is run


def test_what_users_changed_meanwhile_stays(make_box: MakeBox) -> None:
    with running(make_box(door={}, hall={})) as host:
        host.stream("door").apply({"refine.threshold": 0.7})
        host.reload(make_box(door={"compose": {"background": "blur"}}, hall={}))
        wait_for(lambda: host.stream("door").config.compose.background.type == "blur")
        assert host.stream("door").config.refine.threshold == 0.7


def test_what_cannot_change_while_it_runs_gets_another_run(make_box: MakeBox) -> None:
    with running(make_box(door={}, hall={})) as host:
        door, hall = host.stream("door"), host.stream("hall")
        host.reload(make_box(door={"source": {"width": 96}}, hall={}))
        wait_for(lambda: host.stream("door") is not door)
        wait_for(lambda: states(host)["door"] == "running")
        assert host.stream("door").config.source.width == 96
        assert host.stream("hall") is hall
        report = host.report()["streams"]["door"]
        assert report["restarts"] == 0, "it did not fail"
        before = emitted(host, "door")
        wait_for(lambda: emitted(host, "door") > before)


def test_one_that_cannot_be_had_stays_as_it_was(
    make_box: MakeBox, caplog: pytest.LogCaptureFixture
) -> None:
    with running(make_box(door={}, hall={})) as host:
        door = host.stream("door")
        missing = {"source": {"type": "file", "path": "missing.mp4"}}
        host.reload(make_box(door=missing, hall={}))
        wait_for(lambda: "stays as it was" in caplog.text)
        assert "missing.mp4" in caplog.text
        before = emitted(host, "door")
        wait_for(lambda: emitted(host, "door") > before)
        assert host.stream("door") is door
        host.reload(make_box(door={"refine": {"threshold": 0.8}}, hall={}))
        wait_for(lambda: door.config.refine.threshold == 0.8)


@pytest.mark.parametrize(
    "changes",
    [
        {"sinks": [{"type": "images", "path": "full"}]},
        {"compose": {"background": {"type": "image", "path": "missing.png"}}},
        {"preprocess": {"roi": [200, 200, 50, 50]}},
        {"model": {"name": "missing.onnx"}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_only_shows_when_it_is_tried_costs_no_run(
    changes: dict[str, Any],
    make_box: MakeBox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").write_text("in the way")
    with running(make_box(door={}, hall={})) as host:
        door = host.stream("door")
        host.reload(make_box(door=changes, hall={}))
        wait_for(lambda: "stays as it was" in caplog.text)
        before = emitted(host, "door")
        wait_for(lambda: emitted(host, "door") > before)
        assert host.stream("door") is door
        assert states(host)["door"] == "running"


def test_a_stream_whose_section_is_the_same_is_left_alone_also_one_that_has_ended(
    make_box: MakeBox, tmp_path: Path
) -> None:
    short = {"source": {"frames": 5, "realtime": False}}
    with running(make_box(door={}, film=short)) as host:
        wait_for(lambda: states(host)["film"] == "ended")
        film = host.stream("film")
        threads = threading.active_count()
        for threshold in (0.6, 0.7):
            host.reload(make_box(door={"refine": {"threshold": threshold}}, film=short))
            wait_for(lambda: host.stream("door").config.refine.threshold == threshold)  # noqa: B023
        wait_for(lambda: threading.active_count() <= threads)
        assert host.stream("film") is film
        assert (states(host)["film"], emitted(host, "film")) == ("ended", 5)


def test_a_change_that_comes_while_another_run_is_made_is_not_lost(
    make_box: MakeBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    making, go_on = threading.Event(), threading.Event()
    made = Pipeline.from_config

    def slowly(config: Config, **options: Any) -> Pipeline:
        if config.source.width == 96:
            making.set()
            go_on.wait(30)
        return made(config, **options)

    monkeypatch.setattr(Pipeline, "from_config", slowly)
    with running(make_box(door={}, hall={})) as host:
        host.reload(make_box(door={"source": {"width": 96}}, hall={}))
        assert making.wait(30)
        host.reload(make_box(door={"source": {"width": 128}}, hall={}))
        wait_for(lambda: host._wanted is None)
        go_on.set()
        wait_for(lambda: host.stream("door").config.source.width == 128)
        wait_for(lambda: states(host)["door"] == "running")


def test_a_change_that_comes_before_the_start_is_not_lost(make_box: MakeBox) -> None:
    host = Host(make_box(door={}))
    host.prepare()
    host.reload(make_box(door={"refine": {"threshold": 0.8}}))
    report = host.run(lambda: bool(emitted(host, "door")))
    assert host.stream("door").config.refine.threshold == 0.8
    assert report["streams"]["door"]["restarts"] == 0


def test_a_stuck_stream_that_was_taken_out_is_still_told_of(
    make_box: MakeBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(make_box(door={}, hall={})) as host:
        monkeypatch.setattr(type(host.stream("door")), "abandoned", ("sinks[0] stuck",))
        host.reload(make_box(hall={}))
        wait_for(lambda: list(states(host)) == ["hall"])
        wait_for(lambda: "door sinks[0] stuck" in host.abandoned)


def test_streams_come_and_go(make_box: MakeBox) -> None:
    with running(make_box(door={}, hall={})) as host:
        hall = host.stream("hall")
        host.reload(make_box(hall={}, yard={}))
        wait_for(lambda: list(states(host)) == ["hall", "yard"])
        wait_for(lambda: emitted(host, "yard"))
        assert host.stream("hall") is hall
        assert not any(thread.name.startswith("streamer-door-") for thread in threading.enumerate())


def test_one_that_waits_is_tried_at_once(make_box: MakeBox, tmp_path: Path) -> None:
    with running(make_box(door={})) as host:
        missing = {"source": {"type": "file", "path": str(tmp_path / "missing.mp4")}}
        host.reload(make_box(door={}, hall=missing))
        wait_for(lambda: host.status().streams[-1].why)
        host.reload(make_box(door={}, hall={}))
        wait_for(lambda: emitted(host, "hall"))


def test_the_latest_of_several_wins_and_untouched_streams_go_on(make_box: MakeBox) -> None:
    with running(make_box(door={}, hall={})) as host:
        hall = host.stream("hall")
        threads = threading.active_count()
        for number in range(30):
            changes = (
                {"refine": {"threshold": 0.3 + number / 100}},
                {"source": {"width": 64 + 2 * number}},
                {"source": {"type": "file", "path": "missing.mp4"}},
            )
            host.reload(make_box(door=changes[number % 3], hall={}))
        host.reload(make_box(door={"refine": {"threshold": 0.9}}, hall={}))
        wait_for(lambda: host.stream("door").config.refine.threshold == 0.9)
        wait_for(lambda: threading.active_count() <= threads)
        assert host.stream("hall") is hall


def test_a_stop_while_a_change_is_under_way_ends_all(make_box: MakeBox) -> None:
    before = threading.active_count()
    with running(make_box(door={}, hall={})) as host:
        host.reload(make_box(door={"source": {"width": 96}}, yard={}))
    assert threading.active_count() == before


def test_what_holds_for_the_process_is_fixed(make_box: MakeBox, make_model: MakeModel) -> None:
    host = Host(make_box(door={}))
    alone = {"source": {"type": "usb"}, "sinks": [{"type": "discard"}]}
    with pytest.raises(ConfigError, match="restart: is fixed while the streams run"):
        host.reload(parse_box(alone))
