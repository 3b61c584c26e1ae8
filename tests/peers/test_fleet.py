"""
A fleet on three real nodes of Ray: nodes and the controller are killed, cut off, emptied, changed.

All streams are paced, and most publish to one media server, which says what arrived and from whom.
Times are those of a loaded machine: only what the fleet promises is a limit.
"""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.models import write_trivial_model
from streamer.config.fleet import parse_fleet
from streamer.fleet.controller import SAFETY_S
from streamer.fleet.status import FleetStatus
from tests.peers.fleet_nodes import RayNodes, ray_nodes
from tests.peers.publications import Publications, media_server

figures = logging.getLogger("tests.fleet")
"""Seconds, for whoever asks: `--log-cli-level=INFO`."""
FPS = 10
KEY_S = 1.0
"""Most seconds between key frames of what is published."""
LEASE_S = 5.0
BACK_S = 15.0
"""Within which streams of a dead node are to be shown again."""
PUBLISHED, OTHERS = 8, 4
DROPS = re.compile(r'^streamer_frames_dropped_total\{.*stream="([^"]+)".*\} (\d+)', re.MULTILINE)


class RunningFleet:
    """A fleet of twelve streams on three nodes, and the media server that eight publish to."""

    def __init__(
        self, nodes: RayNodes, publications: Publications, port: int, folder: Path
    ) -> None:
        self.nodes = nodes
        self.publications = publications
        self.file = folder / "fleet.yaml"
        publish = {
            "type": "rtsp",
            "publish": f"rtsp://{nodes.media_host}:{port}/{{stream}}",
            "encoder": "software",
            "gop_s": KEY_S,
        }
        streams: dict[str, dict[str, Any]] = {
            f"p{number}": {"sinks": [publish]} for number in range(PUBLISHED)
        }
        streams |= {f"d{number}": {"sinks": [{"type": "discard"}]} for number in range(OTHERS)}
        streams["p0"]["needs"] = {"labels": {"site": "south"}}
        self.data: dict[str, Any] = {
            "defaults": {
                "source": {
                    "type": "synthetic",
                    "width": 160,
                    "height": 90,
                    "fps": FPS,
                    "realtime": True,
                },
                "model": {"name": str(write_trivial_model(folder / "one.onnx", 64))},
                "matting": {"mode": "every_frame"},
                # No frame is to be lost because the machine is busy with something else.
                "pipeline": {"ring_capacity": 64, "sink_queue": 64},
            },
            "metrics": {"listen": "0.0.0.0:9464", "insecure": True},
            "fleet": {"lease_s": LEASE_S, "nodes": {"streams": "yes"}},
            "streams": streams,
        }

    def write(self, **streams: dict[str, Any]) -> None:
        """Write the fleet's file, with these keys of these streams beside their own."""
        merged = {name: own | streams.get(name, {}) for name, own in self.data["streams"].items()}
        self.file.write_text(json.dumps(self.data | {"streams": merged}))  # YAML holds JSON

    def have(self, **streams: dict[str, Any]) -> None:
        """Change the running fleet to what `write` would write."""
        self.write(**streams)
        self.nodes.want(parse_fleet(json.loads(self.file.read_text())))

    def settled(self) -> dict[str, str]:
        """Wait until all streams run and are published; returns the node of each."""
        status = self.nodes.wait_for(all_run)
        where = {stream.stream: str(stream.node) for stream in status.streams}
        self.wait_until(
            lambda: all(
                time.monotonic() - self.publications.last_s(name) < 1 for name in self.published
            )
        )
        assert where["p0"] in ("b", "c"), "it needs a node in the south"
        return where

    @property
    def published(self) -> list[str]:
        """The streams that are published."""
        return [f"p{number}" for number in range(PUBLISHED)]

    def drops(self, where: dict[str, str], names: Collection[str]) -> dict[str, int]:
        """Frames that each of *names* has lost at its node, by the worker's own count."""
        found = dict.fromkeys(names, 0)
        for node in sorted({where[name] for name in names}):
            with urllib.request.urlopen(self.nodes.metrics_url(node), timeout=20) as answer:
                text = answer.read().decode()
            assert "streamer_frames_captured_total" in text
            for name, count in DROPS.findall(text):
                if where.get(name) == node and name in found:
                    found[name] += int(count)
        return found

    def assert_nothing_lost(self, names: Collection[str], since_s: float) -> None:
        """No picture of *names* was lost since then, and none of them began again."""
        for name in sorted(set(names) & set(self.published)):
            (one,) = self.publications.since(name, since_s)
            assert one.lost(FPS, since_s) == 0, name
            assert one.ended_s is None, name
            self.wait_until(lambda one=one: time.monotonic() - one.pictures[-1][0] < 1)  # type: ignore[misc]

    def returns_s(self, names: Collection[str], since_s: float) -> dict[str, float]:
        """Wait until all of *names* are shown by another publisher; seconds from *since_s*."""
        self.wait_until(
            lambda: all(self.publications.first_after_s(name, since_s) for name in names)
        )
        return {
            name: (self.publications.first_after_s(name, since_s) or 0) - since_s for name in names
        }

    def wait_for_another_worker(self, node: str, killed: int) -> None:
        """Wait until another one takes the place of the process *killed* of that node."""
        self.nodes.wait_for(
            lambda status: any(
                one.name == node and not one.worker.endswith(f"/{killed}") for one in status.nodes
            )
        )

    @staticmethod
    def wait_until(condition: Callable[[], object]) -> None:
        until_s = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < until_s, "it did not happen"
            time.sleep(0.05)


