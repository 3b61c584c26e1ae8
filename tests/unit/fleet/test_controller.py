"""Who has which stream: the controller with workers over simulated hosts, on a virtual clock."""

from __future__ import annotations

import random
from string import ascii_lowercase
from typing import Any

import pytest

from benchmarks.fleet_sim import SITES, SimulatedFleet, make_costs, make_fleet
from streamer.config.fleet import Fleet, parse_fleet
from streamer.fleet.messages import NodeFacts

CHANGE = {"refine": {"threshold": 0.8}}


def fleet_of(names: str, fleet: dict[str, Any] | None = None, **own: dict[str, Any]) -> Fleet:
    """Streams by their names, with what some of them have of their own."""
    return parse_fleet(
        {
            "defaults": {
                "source": {"type": "synthetic"},
                "model": {"name": "isnet"},
                "sinks": [{"type": "discard"}],
            },
            "streams": {name: own.get(name, {}) for name in names.split()},
            "fleet": fleet or {},
        }
    )


def simulated(fleet: Fleet, nodes: str = "n1 n2 n3", cost: float = 0.05) -> SimulatedFleet:
    sim = SimulatedFleet(fleet, dict.fromkeys(ascii_lowercase, cost))
    for name in nodes.split():
        sim.add(NodeFacts(name, {"site": "north"} if name == "n1" else {}))
    return sim


def started(fleet: Fleet, nodes: str = "n1 n2 n3", cost: float = 0.05) -> SimulatedFleet:
    """A fleet whose streams all run, and were measured."""
    sim = simulated(fleet, nodes, cost)
    sim.run(15)
    assert len(sim.open) == len(fleet.streams)
    return sim


def why(sim: SimulatedFleet, stream: str) -> str:
    assert sim.controller is not None
    return next(it.why for it in sim.controller.status().streams if it.stream == stream)


def change(sim: SimulatedFleet, fleet: Fleet) -> None:
    sim.fleet = fleet
    assert sim.controller is not None
    sim.controller.want(fleet)


def threshold(sim: SimulatedFleet, stream: str) -> float:
    """Of the configuration that it runs with."""
    taken = sim.nodes[sim.open[stream]].host.taken(stream)
    assert taken is not None
    return taken.refine.threshold


def test_streams_are_shared_out_by_load_and_needs() -> None:
    north = {"needs": {"labels": {"site": "north"}}}
    sim = started(fleet_of("a b c d e f g h i", a=north, b=north))
    assert sim.open["a"] == sim.open["b"] == "n1"
    counts = [list(sim.open.values()).count(name) for name in sim.nodes]
    assert max(counts) - min(counts) <= 1
    assert not sim.misplaced
    assert "least busy of 3 nodes" in why(sim, "c")


def test_a_stream_that_fits_nowhere_waits_and_says_why() -> None:
    sim = simulated(fleet_of("a b", b={"needs": {"labels": {"site": "south"}}}))
    sim.run(15)
    assert set(sim.open) == {"a"}
    assert why(sim, "b") == "no node has site: south"
    sim.add(NodeFacts("s1", {"site": "south"}))
    sim.run(10)
    assert sim.open["b"] == "s1"


def test_new_streams_come_only_where_measurements_say_that_they_fit() -> None:
    sim = started(fleet_of("a b c d"), "n1", cost=0.2)
    change(sim, fleet_of("a b c d e"))
    sim.run(15)
    assert "e" not in sim.open
    assert "no room" in why(sim, "e")


def test_streams_of_a_node_that_dies_are_elsewhere_within_its_lease_and_their_start() -> None:
    sim = started(fleet_of("a b c d e f"))
    lost = [stream for stream, node in sim.open.items() if node == "n2"]
    stayed = {stream: node for stream, node in sim.open.items() if node != "n2"}
    sim.kill("n2")
    sim.run(6 + 2 + 2)
    assert set(lost) < set(sim.open)
    assert stayed.items() <= sim.open.items()
    assert not sim.twice


