"""A fleet when messages are lost or late, nodes cannot, and files change in awkward ways."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import pytest

from benchmarks.fleet_sim import NS, SimulatedFleet, SimulatedHost, VirtualClock
from streamer.config import Config
from streamer.errors import ConfigError
from streamer.fleet.controller import Controller
from streamer.fleet.messages import NodeFacts, Orders
from streamer.fleet.worker import Worker
from streamer.host import KeptState
from tests.unit.fleet.test_controller import CHANGE, change, fleet_of, started, threshold, why

NAMES = "a b c d e f"


def publishing(path: str) -> dict[str, object]:
    return {"sinks": [{"type": "rtsp", "publish": f"rtsp://media/{path}"}]}


def addresses(sim: SimulatedFleet) -> Iterator[str]:
    """The addresses that open streams publish to."""
    for node in sim.nodes.values():
        for name in set(node.host.open) & set(node.host.names):
            taken = node.host.taken(name)
            if taken is not None and taken.sinks[0].type == "rtsp":
                yield taken.sinks[0].publish.get_secret_value()


def test_a_stream_under_another_name_begins_once_the_first_has_let_go() -> None:
    sim = started(fleet_of(f"a {NAMES[2:]}", a=publishing("door")))
    host = sim.nodes[sim.open["a"]].host
    host.end_s = 3.0
    change(sim, fleet_of(f"x {NAMES[2:]}", x=publishing("door")))
    together = 0
    for _ in range(100):
        sim.run(0.1)
        together += {"a", "x"} <= sim.open.keys()
    assert "x" in sim.open
    assert not together


def test_streams_that_change_addresses_with_each_other_never_have_one_both() -> None:
    sim = started(fleet_of("a b c", a=publishing("one"), b=publishing("two")))
    change(sim, fleet_of("a b c", a=publishing("two"), b=publishing("one")))
    for _ in range(300):
        sim.run(0.1)
        found = list(addresses(sim))
        assert len(found) == len(set(found))
    assert len(sim.open) == 3
    taken = sim.nodes[sim.open["a"]].host.taken("a")
    assert taken.sinks[0].publish.get_secret_value() == "rtsp://media/two"


def test_streams_of_a_worker_that_hears_nothing_go_elsewhere() -> None:
    class Deaf(SimulatedFleet):
        deaf = ""

        def _post(self, node, orders, sent_ns):  # type: ignore[no-untyped-def]
            if node.facts.name != self.deaf:
                super()._post(node, orders, sent_ns)

    fleet = fleet_of(NAMES)
    sim = Deaf(fleet, dict.fromkeys(fleet.streams, 0.05))
    for name in ("n1", "n2", "n3"):
        sim.add(NodeFacts(name))
    sim.run(15)
    sim.deaf = "n2"
    sim.run(60)
    assert set(sim.open.values()) == {"n1", "n3"}
    assert len(sim.open) == 6
    assert not sim.twice


def test_a_report_that_was_late_does_not_begin_what_was_let_go_since() -> None:
    clock = VirtualClock()
    hosts = {name: SimulatedHost(clock, {"a": 0.05}, load_s=0.3) for name in ("n1", "n2")}
    workers = {
        name: Worker(name, NodeFacts(name), host, host.load, clock=clock)
        for name, host in hosts.items()
    }
    fleet = fleet_of("a")
    controller = Controller(fleet, clock=clock, began_us=1_000_000)

    def run(seconds: float, talking: Collection[str]) -> None:
        for _ in range(round(seconds * 10)):
            clock.ns += NS // 10
            for name, worker in workers.items():
                hosts[name].step()
                worker.tend()
                if name in talking:
                    worker.obey(controller.hear(worker.report()), clock.ns)
            controller.tick()
            assert not all("a" in host.open for host in hosts.values())

    run(5, ["n1"])
    assert list(hosts["n1"].open) == ["a"]
    run(1, ["n1", "n2"])
    controller.drain("n1")
    run(0.2, ["n1", "n2"])
    stale, sent_ns = workers["n1"].report(), clock.ns
    run(4, ["n1", "n2"])
    assert list(hosts["n2"].open) == ["a"]
    controller = Controller(fleet, again=True, clock=clock, began_us=2_000_000)
    workers["n1"].obey(controller.hear(stale), sent_ns)
    run(4, ["n1"])
    run(20, ["n1", "n2"])
    assert [name for name, host in hosts.items() if list(host.open)] == ["n2"]


def test_one_that_is_removed_while_it_moves_is_gone() -> None:
    sim = started(fleet_of(NAMES), "n1 n2")
    assert sim.controller is not None
    sim.controller.drain("n2")
    gone = min(stream for stream, node in sim.open.items() if node == "n2")
    change(sim, fleet_of(NAMES.replace(gone, "").strip()))
    sim.run(30)
    assert gone not in sim.open
    assert len(sim.open) == 5


class Unable(SimulatedHost):
    """A host that can load nothing."""

    def is_prepared(self, name: str) -> bool:
        return False

    def state(self, name: str) -> KeptState:
        return "waiting" if self._streams[name].ready_ns <= self._clock.ns else "starting"

    def step(self) -> None:
        pass


def test_a_node_that_cannot_have_a_stream_is_not_asked_again_and_another_is() -> None:
    sim = started(fleet_of(NAMES), "n1 n2")
    sim.add(NodeFacts("n3"))
    sim.nodes["n3"].host.__class__ = Unable
    assert sim.controller is not None
    sim.controller.drain("n2")
    sim.run(60)
    assert set(sim.open.values()) == {"n1"}
    assert len(sim.open) == 6


def test_a_stream_that_its_home_cannot_run_is_tried_elsewhere() -> None:
    sim = started(fleet_of("a b c d"), "n1 n2")
    sim.nodes["n1"].host.__class__ = Unable
    there = [stream for stream, node in sim.open.items() if node == "n1"]
    sim.run(300, 0.5)
    assert {sim.open[stream] for stream in there} == {"n2"}
    assert "n1 could not have it" in why(sim, there[0])


def test_a_change_that_is_taken_and_does_not_run_goes_no_further() -> None:
    class Broken(SimulatedHost):
        def state(self, name: str) -> KeptState:
            broken = self._streams[name].config.refine.threshold == 0.8
            return "waiting" if broken else super().state(name)

    sim = started(fleet_of(NAMES))
    for node in sim.nodes.values():
        node.host.__class__ = Broken
    change(sim, fleet_of(NAMES, **dict.fromkeys("abcdef", CHANGE)))
    sim.run(150, 0.5)
    assert sum(threshold(sim, name) == 0.8 for name in sim.open) <= 2
    assert sim.controller is not None
    assert "does not run within" in sim.controller.status().halted


def test_a_stream_that_a_user_has_stopped_holds_no_change_up() -> None:
    class Stopped(SimulatedHost):
        def state(self, name: str) -> KeptState:
            return "stopped" if name == "a" else super().state(name)

        def have(
            self, streams: Mapping[str, Config], prepared: Collection[str], *, at_once: bool
        ) -> None:
            super().have(streams, prepared, at_once=at_once)
            if "a" in self._streams:
                self._streams["a"].next = None

    sim = started(fleet_of(NAMES))
    sim.nodes[sim.open["a"]].host.__class__ = Stopped
    sim.run(2)
    change(sim, fleet_of(NAMES, **dict.fromkeys("abcdef", CHANGE)))
    sim.run(60)
    assert {threshold(sim, name) for name in "bcdef"} == {0.8}


def test_a_version_that_was_refused_is_not_taken_once_the_file_went_back() -> None:
    sim = started(fleet_of("a b c"), "n1")
    sim.nodes["n1"].host.refuses = ("a",)
    change(sim, fleet_of("a b c", a=CHANGE))
    sim.run(20)
    change(sim, fleet_of("a b c"))
    sim.run(20)
    sim.nodes["n1"].host.refuses = ()
    change(sim, fleet_of("a b c d"))
    sim.run(20)
    assert threshold(sim, "a") == 0.5


def test_a_controller_that_stood_still_moves_nothing() -> None:
    sim = started(fleet_of(NAMES))
    before, controller = sim.open, sim.controller
    sim.controller = None
    sim.run(4)
    sim.controller = controller
    assert controller is not None
    controller.tick()
    sim.run(20)
    assert sim.open == before
    assert sim.moves == 0


def test_streams_that_do_not_go_together_cost_the_others_nothing() -> None:
    class Strict(SimulatedHost):
        def have(
            self, streams: Mapping[str, Config], prepared: Collection[str], *, at_once: bool
        ) -> None:
            if {"a", "b"} <= streams.keys():
                raise ValueError("a and b write the same file")
            super().have(streams, prepared, at_once=at_once)

    sim = started(fleet_of("a c d"), "n1")
    sim.nodes["n1"].host.__class__ = Strict
    change(sim, fleet_of("a b c d"))
    sim.run(30)
    assert set(sim.open) == {"a", "c", "d"}
    assert sim.controller is not None
    assert "the same file" in sim.controller.status().nodes[0].trouble


def test_leases_are_fixed_while_a_fleet_runs() -> None:
    sim = started(fleet_of("a", {"lease_s": 60}))
    with pytest.raises(ConfigError, match="lease_s: is fixed"):
        change(sim, fleet_of("a", {"lease_s": 5}))


def test_orders_without_a_lease_renew_none() -> None:
    clock = VirtualClock()
    host = SimulatedHost(clock, {})
    worker = Worker("w", NodeFacts("n"), host, host.load, clock=clock)
    worker.obey(Orders(1, 1, (), lease_s=0.0), clock.ns)
    assert worker._lease.must_let_go
