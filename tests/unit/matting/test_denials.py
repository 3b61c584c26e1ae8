"""What the model's answers claim for subjects, and other answers or pictures deny."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.matting.denials import Denials
from streamer.matting.keys import Key

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


def passes(at_s: float = 0.0, older: Key | None = None) -> Key:
    """The frame of a person whom something touches that passed before as well, as nobody."""
    made = key(PERSON, at_s=at_s)
    made.seen_before[:] = 255
    if older is not None:
        made.older, made.older_number = older, older.number
    return made


def test_what_passed_before_and_touches_somebody_now_is_not_theirs(denials: Denials) -> None:
    answer = alpha(PERSON, BESIDE)
    denials.refuse(answer, passes())
    assert answer[PERSON].min() == 255
    assert answer[210:350, 430:470].max() == 0


def test_what_was_not_seen_before_may_be_theirs(denials: Denials) -> None:
    answer = alpha(PERSON, BESIDE)
    denials.refuse(answer, key(PERSON))
    assert (answer == alpha(PERSON, BESIDE)).all()


def test_fingers_and_what_is_close_are_theirs(denials: Denials) -> None:
    finger, rim = (slice(200, 207), slice(400, 470)), (slice(150, 300), slice(400, 408))
    answer = alpha(PERSON, finger, rim)
    denials.refuse(answer, passes())
    assert (answer == alpha(PERSON, finger, rim)).all()


def test_somebody_who_stands_apart_is_not_refused(denials: Denials) -> None:
    answer = alpha(PERSON, CHAIR)
    denials.refuse(answer, passes())
    assert (answer == alpha(PERSON, CHAIR)).all()


def test_what_is_claimed_all_the_time_is_believed(denials: Denials) -> None:
    older, shown = None, list[bool]()
    for at_s in np.arange(0, 3, 0.3):
        now, answer = passes(float(at_s), older), alpha(PERSON, BESIDE)
        denials.refuse(answer, now)
        shown.append(bool(answer[280, 450]))
        older = now
    assert not any(shown[:5])
    assert all(shown[7:])