def test_streams_that_lost_their_node_may_fill_others_beyond_what_new_ones_may() -> None:
    sim = started(fleet_of("a b c d e f g h"), "n1 n2", cost=0.12)
    sim.kill("n2")
    sim.run(20)
    assert len(sim.open) == 8, "at 96 %"


def test_streams_that_were_placed_again_are_counted_once() -> None:
    sim = started(fleet_of("a b c d e f"))
    sim.kill("n2")
    sim.run(15)
    assert sim.controller is not None
    assert sum(node.streams for node in sim.controller.status().nodes) == 6
    change(sim, fleet_of("a"))
    sim.run(5)
    assert sum(node.streams for node in sim.controller.status().nodes) == 1


def test_a_node_that_is_cut_off_lets_go_before_others_begin() -> None:
    sim = started(fleet_of("a b c d e f"))
    (first, *_) = [stream for stream, node in sim.open.items() if node == "n2"]
    sim.nodes["n2"].cut = True
    sim.run(4.9)
    assert not list(sim.nodes["n2"].host.open), "it let go by itself"
    assert sim.open.get(first) is None, "and nobody else has begun"
    sim.run(10)
    assert len(sim.open) == 6
    assert not sim.twice
    sim.nodes["n2"].cut = False
    sim.run(10)
    assert len(sim.open) == 6
    assert not sim.twice
    assert not sim.nodes["n2"].exits
    change(sim, fleet_of("a b c d e f g"))
    sim.run(10)
    assert sim.open["g"] == "n2", "it is back, and the least busy"


def test_a_short_cut_costs_nothing() -> None:
    sim = started(fleet_of("a b c d e f"))
    before = sim.open
    sim.nodes["n2"].cut = True
    sim.run(3)
    sim.nodes["n2"].cut = False
    sim.run(10)
    assert sim.open == before
    assert sim.moves == 0


def test_outputs_that_are_not_closed_in_time_end_the_process() -> None:
    sim = started(fleet_of("a b c"))
    node = next(node for node in sim.nodes.values() if list(node.host.open))
    node.host.abandoned = tuple(f"{name} sinks[0] record" for name in node.host.open)
    node.cut = True
    sim.run(7)
    assert node.exits
    after_s = (node.exits[0] - node.sent_ns) / 1e9
    assert after_s < 6


def test_a_controller_that_comes_again_takes_over_and_moves_nothing() -> None:
    sim = started(fleet_of("a b c d e f"))
    before = sim.open
    sim.kill_controller()
    sim.run(2)
    sim.restart_controller()
    assert sim.controller is not None
    assert sim.controller.status().settling
    sim.run(20)
    assert sim.open == before
    assert sim.moves == 0
    assert all(it.state == "running" for it in sim.controller.status().streams)


def test_one_that_comes_again_while_a_node_is_cut_off_gives_nothing_away_too_early() -> None:
    sim = started(fleet_of("a b c d e f"))
    sim.nodes["n2"].cut = True
    sim.run(1)
    sim.restart_controller()
    sim.run(20)
    assert len(sim.open) == 6
    sim.nodes["n2"].cut = False
    sim.run(20)
    assert len(sim.open) == 6
    assert not sim.twice


def test_a_node_that_is_drained_gives_its_streams_away_one_moment_after_the_other() -> None:
    sim = started(fleet_of("a b c d e f"))
    others = {stream: node for stream, node in sim.open.items() if node != "n2"}
    assert sim.controller is not None
    sim.controller.drain("n2")
    away: dict[str, int] = {}
    for _ in range(200):
        sim.run(0.1)
        for stream in sim.fleet.streams.keys() - sim.open.keys():
            away[stream] = away.get(stream, 0) + 1
    assert "n2" not in sim.open.values()
    assert len(sim.open) == 6
    assert others.items() <= sim.open.items()
    assert max(away.values(), default=0) <= 4, "tenths of a second: it was loaded before"
    change(sim, fleet_of("a b c d e f g"))
    sim.run(20)
    assert "n2" not in sim.open.values(), "it stays drained"
    sim.controller.drain("n2", draining=False)
    change(sim, fleet_of("a b c d e f g h"))
    sim.run(20)
    assert sim.open["h"] == "n2"
    with pytest.raises(KeyError):
        sim.controller.drain("n9")