def all_run(status: FleetStatus) -> bool:
    """Whether nothing is left to be done."""
    return not status.settling and all(
        stream.state == "running" and stream.bound_for is None and not stream.outdated
        for stream in status.streams
    )


def on(node: str, where: dict[str, str]) -> set[str]:
    """The streams that are there."""
    return {stream for stream, its in where.items() if its == node}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFleet]:
    """The fleet, on the nodes a (the head), b and c."""
    labels = {
        "a": {"streams": "yes", "site": "north"},
        "b": {"streams": "yes", "site": "south"},
        "c": {"streams": "yes", "site": "south"},
    }
    with (
        ray_nodes(list(labels), labels) as nodes,
        media_server(nodes.media_host) as (publications, port),
    ):
        fleet = RunningFleet(nodes, publications, port, tmp_path_factory.mktemp("fleet"))
        fleet.write()
        ended = nodes.streamer("fleet", "run", str(fleet.file), "--detach")
        assert ended.code == 0, ended.err
        yield fleet


@pytest.fixture
def fleet(running: RunningFleet) -> Iterator[RunningFleet]:
    """The fleet, whose paths at the media server must never have had two publishers at once."""
    running.settled()
    yield running
    assert running.publications.overlaps == []


def test_streams_are_shared_out_among_all_nodes(fleet: RunningFleet) -> None:
    where = fleet.settled()
    assert {node: len(on(node, where)) for node in "abc"} == {"a": 4, "b": 4, "c": 4}


def test_no_stream_loses_a_frame_when_the_controller_is_killed(fleet: RunningFleet) -> None:
    where = fleet.settled()
    (controller,) = fleet.nodes.processes("a", "ray::ControllerActor")
    before = fleet.drops(where, where)
    since_s = time.monotonic()
    os.kill(controller, signal.SIGKILL)
    status = fleet.nodes.wait_for(lambda status: len(status.nodes) == 3 and all_run(status))
    figures.info("settled_s: %s", time.monotonic() - since_s)
    assert {stream.stream: stream.node for stream in status.streams} == where
    assert fleet.nodes.processes("a", "ray::ControllerActor") != [controller]
    fleet.assert_nothing_lost(where, since_s)
    assert fleet.drops(where, where) == before


def test_streams_of_a_dead_node_are_shown_again_in_time(fleet: RunningFleet) -> None:
    where = fleet.settled()
    lost, others = on("b", where), set(where) - on("b", where)
    before = fleet.drops(where, others)
    since_s = time.monotonic()
    fleet.nodes.kill("b")
    shown_s = fleet.returns_s(lost & set(fleet.published), since_s)
    figures.info("shown_again_s: %s", shown_s)
    assert max(shown_s.values()) < BACK_S
    now = fleet.settled()
    assert on("b", now) == set()
    fleet.assert_nothing_lost(others, since_s)
    assert fleet.drops(where, others) == before
    fleet.nodes.start("b")
    fleet.nodes.wait_for(lambda status: "b" in {node.name for node in status.nodes})
    assert fleet.settled() == now, "a node that comes back disturbs nobody"


