"""
A fleet on paper: the real controller and the real workers' rules, over simulated nodes and a
virtual clock.

`python -m benchmarks.fleet_sim` simulates 1,000 and 10,000 streams with failures by a seed, and
prints what came of them and what the controller took. Hosts, networks and time are simulated; which
worker has which stream, leases and orders are the program's own.
"""

from __future__ import annotations

import argparse
import random
import sys
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from streamer.config import Config
from streamer.config.fleet import Fleet, parse_fleet
from streamer.fleet.controller import Controller
from streamer.fleet.load import Load, StreamLoad
from streamer.fleet.messages import NodeFacts, Orders
from streamer.fleet.placement import fits
from streamer.fleet.worker import Worker
from streamer.host import KeptState

NS = 1_000_000_000
LOAD_S = 2.0
"""That a stream takes until its model is warm."""
END_S = 0.2
"""That it takes to close its outputs."""
MEASURE_S = 5.0
SITES = ("north", "south", "east", "west")


class VirtualClock:
    """Time that moves only when it is moved, or by waiting."""

    def __init__(self) -> None:
        self.ns = NS

    def now_ns(self) -> int:
        """Nanoseconds."""
        return self.ns

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Let the time pass at once."""
        self.ns += int(timeout_s * NS)
        return event.is_set()


@dataclass(slots=True)
class _Simulated:
    """A stream of a simulated host."""

    config: Config
    begins: bool
    ready_ns: int
    ran_ns: int | None = None
    """Since when its outputs are open."""
    next: Config | None = None
    """What it changes to when that is loaded."""
    refusal: str = ""


class SimulatedHost:
    """
    A host whose streams take time to load and to end, and cost what they are said to.

    Args:
        clock: the time.
        costs: of each stream, on a node of speed 1.
        speed: of this node.
        refuses: names of streams that cannot be changed here.
        load_s: seconds until a stream is loaded.
        end_s: seconds until its outputs are closed.
    """

    def __init__(
        self,
        clock: VirtualClock,
        costs: Mapping[str, float],
        speed: float = 1.0,
        refuses: Collection[str] = (),
        load_s: float = LOAD_S,
        end_s: float = END_S,
    ) -> None:
        self.load_s, self.end_s = load_s, end_s
        self.speed = speed
        self.refuses = refuses
        self.away: Collection[str] = ()
        """Streams whose camera is not there: they cost nothing."""
        self._clock = clock
        self._costs = costs
        self._streams: dict[str, _Simulated] = {}
        self._ending: dict[str, int] = {}
        self.abandoned: tuple[str, ...] = ()
        self.failures: dict[str, BaseException] = {}

    @property
    def names(self) -> Collection[str]:
        """The streams that it is to have."""
        return self._streams.keys()

    @property
    def leaving(self) -> Collection[str]:
        """The streams that still end."""
        return [name for name, gone_ns in self._ending.items() if gone_ns > self._clock.ns]

    @property
    def open(self) -> Iterator[str]:
        """The streams whose outputs are open."""
        yield from self.leaving
        yield from (name for name, it in self._streams.items() if it.ran_ns is not None)

    def state(self, name: str) -> KeptState:
        """As of a host."""
        return "running" if self._streams[name].ran_ns is not None else "starting"

    def is_prepared(self, name: str) -> bool:
        """As of a host."""
        stream = self._streams[name]
        return not stream.begins and stream.ready_ns <= self._clock.ns

    def taken(self, name: str) -> Config | None:
        """As of a host."""
        stream = self._streams[name]
        return stream.config if stream.ran_ns is not None else None

    def refusal(self, name: str) -> str:
        """As of a host."""
        return self._streams[name].refusal

    def begin(self, name: str) -> None:
        """As of a host."""
        self._streams[name].begins = True

    def have(
        self, streams: Mapping[str, Config], prepared: Collection[str], *, at_once: bool
    ) -> None:
        """As of a host."""
        now_ns = self._clock.ns
        for name in [name for name in self._streams if name not in streams]:
            if self._streams.pop(name).ran_ns is not None:
                self._ending[name] = now_ns + int((0 if at_once else self.end_s) * NS)
        ready_ns = now_ns + int(self.load_s / self.speed * NS)
        for name, config in streams.items():
            here = self._streams.get(name)
            if here is None:
                self._streams[name] = _Simulated(config, name not in prepared, ready_ns)
            elif config not in (here.config, here.next):
                here.next, here.ready_ns, here.refusal = config, ready_ns, ""

    def step(self) -> None:
        """Go on to the present time."""
        now_ns = self._clock.ns
        for name, stream in self._streams.items():
            if stream.ready_ns > now_ns:
                continue
            if stream.next is not None:
                if name in self.refuses:
                    stream.refusal = "there is no such file here"
                else:
                    stream.config = stream.next
                stream.next = None
            if stream.begins and stream.ran_ns is None and name not in self.leaving:
                stream.ran_ns = now_ns

    def load(self) -> Load:
        """What its streams cost."""
        long_ago_ns = self._clock.ns - int(MEASURE_S * NS)
        measured = [
            name
            for name, it in self._streams.items()
            if it.ran_ns is not None and it.ran_ns <= long_ago_ns
        ]
        away = frozenset(name for name in measured if name in self.away)
        costs = {name: self._costs[name] / self.speed for name in measured if name not in away}
        whole = sum(costs.values())
        late = max(0.0, 1 - 1 / whole) if whole > 0 else 0.0
        streams = {name: StreamLoad(it, late) for name, it in costs.items()}
        return Load(min(1.0, whole), streams, away)


@dataclass
class SimulatedNode:
    """A node, the worker on it, and the way between it and the controller."""

    facts: NodeFacts
    host: SimulatedHost
    worker: Worker
    sent_ns: int = 0
    cut: bool = False
    """Whether no message passes."""
    exits: list[int] = field(default_factory=list)
    """When the worker ended its process because outputs were not closed in time."""


class SimulatedFleet:
    """
    A controller, and nodes that come, go, are cut off and become slow.

    Args:
        fleet: what is wanted.
        costs: of each stream, on a node of speed 1.
        lag_s: that a message takes; several overtake each other.
        seed: of noise and lag.

    Attributes:
        moves: changes of a stream's node so far.
        tick_s: CPU seconds of each tick of the controller, reports not included.
        hear_s: CPU seconds of all reports.
        twice: streams that were seen open at two workers, with the time.
    """

    def __init__(
        self, fleet: Fleet, costs: Mapping[str, float], *, lag_s: float = 0.02, seed: int = 0
    ) -> None:
        self.clock = VirtualClock()
        self.fleet = fleet
        self.costs = costs
        self.nodes: dict[str, SimulatedNode] = {}
        self.moves = 0
        self.tick_s: list[float] = []
        self.hear_s = 0.0
        self.twice: list[tuple[float, str]] = []
        self._lag_s = lag_s
        self._random = random.Random(seed)
        self._mail: list[tuple[int, SimulatedNode, Orders, int | None]] = []
        self._born = 0
        self._where: dict[str, str] = {}
        self._generation = 1
        self.controller: Controller | None = self._make_controller(again=False)

    def _make_controller(self, *, again: bool) -> Controller:
        self._generation += 1_000_000
        return Controller(self.fleet, again=again, clock=self.clock, began_us=self._generation)

    def add(self, facts: NodeFacts, speed: float = 1.0) -> SimulatedNode:
        """Bring a node in, or back as a new one."""
        self._born += 1
        host = SimulatedHost(self.clock, self.costs, speed)
        exits: list[int] = []
        worker = Worker(
            f"{facts.name}#{self._born}",
            facts,
            host,
            host.load,
            clock=self.clock,
            leave=lambda: exits.append(self.clock.ns),
        )
        node = self.nodes[facts.name] = SimulatedNode(facts, host, worker, exits=exits)
        return node

    def kill(self, name: str) -> NodeFacts:
        """Take a node away with all that runs there."""
        return self.nodes.pop(name).facts

    def kill_controller(self) -> None:
        """Take the controller away."""
        self.controller = None

    def restart_controller(self) -> None:
        """Have another controller, which knows the file alone."""
        self.controller = self._make_controller(again=True)

    def run(self, seconds: float, step_s: float = 0.1) -> None:
        """Let time pass."""
        for _ in range(round(seconds / step_s)):
            self.clock.ns += int(step_s * NS)
            self._step()

    def _step(self) -> None:
        now_ns = self.clock.ns
        due = [it for it in self._mail if it[0] <= now_ns]
        self._mail = [it for it in self._mail if it[0] > now_ns]
        self._random.shuffle(due)
        for _, node, orders, sent_ns in due:
            if not node.cut and self.nodes.get(node.facts.name) is node:
                node.worker.obey(orders, sent_ns)
        for node in self.nodes.values():
            node.host.step()
            news = node.worker.tend()
            if news or now_ns - node.sent_ns >= node.worker.renew_s * NS:
                self._report(node)
        if self.controller is not None:
            began_s = time.thread_time()
            touched = self.controller.tick()
            self.tick_s.append(time.thread_time() - began_s)
            for node in [it for it in self.nodes.values() if it.worker.name in touched]:
                pushed = self.controller.orders_of(node.worker.name)
                if pushed is not None and not node.cut:
                    self._post(node, pushed, None)
        self._look()

    def _report(self, node: SimulatedNode) -> None:
        node.sent_ns = self.clock.ns
        report = node.worker.report()
        if node.cut or self.controller is None:
            return
        began_s = time.thread_time()
        orders = self.controller.hear(report)
        self.hear_s += time.thread_time() - began_s
        self._post(node, orders, node.sent_ns)

    def _post(self, node: SimulatedNode, orders: Orders, sent_ns: int | None) -> None:
        lag_s = self._lag_s * self._random.uniform(0.5, 4)
        self._mail.append((self.clock.ns + int(lag_s * NS), node, orders, sent_ns))

    def _look(self) -> None:
        """See who has what."""
        seen: dict[str, str] = {}
        for name, node in self.nodes.items():
            for stream in node.host.open:
                if stream in seen:
                    self.twice.append((self.clock.ns / NS, stream))
                seen[stream] = name
                before = self._where.get(stream)
                if before != name:
                    self.moves += before is not None
                    self._where[stream] = name

    @property
    def open(self) -> dict[str, str]:
        """The node of each stream whose outputs are open."""
        return {stream: name for name, node in self.nodes.items() for stream in node.host.open}

    @property
    def misplaced(self) -> list[str]:
        """Streams on nodes that do not have what they need."""
        return [
            stream
            for stream, name in self.open.items()
            if not fits(self.fleet.streams[stream].needs, self.nodes[name].facts)
        ]


def make_fleet(count: int, seed: int = 0, **rules: float) -> Fleet:
    """So many streams, half of which need one of four sites."""
    chance = random.Random(seed)
    streams = {}
    for number in range(count):
        site = {"labels": {"site": chance.choice(SITES)}} if chance.random() < 0.5 else {}
        streams[f"s{number:05}"] = {"needs": site}
    defaults = {
        "source": {"type": "synthetic"},
        "model": {"name": "isnet"},
        "sinks": [{"type": "discard"}],
    }
    return parse_fleet({"defaults": defaults, "streams": streams, "fleet": rules})


def make_costs(fleet: Fleet, seed: int = 0) -> dict[str, float]:
    """What each stream costs on a node of speed 1: 1 to 5 % of it."""
    chance = random.Random(seed + 1)
    return {name: chance.uniform(0.01, 0.05) for name in fleet.streams}


def simulate(streams: int, nodes: int, seed: int, minutes: float) -> list[str]:
    """
    Run a fleet through failures; print what came of it.

    Returns:
        What went wrong.
    """
    fleet = make_fleet(streams, seed)
    sim = SimulatedFleet(fleet, make_costs(fleet, seed), seed=seed)
    chance = random.Random(seed + 2)
    facts = [NodeFacts(f"n{number:03}", {"site": SITES[number % 4]}) for number in range(nodes)]
    for one in facts:
        sim.add(one, chance.choice((0.8, 1.0, 1.5)))
    print(f"\n{streams} streams on {nodes} nodes, seed {seed}")
    sim.run(30, 0.5)
    first_s = max(sim.tick_s)
    print(f"  placed after 30 s: {len(sim.open)}; the tick that placed them took {first_s:.2f} s")
    gone: list[tuple[float, NodeFacts]] = []
    until_s, now_s = minutes * 60, 0.0
    while now_s < until_s:
        for back_s, one in [it for it in gone if it[0] <= now_s]:
            gone.remove((back_s, one))
            sim.add(one)
        what = chance.random()
        name = chance.choice(list(sim.nodes))
        if what < 0.5:
            gone.append((now_s + chance.uniform(20, 120), sim.kill(name)))
        elif what < 0.8:
            sim.nodes[name].cut = not sim.nodes[name].cut
        elif what < 0.9:
            sim.nodes[name].host.speed *= chance.choice((0.7, 1.3))
        else:
            sim.restart_controller()
        sim.run(10, 0.5)
        now_s += 10
    for node in sim.nodes.values():
        node.cut = False
    for _, one in gone:
        sim.add(one)
    sim.run(300, 0.5)
    before = sim.moves
    seconds = sim.hear_s
    sim.run(120, 0.5)
    late = max(node.host.load().busy for node in sim.nodes.values())
    hearing = (sim.hear_s - seconds) / 120
    ticking = max(sim.tick_s)
    print(f"  moves in all {sim.moves}, in the last 2 quiet minutes {sim.moves - before}")
    print(
        f"  busiest node {late:.0%}; longest tick {ticking:.2f} s; reports {hearing:.2f} s a second"
    )
    wrong = []
    if sim.twice:
        wrong.append(f"{len(sim.twice)} times a stream was open twice, first {sim.twice[0]}")
    if missing := [name for name in fleet.streams if name not in sim.open]:
        wrong.append(f"{len(missing)} streams are nowhere, such as {missing[0]}")
    if sim.misplaced:
        wrong.append(f"{len(sim.misplaced)} streams are where they must not be")
    if sim.moves != before:
        wrong.append(f"{sim.moves - before} streams moved while nothing happened")
    if ticking > 1:
        wrong.append(f"a tick took {ticking:.2f} s")
    return wrong


def main(arguments: list[str] | None = None) -> int:
    """Simulate both sizes; 1 if anything went wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=5.0, help="of failures")
    options = parser.parse_args(arguments)
    wrong = [
        *simulate(1_000, 50, options.seed, options.minutes),
        *simulate(10_000, 500, options.seed, options.minutes),
    ]
    for text in wrong:
        print(f"wrong: {text}")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