def test_a_drained_node_stays_so_over_a_restart_of_the_controller() -> None:
    sim = started(fleet_of("a b c d e f"))
    assert sim.controller is not None
    sim.controller.drain("n2")
    sim.run(20)
    sim.restart_controller()
    sim.run(20)
    change(sim, fleet_of("a b c d e f g"))
    sim.run(20)
    assert "n2" not in sim.open.values()


def test_a_change_goes_from_node_to_node_and_leaves_others_alone() -> None:
    names = "a b c d e f"
    sim = started(fleet_of(names))
    before = sim.open
    change(sim, fleet_of(names, **dict.fromkeys("abcde", CHANGE)))
    seen: list[set[str]] = []
    for _ in range(150):
        sim.run(0.1)
        seen.append({sim.open[name] for name in "abcde" if threshold(sim, name) == 0.8})
    assert len(seen[-1]) == 3
    firsts = [next(number for number, it in enumerate(seen) if len(it) >= many) for many in (1, 3)]
    assert firsts[1] - firsts[0] >= 20, "the last node began once the others had loaded it"
    assert sim.open == before
    assert threshold(sim, "f") == 0.5


def test_a_change_that_a_node_refuses_goes_no_further() -> None:
    names = "a b c d e f"
    sim = started(fleet_of(names))
    sim.nodes["n1"].host.refuses = tuple(sim.fleet.streams)
    change(sim, fleet_of(names, **dict.fromkeys("abcdef", CHANGE)))
    sim.run(30)
    assert {threshold(sim, name) for name in "abcdef"} == {0.5}
    assert sim.controller is not None
    assert "there is no such file here" in sim.controller.status().halted
    sim.kill("n2")
    sim.run(15)
    assert len(sim.open) == 6
    assert {threshold(sim, name) for name in "abcdef"} == {0.5}, "moved as they ran"
    sim.nodes["n1"].host.refuses = ()
    other = {"refine": {"threshold": 0.7}}
    change(sim, fleet_of(names, **dict.fromkeys("abcdef", other)))
    sim.run(30)
    assert {threshold(sim, name) for name in "abcdef"} == {0.7}


def test_streams_come_and_go_with_the_file() -> None:
    sim = started(fleet_of("a b c"))
    change(sim, fleet_of("b c d"))
    sim.run(10)
    assert set(sim.open) == {"b", "c", "d"}
    assert sim.controller is not None
    assert {it.stream for it in sim.controller.status().streams} == {"b", "c", "d"}


def test_a_stream_that_goes_and_comes_back_at_once_is_never_open_twice() -> None:
    sim = started(fleet_of("a b c d"), "n1 n2")
    for _ in range(10):
        change(sim, fleet_of("b c d"))
        sim.run(0.1)
        change(sim, fleet_of("a b c d"))
        sim.run(0.3)
    sim.run(10)
    assert set(sim.open) == {"a", "b", "c", "d"}
    assert not sim.twice


def test_a_stream_whose_needs_change_moves_where_they_are_met() -> None:
    sim = started(fleet_of("a b c d e f"))
    (one, *_) = [stream for stream, node in sim.open.items() if node != "n1"]
    north = {"needs": {"labels": {"site": "north"}}}
    change(sim, fleet_of("a b c d e f", **{one: north}))
    sim.run(20)
    assert sim.open[one] == "n1"


def test_a_late_node_gives_streams_away_until_it_is_in_time_and_then_rests() -> None:
    sim = started(fleet_of("a b c d e f g h i"), cost=0.15)
    sim.nodes["n1"].host.speed = 0.4  # its three streams now take 1.13 of it
    sim.run(9)
    assert sim.moves == 0, "not at once"
    sim.run(120)
    assert sim.moves == 1
    assert all(node.host.load().busy < 1 for node in sim.nodes.values())
    sim.run(600, 0.5)
    assert sim.moves == 1
    assert "n1 was late" in {it.why for it in sim.controller.status().streams}  # type: ignore[union-attr]


