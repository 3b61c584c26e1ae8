"""How busy a node is, and what each stream costs it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.fleet_sim import NS, VirtualClock
from streamer.fleet.load import LoadMeter
from streamer.host import Host
from streamer.host.status import HostStatus, StreamStatus
from tests.conftest import MakeModel
from tests.unit.control.metrics.hosting import LIVE, make_box, running
from tests.waiting import wait_for


class Cpu:
    """CPU seconds of the process, as told."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_streams_share_what_the_process_takes_by_their_use_of_the_model(
    make_model: MakeModel,
) -> None:
    clock, cpu = VirtualClock(), Cpu()
    host = Host(make_box(str(make_model(size=32)), {"door": LIVE, "hall": LIVE}))
    meter = LoadMeter(host, clock, cpu, cores=2)
    with running(host):
        wait_for(lambda: all(host.metrics(name).frames()["emitted"] > 5 for name in host.names))
        clock.ns += 6 * NS
        assert meter.read().streams == {}, "they have not run for a whole span"
        clock.ns += 10 * NS
        cpu.seconds += 10  # half of two cores
        captured = host.captured
        wait_for(lambda: host.captured > captured + 20)
        load = meter.read()
    assert load.busy == pytest.approx(0.5)
    assert load.streams.keys() == {"door", "hall"}
    assert sum(one.busy for one in load.streams.values()) == pytest.approx(0.5, abs=0.01)
    assert all(one.busy > 0.05 for one in load.streams.values())


def test_a_span_that_is_short_keeps_the_figures_of_the_one_before(make_model: MakeModel) -> None:
    clock, cpu = VirtualClock(), Cpu()
    host = Host(make_box(str(make_model(size=32)), {"door": LIVE}))
    meter = LoadMeter(host, clock, cpu, cores=1)
    clock.ns += 5 * NS
    cpu.seconds = 2.5
    assert meter.read().busy == pytest.approx(0.5)
    clock.ns += 4 * NS
    cpu.seconds = 9
    assert meter.read().busy == pytest.approx(0.5)


def test_frames_that_were_lost_for_want_of_time_are_late(make_model: MakeModel) -> None:
    clock = VirtualClock()
    host = Host(make_box(str(make_model(size=32)), {"door": LIVE}))
    meter = LoadMeter(host, clock, Cpu(), cores=1)
    with running(host):
        clock.ns += 6 * NS
        meter.read()
        frames = host.metrics("door").frames()["captured"]
        wait_for(lambda: host.metrics("door").frames()["captured"] >= frames + 10)
        for _ in range(5):
            host.metrics("door").drop("overwritten")
        clock.ns += 6 * NS
        late = meter.read().streams["door"].late
    assert 0 < late <= 0.5


class FlakyHost(Host):
    """A host that says of some streams that their camera is away."""

    away: frozenset[str] = frozenset()

    def status(self) -> HostStatus:
        found = super().status()
        return replace(found, streams=tuple(self._said(stream) for stream in found.streams))

    def _said(self, stream: StreamStatus) -> StreamStatus:
        if stream.name not in self.away or stream.status is None:
            return stream
        counts = stream.status.counts
        counts = replace(counts, source=replace(counts.source, state="reconnecting"))
        return replace(stream, status=replace(stream.status, counts=counts))


def test_one_that_is_away_for_a_while_is_not_measured_to_be_cheap(make_model: MakeModel) -> None:
    clock = VirtualClock()
    host = FlakyHost(make_box(str(make_model(size=32)), {"door": LIVE, "hall": LIVE}))
    meter = LoadMeter(host, clock, Cpu(), cores=1)

    def measured() -> set[str]:
        """The streams that were measured in a further span; those that cannot be are away."""
        clock.ns += 6 * NS
        load = meter.read()
        assert load.away == {name for name in host.names if is_away(name)}
        return set(load.streams)

    def is_away(name: str) -> bool:
        stream = host.stream(name)
        return name in host.away or (stream is not None and stream.paused)

    with running(host):
        wait_for(lambda: all(host.metrics(name).frames()["emitted"] for name in host.names))
        measured()
        assert measured() == {"door", "hall"}
        host.away = frozenset({"door"})
        assert measured() == {"hall"}
        assert measured() == {"hall"}
        host.away = frozenset()
        assert measured() == {"hall"}, "it was not there all the time"
        assert measured() == {"door", "hall"}
        door = host.stream("door")
        assert door is not None
        door.pause()
        assert measured() == {"hall"}
        door.resume()
        measured()
        assert measured() == {"door", "hall"}
