"""How busy a node is, and what each stream costs it."""

from __future__ import annotations

import pytest

from benchmarks.fleet_sim import NS, VirtualClock
from streamer.fleet.load import LoadMeter
from streamer.host import Host
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
