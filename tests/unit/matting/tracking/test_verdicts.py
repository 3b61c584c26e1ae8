"""What the model says of an empty room, over time."""

from __future__ import annotations

import pytest

from streamer.matting.tracking.keys import Key
from streamer.matting.tracking.verdicts import Verdicts


def key(at_s: float, **said: bool) -> Key:
    made = Key((8, 8), (4, 4))
    made.pts_s, made.is_empty = at_s, True
    for name, value in said.items():
        setattr(made, name, value)
    return made


def heard(*keys: Key) -> Verdicts:
    verdicts = Verdicts()
    for one in keys:
        verdicts.hear(one)
    return verdicts


@pytest.mark.parametrize("step_s", [0.1, 0.25, 0.5])
def test_a_newcomer_is_denied_after_half_a_second_however_often_the_model_answers(step_s):
    verdicts, at_s = Verdicts(), 10.0
    while at_s < 10.45:
        verdicts.hear(key(at_s, has_newcomer=True))
        assert not verdicts.is_denied
        assert verdicts.is_unsure(key(at_s, has_newcomer=True)), "it is not learnt as the room"
        at_s += step_s
    verdicts.hear(key(10.55, has_newcomer=True))
    assert verdicts.is_denied
    assert not verdicts.is_unsure(key(10.55, has_newcomer=True))


@pytest.mark.parametrize("between", [{"is_empty": False}, {"has_newcomer": False}])
def test_half_a_second_begins_anew_when_somebody_was_found_or_nothing_was_there(between):
    verdicts = heard(
        key(1.0, has_newcomer=True),
        key(1.3, **{"has_newcomer": True} | between),
        key(1.6, has_newcomer=True),
    )
    assert not verdicts.is_denied


def test_who_was_known_and_was_missed_is_not_the_room():
    assert Verdicts().is_unsure(key(0.0, has_known=True))
    assert not Verdicts().is_unsure(key(0.0))


def test_a_closer_look_holds_for_five_seconds_and_for_its_scene():
    verdicts = heard(key(1.0, is_doubted=True))
    assert verdicts.is_settled(key(5.9))
    assert not verdicts.is_settled(key(6.1))
    verdicts.forget()
    assert not verdicts.is_settled(key(1.1))
    assert not heard(key(1.0)).is_settled(key(1.1)), "nobody looked closely"
