import os
import signal

import pytest

from streamer.cli.interruption import Interrupted, Interruption


@pytest.fixture
def left():
    return []


@pytest.fixture
def interruption(left):
    return Interruption(left.append)


def test_the_first_signal_stops_a_run_that_then_finishes(interruption, left):
    stops = []
    with interruption.stopping(lambda: stops.append(1)):
        interruption.handle(signal.SIGINT, None)
    assert stops == [1]
    assert interruption.requested
    assert left == []


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_ends_a_command_that_runs_nothing(interruption, signum, code):
    with pytest.raises(Interrupted) as caught:
        interruption.handle(signum, None)
    assert caught.value.exit_code == code


def test_after_a_run_the_first_signal_ends_the_command(interruption):
    with interruption.stopping(lambda: None):
        pass
    with pytest.raises(Interrupted):
        interruption.handle(signal.SIGINT, None)


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_second_signal_leaves_at_once(interruption, left, signum, code):
    with interruption.stopping(lambda: None):
        interruption.handle(signal.SIGINT, None)
        interruption.handle(signum, None)
    assert left == [code]


def test_the_handlers_are_installed_and_put_back(interruption):
    before = signal.getsignal(signal.SIGTERM)
    stops = []
    with interruption, interruption.stopping(lambda: stops.append(1)):
        os.kill(os.getpid(), signal.SIGTERM)
    assert stops == [1]
    assert signal.getsignal(signal.SIGTERM) is before
