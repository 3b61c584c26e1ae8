"""A worker does as it is ordered, and says what came of it."""

from __future__ import annotations

import pytest

from benchmarks.fleet_sim import NS, SimulatedHost, VirtualClock
from streamer.config import Config
from streamer.fleet.book import digest_of
from streamer.fleet.messages import NodeFacts, Order, Orders
from streamer.fleet.worker import Worker
from tests.unit.fleet.test_controller import fleet_of

DOOR = fleet_of("door").streams["door"]
DIGEST = digest_of(DOOR)


class Ordered:
    """A worker, and orders to it."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.host = SimulatedHost(self.clock, {"door": 0.1})
        self.left: list[int] = []
        self.worker = Worker(
            "w1",
            NodeFacts("n1"),
            self.host,
            self.host.load,
            clock=self.clock,
            leave=lambda: self.left.append(self.clock.ns),
        )

    def order(
        self,
        *orders: Order,
        number: int = 1,
        controller: int = 1,
        configs: dict[str, Config] | None = None,
        answers: bool = True,
    ) -> None:
        given = {DIGEST: DOOR} if configs is None else configs
        message = Orders(controller, number, orders, given)
        self.worker.obey(message, self.clock.ns if answers else None)

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds * 10)):
            self.clock.ns += NS // 10
            self.host.step()
            self.worker.tend()

    @property
    def states(self) -> dict[str, str]:
        return {hold.stream: hold.state for hold in self.worker.report().holds}


def begin(epoch: int = 1, digest: str = DIGEST) -> Order:
    return Order("door", epoch, digest, begins=True)


def prepare(epoch: int = 1) -> Order:
    return Order("door", epoch, DIGEST, begins=False)


def test_a_stream_is_loaded_and_runs() -> None:
    it = Ordered()
    it.order(begin())
    assert it.states == {"door": "loading"}
    it.run(3)
    assert it.states == {"door": "running"}
    report = it.worker.report()
    assert report.seen == (1, 1)
    assert (report.holds[0].epoch, report.holds[0].digest, report.holds[0].begun) == (
        1,
        DIGEST,
        True,
    )


def test_one_that_is_prepared_opens_nothing_until_it_may() -> None:
    it = Ordered()
    it.order(prepare())
    it.run(3)
    assert it.states == {"door": "prepared"}
    assert not list(it.host.open)
    it.order(begin(), number=2)
    it.run(0.2)
    assert it.states == {"door": "running"}


def test_one_that_it_is_no_longer_to_have_is_told_of_until_its_outputs_are_closed() -> None:
    it = Ordered()
    it.order(begin())
    it.run(3)
    it.order(number=2)
    assert "door" in it.states
    it.run(0.5)
    assert it.states == {}
    assert it.worker.report().seen == (1, 2)


def test_orders_that_were_overtaken_are_passed_by() -> None:
    it = Ordered()
    it.order(begin(), number=5)
    it.order(number=4)
    it.order(controller=0, number=9)
    it.run(3)
    assert it.states == {"door": "running"}
    it.order(controller=2, number=1)
    it.run(1)
    assert it.states == {}, "a later controller counts from one again"


def test_orders_that_came_unasked_do_not_renew_the_lease() -> None:
    it = Ordered()
    it.order(begin())
    it.run(3)
    it.order(begin(), number=2, answers=False)
    it.run(2)
    assert it.states == {}


def test_it_lets_go_when_nobody_answers_and_begins_again_when_somebody_does() -> None:
    it = Ordered()
    it.order(begin())
    it.run(4.4)
    assert it.states == {"door": "running"}
    it.run(0.2)
    assert not list(it.host.open)
    it.run(5)
    assert it.states == {}
    assert not it.left
    it.order(begin(), number=2)
    it.run(3)
    assert it.states == {"door": "running"}


def test_old_orders_do_not_begin_anything_once_the_lease_is_over() -> None:
    it = Ordered()
    it.order(begin())
    it.run(6)
    it.order(begin(), number=2, answers=False)
    it.run(3)
    assert not list(it.host.open)


def test_one_that_it_had_and_is_only_to_prepare_is_let_go_first() -> None:
    it = Ordered()
    it.order(begin())
    it.run(3)
    it.order(prepare(epoch=7), number=2)
    it.run(0.1)
    assert [hold.epoch for hold in it.worker.report().holds] == [1]
    it.run(0.5)
    it.order(prepare(epoch=7), number=3)
    it.run(3)
    assert it.states == {"door": "prepared"}
    assert [hold.epoch for hold in it.worker.report().holds] == [7]


def test_another_configuration_is_told_of_once_it_runs() -> None:
    other = DOOR.model_copy(update={"refine": DOOR.refine.model_copy(update={"threshold": 0.9})})
    digest = digest_of(other)
    it = Ordered()
    it.order(begin())
    it.run(3)
    it.order(begin(digest=digest), number=2, configs={digest: other})
    it.run(0.5)
    assert it.worker.report().holds[0].digest == DIGEST
    it.order(begin(digest=digest), number=3, configs={})
    it.run(2)
    assert it.worker.report().holds[0].digest == digest


def test_one_that_cannot_be_had_is_refused_with_the_reason() -> None:
    other = DOOR.model_copy(update={"refine": DOOR.refine.model_copy(update={"threshold": 0.9})})
    digest = digest_of(other)
    it = Ordered()
    it.host.refuses = ("door",)
    it.order(begin())
    it.run(3)
    it.order(begin(digest=digest), number=2, configs={digest: other})
    it.run(1)
    it.order(begin(digest=digest), number=3, configs={})
    it.run(2)
    (hold,) = it.worker.report().holds
    assert (hold.digest, hold.refused) == (DIGEST, digest)
    assert hold.why == "there is no such file here"
    assert hold.state == "running"


def test_one_whose_source_has_ended_is_at_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    it = Ordered()
    it.order(begin())
    it.run(3)
    monkeypatch.setattr(it.host, "state", lambda name: "ended")
    assert it.states == {"door": "stopped"}, "which another node could not mend"


def test_there_is_news_when_a_stream_has_come_further() -> None:
    it = Ordered()
    it.order(prepare())
    it.worker.report()
    assert not it.worker.tend()
    it.run(3)
    assert it.worker.tend()
    it.worker.report()
    assert not it.worker.tend()


def test_a_password_that_differs_is_another_configuration() -> None:
    def secret(password: str) -> Config:
        sink = {"type": "rtsp", "publish": f"rtsp://user:{password}@server/door"}
        return fleet_of("door", door={"sinks": [sink]}).streams["door"]

    assert digest_of(secret("one")) != digest_of(secret("two"))
    assert digest_of(secret("one")) == digest_of(secret("one"))