def test_a_late_node_keeps_its_streams_where_no_other_has_room() -> None:
    sim = started(fleet_of("a b c d e f g h"), "n1 n2", cost=0.2)
    sim.nodes["n1"].host.speed = 0.7
    sim.run(300, 0.5)
    assert sim.moves == 0


def test_streams_whose_camera_went_keep_their_room() -> None:
    sim = started(fleet_of("a b c d"), "n1", cost=0.2)
    sim.nodes["n1"].host.away = {"c", "d"}
    sim.run(10)
    change(sim, fleet_of("a b c d e"))
    sim.run(15)
    assert "e" not in sim.open
    assert "no room" in why(sim, "e")


def test_streams_whose_camera_went_keep_their_room_where_they_are_moved() -> None:
    sim = started(fleet_of("a b c d"), "n1", cost=0.2)
    sim.nodes["n1"].host.away = {"c", "d"}
    sim.add(NodeFacts("n2", {}))
    sim.nodes["n2"].host.away = {"c", "d"}
    sim.run(5)
    sim.kill("n1")
    sim.run(30)
    assert len(sim.open) == 4
    change(sim, fleet_of("a b c d e"))
    sim.run(15)
    assert "e" not in sim.open


def test_cameras_that_never_came_keep_no_other_stream_waiting() -> None:
    names = "a b c d e f g h i j k l"
    sim = simulated(fleet_of(names), "n1")
    sim.nodes["n1"].host.away = set(names.split())
    sim.run(30)
    assert len(sim.open) == 12, "guessed to cost 10 % each"


def test_a_late_node_is_not_relieved_of_streams_that_do_nothing() -> None:
    costs = dict.fromkeys(ascii_lowercase, 0.15)
    sim = SimulatedFleet(fleet_of("a b c d e f g h i"), costs)
    for name in ("n1", "n2", "n3"):
        sim.add(NodeFacts(name, {}))
    sim.run(15)
    dearest = min(stream for stream, node in sim.open.items() if node == "n1")
    costs[dearest] = 0.65
    sim.run(15)
    sim.nodes["n1"].host.away = {dearest}
    sim.nodes["n1"].host.speed = 0.25
    sim.run(60)
    assert sim.moves == 1
    assert sim.open[dearest] == "n1"


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_no_stream_is_open_twice_and_all_run_in_the_end(seed: int) -> None:
    fleet = make_fleet(60, seed)
    sim = SimulatedFleet(fleet, make_costs(fleet, seed), seed=seed)
    chance = random.Random(seed)
    for number in range(8):
        sim.add(NodeFacts(f"n{number}", {"site": SITES[number % 4]}))
    gone: list[NodeFacts] = []
    for _ in range(40):
        name = chance.choice(sorted(sim.nodes))
        what = chance.randrange(6)
        if what == 0 and len(sim.nodes) > 5:
            gone.append(sim.kill(name))
        elif what == 1 and gone:
            sim.add(gone.pop())
        elif what in (2, 3):
            sim.nodes[name].cut = not sim.nodes[name].cut
        elif what == 4:
            sim.restart_controller()
        elif sim.controller is not None:
            sim.controller.drain(name, draining=chance.random() < 0.3) if any(
                it.name == name for it in sim.controller.status().nodes
            ) else None
        sim.run(chance.uniform(0.2, 8))
        assert not sim.twice
    for node in sim.nodes.values():
        node.cut = False
    for one in gone:
        sim.add(one)
    sim.run(15)
    assert sim.controller is not None
    for status in sim.controller.status().nodes:
        sim.controller.drain(status.name, draining=False)
    sim.run(60)
    assert set(sim.open) == set(fleet.streams)
    assert not sim.misplaced
    assert not sim.twice