def test_a_node_that_is_cut_off_lets_go_by_itself_and_comes_back(fleet: RunningFleet) -> None:
    where = fleet.settled()
    lost, others = on("c", where), set(where) - on("c", where)
    (worker,) = fleet.nodes.processes("c", "ray::WorkerActor")
    since_s = time.monotonic()
    fleet.nodes.cut("c")
    try:
        shown_s = fleet.returns_s(lost & set(fleet.published), since_s)
        now = fleet.settled()
    finally:
        fleet.nodes.mend("c")
    figures.info("shown_again_s: %s", shown_s)
    for name in lost & set(fleet.published):
        cut_off, other = fleet.publications.since(name, since_s)
        assert cut_off.ended_s is not None
        assert cut_off.ended_s - since_s < LEASE_S + SAFETY_S
        assert cut_off.ended_s < other.began_s
        assert cut_off.peer != other.peer
    fleet.assert_nothing_lost(others, since_s)
    mended_s = time.monotonic()
    fleet.nodes.wait_for(lambda status: "c" in {node.name for node in status.nodes})
    figures.info("back_in_the_fleet_s: %s", time.monotonic() - mended_s)
    assert fleet.nodes.processes("c", "ray::WorkerActor") == [worker], "it only had to let go"
    assert fleet.settled() == now, "nothing is moved for it"


def test_a_node_is_emptied_and_the_others_take_its_streams(fleet: RunningFleet) -> None:
    where = fleet.settled()
    moved, others = on("a", where), set(where) - on("a", where)
    before = fleet.drops(where, others)
    start_s = publishers_start_s(4)
    since_s = time.monotonic()
    ended = fleet.nodes.streamer("fleet", "drain", "a")
    assert ended.code == 0, ended.err
    now = fleet.settled()
    assert on("a", now) == set()
    assert on("c", now), "it was cut off, and takes streams again"
    gaps_s = {name: fleet.publications.gap_s(name, since_s) for name in moved & {*fleet.published}}
    figures.info("gaps_s: %s", gaps_s)
    figures.info("publishers_start_s: %s", start_s)
    # Four move at a time, and each has a process that publishes started.
    assert max(gaps_s.values()) < KEY_S + 2 * start_s
    fleet.assert_nothing_lost(others, since_s)
    assert fleet.drops(where, others) == before
    assert "draining" in fleet.nodes.streamer("fleet", "status").out
    fleet.nodes.drain("a", draining=False)


def test_outputs_that_cannot_be_closed_end_with_their_worker(fleet: RunningFleet) -> None:
    where = fleet.settled()
    lost = on("c", where) & set(fleet.published)
    (worker,) = fleet.nodes.processes("c", "ray::WorkerActor")
    frozen = fleet.nodes.processes("c", "publishing.child")[0]
    since_s = time.monotonic()
    os.kill(frozen, signal.SIGSTOP)  # as one that waits for a mute server
    fleet.nodes.cut("c")
    try:
        figures.info("shown_again_s: %s", fleet.returns_s(lost, since_s))
    finally:
        fleet.nodes.mend("c")
    for name in lost:
        ended_s = fleet.publications.since(name, since_s)[0].ended_s
        assert ended_s is not None
        assert ended_s - since_s < LEASE_S + SAFETY_S
    fleet.wait_for_another_worker("c", worker)


def test_streams_of_a_worker_that_stands_still_are_shown_elsewhere(fleet: RunningFleet) -> None:
    where = fleet.settled()
    node = max("abc", key=lambda node: len(on(node, where) & set(fleet.published)))
    lost, others = on(node, where), set(where) - on(node, where)
    (worker,) = fleet.nodes.processes(node, "ray::WorkerActor")
    since_s = time.monotonic()
    os.kill(worker, signal.SIGSTOP)
    figures.info("shown_again_s: %s", fleet.returns_s(lost & set(fleet.published), since_s))
    for name in lost & set(fleet.published):
        ended_s = fleet.publications.since(name, since_s)[0].ended_s
        assert ended_s is not None
        assert ended_s - since_s < LEASE_S + SAFETY_S
    fleet.assert_nothing_lost(others, since_s)
    fleet.wait_for_another_worker(node, worker)


