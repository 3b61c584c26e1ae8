"""How long a worker may keep its streams."""

from __future__ import annotations

from benchmarks.fleet_sim import NS, VirtualClock
from streamer.fleet.controller import SAFETY_S
from streamer.fleet.lease import EARLY_S, Lease


def test_there_is_none_before_the_first_answer() -> None:
    assert Lease(VirtualClock()).must_let_go


def test_it_lasts_from_when_the_report_was_sent() -> None:
    clock = VirtualClock()
    lease = Lease(clock)
    sent_ns = clock.ns
    clock.ns += 3 * NS  # until the answer came
    lease.renew(sent_ns, 5.0)
    assert not lease.must_let_go
    clock.ns = sent_ns + int((5 - EARLY_S) * NS)
    assert lease.must_let_go
    assert not lease.is_over
    clock.ns = sent_ns + int((5 + EARLY_S) * NS)
    assert lease.is_over


def test_an_answer_that_was_overtaken_does_not_shorten_it() -> None:
    clock = VirtualClock()
    lease = Lease(clock)
    lease.renew(clock.ns, 5.0)
    lease.renew(clock.ns - 4 * NS, 5.0)
    clock.ns += 2 * NS
    assert not lease.must_let_go


def test_the_process_is_gone_before_the_controller_gives_its_streams_away() -> None:
    assert EARLY_S < SAFETY_S
