"""Who runs next on a device: whoever is due first, and nobody is left out."""

from __future__ import annotations

import threading

import pytest

from streamer.core.cpu import giving_way
from streamer.core.metrics import LatencyHistogram
from streamer.models.runtime.turns import Turns, User, turns_on
from tests.fakes import FakeClock
from tests.waiting import wait_for


def with_budget(budget_s: float) -> User:
    return User(budget_s=lambda: budget_s)


class Queue:
    """Users who wait for a turn, each in a thread of its own, behind one that is under way."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.turns = Turns(clock)
        self.served: list[str] = []
        self._threads: list[threading.Thread] = []

    def ask(self, name: str, user: User) -> None:
        """Have *user* ask for a turn, and return once it waits."""

        def run() -> None:
            with self.turns.turn(user):
                self.served.append(name)

        waiting = self.turns.waiting
        thread = threading.Thread(target=run)
        thread.start()
        self._threads.append(thread)
        wait_for(lambda: self.turns.waiting > waiting)

    def join(self) -> None:
        for thread in self._threads:
            thread.join(10)


@pytest.fixture
def queue() -> Queue:
    return Queue(FakeClock())


def test_equals_are_served_in_the_order_they_came(queue: Queue) -> None:
    with queue.turns.turn(User()):
        for name in "abcd":
            queue.ask(name, with_budget(0.1))
            queue.clock.pass_s(0.01)
    queue.join()
    assert queue.served == list("abcd")


def test_whoever_is_due_first_goes_first(queue: Queue) -> None:
    with queue.turns.turn(User()):
        queue.ask("in a second", with_budget(1.0))
        queue.ask("in half a second", with_budget(0.5))
        queue.ask("at once", with_budget(0.03))
    queue.join()
    assert queue.served == ["at once", "in half a second", "in a second"]


def test_one_that_can_wait_is_not_left_out_by_one_that_asks_often(queue: Queue) -> None:
    patient, hasty = with_budget(0.2), with_budget(0.03)
    with queue.turns.turn(User()):
        queue.ask("patient", patient)
        queue.ask("hasty 1", hasty)
        queue.clock.pass_s(0.1)
        queue.ask("hasty 2", hasty)
        queue.clock.pass_s(0.1)
        queue.ask("hasty 3", hasty)
    queue.join()
    assert queue.served == ["hasty 1", "hasty 2", "patient", "hasty 3"]


def test_each_run_and_wait_is_counted_for_its_user(queue: Queue) -> None:
    waits = LatencyHistogram(), LatencyHistogram()
    first, second = map(User, waits)
    with queue.turns.turn(first):
        queue.ask("second", second)
        queue.clock.pass_s(0.25)
    queue.join()
    assert (first.use().runs, first.use().busy_s) == (1, 0.25)
    assert waits[0].quantile_ms(0.5) == pytest.approx(0.001, abs=0.001)
    assert (second.use().runs, second.use().busy_s) == (1, 0)
    assert waits[1].quantile_ms(0.5) == pytest.approx(250, rel=0.02)


def test_a_run_that_fails_passes_the_turn_on(queue: Queue) -> None:
    def fail() -> None:
        with queue.turns.turn(User()):
            queue.ask("next", User())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    queue.join()
    assert queue.served == ["next"]


def test_one_device_has_its_turns_for_each_priority() -> None:
    turns = turns_on("cpu", 0)
    assert turns_on("cpu", 0) is turns
    assert turns_on("cuda", 0) is not turns
    if giving_way(lambda: turns_on("cpu", 0)) is turns:
        pytest.skip("this system has no thread priorities")