def test_a_change_disturbs_nobody(fleet: RunningFleet) -> None:
    where = fleet.settled()
    before = fleet.drops(where, where)
    since_s = time.monotonic()
    white = {"compose": {"background": "white"}}
    fleet.write(p1=white, p2=white, d1=white)
    ended = fleet.nodes.streamer("fleet", "run", str(fleet.file), "--detach")
    assert ended.code == 0, ended.err
    assert fleet.settled() == where
    fleet.have()
    assert fleet.settled() == where
    fleet.assert_nothing_lost(where, since_s)
    assert fleet.drops(where, where) == before


def test_a_file_that_is_watched_is_taken_again_when_it_changes(fleet: RunningFleet) -> None:
    where = fleet.settled()
    fleet.write()
    since_s = time.monotonic()
    with fleet.nodes.began("fleet", "run", str(fleet.file), "--watch") as command:
        lines: list[str] = []

        def says(words: str) -> None:
            assert command.stderr is not None
            while words not in (line := command.stderr.readline()):
                assert line, lines
                lines.append(line)

        says("12 of 12 streams run on 3 nodes")
        fleet.file.write_text("streams: {")
        says("everything stays as it was")
        fewer = {name: own for name, own in fleet.data["streams"].items() if name != "d0"}
        fleet.file.write_text(json.dumps(fleet.data | {"streams": fewer}))
        says("taken again")
        says("11 of 11 streams run on 3 nodes")
        command.send_signal(signal.SIGINT)
        says("the fleet goes on")
        assert command.wait(30) == 0
    fleet.have()
    now = fleet.settled()
    assert {name: now[name] for name in fewer} == {name: where[name] for name in fewer}
    fleet.assert_nothing_lost(fewer, since_s)


def test_a_change_that_a_node_cannot_have_goes_no_further(fleet: RunningFleet) -> None:
    where = fleet.settled()
    first, later = sorted(set(where.values()))[:2]
    broken, sound = min(on(first, where)), min(on(later, where))
    since_s = time.monotonic()
    lacks: dict[str, Any] = {
        "compose": {"background": {"type": "image", "path": "/nowhere/room.png"}}
    }
    fleet.have(**{broken: lacks, sound: {"compose": {"background": "#0000ff"}}})
    status = fleet.nodes.wait_for(lambda status: status.halted)
    assert status.halted.startswith(f"{broken}: ")
    assert "/nowhere/room.png: no such file" in status.halted
    assert {one.stream for one in status.streams if one.outdated} == {broken, sound}
    assert "goes no further" in fleet.nodes.streamer("fleet", "status").err
    fleet.have()
    assert fleet.settled() == where
    assert not fleet.nodes.status().halted
    fleet.assert_nothing_lost(where, since_s)


def test_no_frame_goes_through_the_object_store(fleet: RunningFleet) -> None:
    fleet.settled()
    assert fleet.nodes.stored_bytes() < 100_000


def test_the_fleet_stops_and_ray_goes_on(fleet: RunningFleet) -> None:
    ended = fleet.nodes.streamer("fleet", "stop")
    assert (ended.code, ended.err) == (0, "")
    assert all(
        one.ended_s is not None for name in fleet.published for one in fleet.publications.of(name)
    )
    fleet.wait_until(
        lambda: not any(fleet.nodes.processes(node, "ray::WorkerActor") for node in "abc")
    )
    ended = fleet.nodes.streamer("fleet", "status")
    assert ended.code == 1
    assert "no fleet runs there" in ended.err


def publishers_start_s(count: int) -> float:
    """How long so many processes that publish take to start here and now, all at once."""
    began_s = time.monotonic()
    command = [sys.executable, "-P", "-m", "streamer.serving.publishing.child"]
    starting = [subprocess.Popen(command, stdin=subprocess.DEVNULL) for _ in range(count)]
    assert [process.wait() for process in starting] == [0] * count
    return time.monotonic() - began_s
