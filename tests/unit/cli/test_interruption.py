import os
import signal
import sys

import pytest

from streamer.cli.interruption import Interrupted, Interruption
from tests.fakes import FakeClock

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals as POSIX has them")

each = pytest.mark.parametrize(
    ("signum", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (getattr(signal, "SIGHUP", 1), 129)],
)


@pytest.fixture
def left():
    return []


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def interruption(left, clock):
    return Interruption(left.append, clock)


def test_the_first_signal_stops_a_run_that_then_finishes(interruption, left):
    stops = []
    with interruption.stopping(lambda: stops.append(1)):
        interruption.handle(signal.SIGINT, None)
    assert stops == [1]
    assert interruption.requested
    assert left == []


@each
def test_the_first_signal_ends_a_command_that_runs_nothing(interruption, signum, code):
    with pytest.raises(Interrupted) as caught:
        interruption.handle(signum, None)
    assert caught.value.exit_code == code


def test_after_a_run_the_first_signal_ends_the_command(interruption):
    with interruption.stopping(lambda: None):
        pass
    with pytest.raises(Interrupted):
        interruption.handle(signal.SIGINT, None)


@each
def test_the_second_signal_leaves_at_once(interruption, left, clock, signum, code):
    with interruption.stopping(lambda: None):
        interruption.handle(signal.SIGINT, None)
        clock.pass_s(0.2)
        interruption.handle(signum, None)
    assert left == [code]


@pytest.mark.parametrize("second", [signal.SIGTERM, getattr(signal, "SIGHUP", 1)])
def test_two_signals_within_a_fifth_of_a_second_are_one(interruption, left, clock, second):
    stops = []
    with interruption.stopping(lambda: stops.append(1)):
        interruption.handle(signal.SIGTERM, None)
        clock.pass_s(0.19)
        interruption.handle(second, None)
    assert stops == [1]
    assert left == []


def test_two_quick_signals_end_a_command_that_runs_nothing_in_order(interruption, left, clock):
    with pytest.raises(Interrupted):
        interruption.handle(signal.SIGTERM, None)
    clock.pass_s(0.1)
    interruption.handle(signal.SIGTERM, None)  # while temporary files are removed
    assert left == []
    clock.pass_s(0.1)
    interruption.handle(signal.SIGTERM, None)
    assert left == [143]


@each
def test_the_handlers_are_installed_and_put_back(interruption, signum, code):
    before = signal.getsignal(signum)
    stops = []
    with interruption, interruption.stopping(lambda: stops.append(1)):
        os.kill(os.getpid(), signum)
    assert stops == [1]
    assert signal.getsignal(signum) is before


@each
def test_a_signal_that_was_ignored_stays_ignored(interruption, signum, code):
    before = signal.signal(signum, signal.SIG_IGN)
    try:
        with interruption:
            os.kill(os.getpid(), signum)
            assert not interruption.requested
        assert signal.getsignal(signum) is signal.SIG_IGN
    finally:
        signal.signal(signum, before)
