"""Which node gets a stream."""

from __future__ import annotations

import pytest

from streamer.config.needs import NeedsConfig
from streamer.fleet.messages import NodeFacts
from streamer.fleet.placement import FIRST_GUESS, Costs, Room, Rooms, fits

NORTH = NeedsConfig(labels={"site": "north"})
ANY = NeedsConfig()


def rooms(full: float = 0.85, **loads: float) -> Rooms:
    """Nodes by name; those that begin with n are in the north."""
    return Rooms(
        [
            Room(
                name,
                NodeFacts(name, {"site": "north"} if name[0] == "n" else {}),
                load,
                streams=load > 0.02,
            )
            for name, load in loads.items()
        ],
        full,
    )


@pytest.mark.parametrize(
    ("needs", "labels", "gpu", "suits"),
    [
        (ANY, {}, False, True),
        (NORTH, {"site": "north", "rack": "3"}, False, True),
        (NORTH, {"site": "south"}, False, False),
        (NORTH, {}, False, False),
        (NeedsConfig(gpu=True), {}, True, True),
        (NeedsConfig(gpu=True), {}, False, False),
    ],
)
def test_a_node_must_have_all_that_a_stream_needs(
    needs: NeedsConfig, labels: dict[str, str], gpu: bool, suits: bool
) -> None:
    assert fits(needs, NodeFacts("node", labels, gpu)) is suits


def test_streams_go_to_the_least_busy_node_that_has_what_they_need() -> None:
    there = rooms(n1=0.5, n2=0.3, s1=0.1)
    assert there.place(ANY, 0.1) == "s1"
    assert there.place(NORTH, 0.1) == "n2"
    assert there.place(ANY, 0.1) == "s1", "at 20 % it is still the least busy"
    assert [there.place(ANY, 0.2) for _ in range(4)] == ["s1", "n2", "n1", "s1"]


def test_what_one_kind_of_needs_takes_counts_for_all_others() -> None:
    there = rooms(n1=0.0)
    assert there.place(NORTH, 0.5) == "n1"
    assert there.place(ANY, 0.5) is None
    assert there.place(ANY, 0.3) == "n1"


def test_a_node_that_is_full_gets_nothing_and_an_empty_one_any_stream() -> None:
    assert rooms(n1=0.8).place(ANY, 0.1) is None
    assert rooms(n1=0.01).place(ANY, 0.95) == "n1", "its own work is no stream"


def test_some_nodes_may_not_have_it() -> None:
    there = rooms(n1=0.1, n2=0.2)
    assert there.place(ANY, 0.1, lambda worker: worker != "n1") == "n2"
    assert there.place(ANY, 0.1) == "n1", "it was only passed by"


def test_one_that_may_not_go_where_there_is_room_does_not_keep_others_from_it() -> None:
    there = rooms(n1=0.1, n2=0.8)
    assert there.place(ANY, 0.2, lambda worker: worker != "n1") is None
    assert there.place(ANY, 0.2) == "n1"


@pytest.mark.parametrize(
    ("there", "needs", "why"),
    [
        (rooms(), ANY, "no node is there"),
        (rooms(s1=0.1), NORTH, "no node has site: north"),
        (rooms(s1=0.1), NeedsConfig(gpu=True), "no node has a GPU"),
        (rooms(n1=0.8, n2=0.84, s1=0.1), NORTH, "no room: the least busy of 2 nodes is at 80%"),
    ],
)
def test_it_says_why_a_stream_fits_nowhere(there: Rooms, needs: NeedsConfig, why: str) -> None:
    assert there.place(needs, 0.2) is None
    assert there.why_not(needs) == why


def test_costs_are_guessed_from_those_that_were_measured() -> None:
    costs = Costs()
    assert costs.of("door", 1.0) == FIRST_GUESS
    assert costs.of("door", 2.0) == 2 * FIRST_GUESS
    for name, cost in (("hall", 0.04), ("yard", 0.06), ("gate", 0.3)):
        costs.measured(name, 1.0 if name != "gate" else 5.0, cost)
    assert costs.of("hall", 1.0) == 0.04
    assert costs.of("door", 1.0) == pytest.approx(0.06), "the median"
    assert costs.of("door", 2.0) == pytest.approx(0.12)
    costs.forget("hall")
    assert costs.of("hall", 1.0) == pytest.approx(0.06)


def test_one_strange_measurement_changes_a_cost_by_little() -> None:
    costs = Costs()
    costs.measured("door", 1.0, 0.1)
    costs.measured("door", 1.0, 0.9)
    assert 0.1 < costs.of("door", 1.0) < 0.5
