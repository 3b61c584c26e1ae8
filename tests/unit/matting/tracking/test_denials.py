"""What a quick look took for a subject, and a look at the whole frame did not."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.matting.tracking.denials import Denials
from streamer.matting.tracking.keys import Key

SMALL, LARGE = (90, 160), (360, 640)
PERSON = (slice(100, 360), slice(240, 400))
CHAIR = (slice(200, 360), slice(480, 600))
BESIDE = (slice(200, 360), slice(400, 480))


def alpha(*places: tuple[slice, slice]) -> NDArray[np.uint8]:
    out = np.zeros(LARGE, np.uint8)
    for place in places:
        out[place] = 255
    return out


def key(*known: tuple[slice, slice], at_s: float = 0.0, scene: int = 1) -> Key:
    made = Key(LARGE, SMALL)
    made.colours[:] = np.random.default_rng(3).integers(0, 255, made.colours.shape, np.uint8)
    made.known[:] = alpha(*known)
    made.knows_closely = bool(known)
    made.pts_s, made.scene = at_s, scene
    return made


@pytest.fixture
def denials() -> Denials:
    """After a look at the whole frame, in which there was no chair."""
    made = Denials(SMALL)
    assert not made.are_old(key())
    made.note(made.claimed(alpha(PERSON, CHAIR)), alpha(PERSON), key())
    return made


def test_what_was_denied_is_taken_out_while_it_looks_the_same(denials: Denials) -> None:
    answer = alpha(PERSON, CHAIR)
    denials.clear(answer, key(PERSON))
    assert answer[PERSON].min() == 255
    assert answer[CHAIR].max() == 0


def test_a_denied_thing_that_turns_is_no_subject_either(denials: Denials) -> None:
    now, answer = key(PERSON), alpha(PERSON, CHAIR)
    now.colours[50:, 120:150] ^= 128
    denials.clear(answer, now)
    assert answer[CHAIR].max() == 0


def test_who_comes_in_front_of_it_is_shown(denials: Denials) -> None:
    now, answer = key(PERSON, BESIDE), alpha(PERSON, BESIDE, CHAIR)
    now.colours[50:, 100:150] ^= 128
    denials.clear(answer, now)
    assert (answer == alpha(PERSON, BESIDE, CHAIR)).all()


def test_a_glance_does_not_extend_who_is_known_over_the_room() -> None:
    made, now, glance = Denials(SMALL), key(PERSON), alpha(PERSON, BESIDE)
    now.is_glance = True
    made.clear(glance, now)
    assert glance[BESIDE].min() == 255, "the room is not known: it may be an arm"
    now.room[:] = 255
    made.clear(glance, now)
    assert glance[PERSON].min() == 255
    assert glance[210:360, 430:480].max() == 0


def test_the_model_is_asked_again_after_a_while(denials: Denials) -> None:
    assert not denials.are_old(key(at_s=9))
    assert denials.are_old(key(at_s=11))
    denials.note(denials.claimed(None), alpha(PERSON, CHAIR), key(at_s=11))
    answer = alpha(PERSON, CHAIR)
    denials.clear(answer, key(PERSON, at_s=12))
    assert answer[CHAIR].min() == 255, "this time it has seen somebody there"


def test_nothing_is_denied_in_another_scene(denials: Denials) -> None:
    later = key(PERSON, at_s=20, scene=2)
    assert not denials.are_old(later)
    answer = alpha(PERSON, CHAIR)
    denials.clear(answer, later)
    assert answer[CHAIR].min() == 255
