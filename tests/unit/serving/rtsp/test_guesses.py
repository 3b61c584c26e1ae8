"""Guessing passwords: what the table does, and what a guesser meets at the server."""

from __future__ import annotations

import time

import pytest

from streamer.serving.rtsp import Credentials
from streamer.serving.rtsp.guesses import HOLD_S, Guesses
from tests.unit.serving.rtsp.client import Client
from tests.unit.serving.rtsp.streams import TINY

ME = Credentials("me", "s3cret pass")
WRONG = Credentials("me", "wrong")


class Clock:
    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def guesses(clock) -> Guesses:
    return Guesses(clock)


def test_a_handful_of_wrong_passwords_makes_a_suspect(guesses):
    for _ in range(4):
        guesses.add("10.0.0.1")
    assert not guesses.suspects("10.0.0.1")
    guesses.add("10.0.0.1")
    assert guesses.suspects("10.0.0.1")
    assert not guesses.suspects("10.0.0.2")


def test_an_address_is_forgotten_when_it_was_quiet_for_long(guesses, clock):
    for _ in range(5):
        guesses.add("10.0.0.1")
    clock.seconds += 599
    guesses.tidy()
    assert guesses.suspects("10.0.0.1")
    clock.seconds += 1
    guesses.tidy()
    assert not guesses.suspects("10.0.0.1")
    assert len(guesses) == 0


def test_the_table_is_bounded_and_forgets_the_quietest(guesses):
    for number in range(5000):
        for _ in range(5):
            guesses.add(f"10.0.{number // 256}.{number % 256}")
        guesses.add("10.9.9.9")
    assert len(guesses) == 1024
    assert guesses.suspects("10.9.9.9")
    assert not guesses.suspects("10.0.0.0")


def test_the_log_has_one_line_for_an_address_and_minute(guesses, clock, caplog):
    for _ in range(90):
        guesses.add("10.0.0.1")
        guesses.tidy()
        clock.seconds += 1
    guesses.add("10.0.0.2")
    guesses.clear()
    assert caplog.messages == [
        "10.0.0.1: wrong user or password, once",
        "10.0.0.1: wrong user or password, 60 times",
        "10.0.0.2: wrong user or password, once",
        "10.0.0.1: wrong user or password, 29 times",
    ]
    assert {record.levelname for record in caplog.records} == {"WARNING"}


def test_what_is_left_is_logged_when_its_minute_is_over(guesses, clock, caplog):
    for _ in range(3):
        guesses.add("10.0.0.1")
    clock.seconds += 60
    guesses.tidy()
    guesses.tidy()
    assert caplog.messages[1:] == ["10.0.0.1: wrong user or password, 2 times"]


def guesser(server) -> Client:
    """Knows everything but the password."""
    client = Client(server.address, credentials=WRONG)
    client.learn(client.ask_once("DESCRIBE"))
    return client


def guess(server, times: int) -> None:
    with guesser(server) as client:
        for _ in range(times):
            assert client.ask_once("DESCRIBE").status == 401


@pytest.fixture
def server(serve):
    server = serve(ME)
    server.mount("/masked", TINY)
    return server


@pytest.mark.parametrize("credentials", [ME, WRONG], ids=["right", "wrong"])
def test_who_guesses_waits_on_other_connections_too_whatever_the_verdict(server, credentials):
    guess(server, 2)
    guess(server, 3)
    with Client(server.address, credentials=credentials) as client:
        client.learn(client.ask_once("DESCRIBE"))
        begun_s = time.monotonic()
        assert client.ask_once("DESCRIBE").status == (200 if credentials is ME else 401)
        assert time.monotonic() - begun_s >= HOLD_S - 0.01


def test_who_has_shown_the_password_waits_no_more(server):
    guess(server, 5)
    with Client(server.address, credentials=ME) as client:
        client.watch()
        begun_s = time.monotonic()
        for _ in range(5):
            assert client.ask("GET_PARAMETER").status == 200
        assert time.monotonic() - begun_s < HOLD_S


def test_what_is_sent_behind_a_guess_waits_with_it(server):
    guess(server, 5)
    with guesser(server) as client:
        begun_s = time.monotonic()
        client.send(client.request("DESCRIBE") + client.request("DESCRIBE"))
        assert [client.answer()["CSeq"] for _ in range(2)] == ["2", "3"]
        assert time.monotonic() - begun_s >= 2 * HOLD_S - 0.02


def test_a_stop_does_not_wait_for_a_verdict(server):
    guess(server, 5)
    with guesser(server) as client:
        client.send(client.request("DESCRIBE"))
        begun_s = time.monotonic()
        server.stop()
        assert time.monotonic() - begun_s < HOLD_S
        assert client.ended()


def test_a_guesser_is_in_the_log_and_the_usual_challenge_is_not(server, caplog):
    with Client(server.address, credentials=ME) as client:
        client.watch()
    with Client(server.address) as stranger:
        for _ in range(9):
            assert stranger.ask("DESCRIBE").status == 401
    assert not caplog.messages
    guess(server, 2)
    assert caplog.messages == ["127.0.0.1: wrong user or password, once"]
    server.stop()
    assert caplog.messages[1:] == ["127.0.0.1: wrong user or password, once"]
