from __future__ import annotations

import pytest

from streamer.core.backoff import Backoff


def test_pauses_double_up_to_the_longest_and_begin_again():
    backoff = Backoff(1, 30, lambda: 0.5)
    assert [backoff.pause_s() for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    backoff.reset()
    assert backoff.pause_s() == 1


def test_pauses_are_spread_by_a_fifth():
    assert Backoff(1, 30, lambda: 0.0).pause_s() == pytest.approx(0.8)
    assert Backoff(1, 30, lambda: 1.0).pause_s() == pytest.approx(1.2)


def test_what_is_hopeless_is_tried_as_seldom_as_can_be():
    assert Backoff(1, 30, lambda: 0.5).pause_s(slowly=True) == 30
