"""The room behind a subject, remembered: where it has gone from, and where it has come to."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from streamer.matting.tracking.plate import Plate

SIZE = (90, 160)
COAT = (200, 60, 40)
BODY = np.s_[40:90, 60:100]
ARM = np.s_[50:60, 100:130]
APART = np.s_[10:25, 130:150]


def room(shift: int = 0) -> np.ndarray:
    """A wall with a pattern, so that a camera that moves sees another picture."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    levels = 120 + 60 * (((rows // 6) + (columns + shift) // 6) % 2)
    return np.repeat(levels[..., None], 3, axis=2).astype(np.uint8)


def scene(*places: tuple[slice, slice], colour: tuple[int, int, int] = COAT, shift: int = 0):
    """The room with something of that colour in *places*, and where that is."""
    picture, alpha = room(shift), np.zeros(SIZE, np.uint8)
    for place in places:
        picture[place] = colour
        alpha[place] = 255
    return picture, alpha


def near(alpha: np.ndarray) -> np.ndarray:
    around = np.zeros_like(alpha)
    rows, columns = np.nonzero(alpha)
    if rows.size:
        around[max(0, rows.min() - 6) : rows.max() + 7, max(0, columns.min() - 6) :][
            :, : columns.max() - columns.min() + 13
        ] = 255
    return around


@pytest.fixture
def plate() -> Plate:
    """Of two key frames without anybody, and two with the body alone."""
    made = Plate(SIZE)
    for picture, alpha in (scene(), scene(), scene(BODY), scene(BODY)):
        made.learn(picture, alpha, near(alpha))
    return made


NOTHING_UNEXPLAINED = np.zeros(SIZE, np.float32)
ALL_UNEXPLAINED = np.full(SIZE, 40, np.float32)


def told(plate: Plate, picture: np.ndarray, residual: np.ndarray = ALL_UNEXPLAINED):
    _, alpha = scene(BODY)
    return plate.tell(picture, alpha, near(alpha), residual)


def test_a_limb_that_has_come_is_the_subjects(plate):
    gone, came = told(plate, scene(BODY, ARM)[0])
    assert (came[ARM][:, 2:] == 255).mean() > 0.8
    came[ARM] = 0
    assert not came.any()
    assert not gone[BODY].any()


def test_what_was_there_in_the_key_frame_already_has_not_come(plate):
    _, came = told(plate, scene(BODY, ARM)[0], NOTHING_UNEXPLAINED)
    assert not came.any()


def test_what_stands_apart_is_not(plate):
    _, came = told(plate, scene(BODY, APART)[0])
    assert not came.any()


def test_what_has_another_colour_is_not(plate):
    picture, _ = scene(BODY)
    picture[ARM] = (30, 200, 30)
    _, came = told(plate, picture)
    assert not came.any()


def test_where_the_room_is_seen_again_the_subject_has_gone(plate):
    moved, _ = scene(ARM)
    gone, _ = told(plate, moved)
    assert (gone[BODY][8:-8, 8:-8] == 255).mean() > 0.9


def test_a_body_in_the_rooms_colours_that_the_flow_explains_is_not_the_room(plate):
    gone, _ = told(plate, room(), NOTHING_UNEXPLAINED)
    assert not gone[BODY][8:-8, 8:-8].any()


def test_a_rim_of_the_room_is_taken_off_also_where_the_flow_explains_it(plate):
    picture, alpha = scene(BODY)
    wide = cv2.dilate(alpha, np.ones((7, 7), np.uint8))
    gone, _ = plate.tell(picture, wide, near(wide), NOTHING_UNEXPLAINED)
    rim = (wide > 0) & (alpha == 0)
    assert (gone[rim] == 255).mean() > 0.95
    assert not gone[alpha > 0].any()
    around = cv2.dilate(wide, np.ones((3, 3), np.uint8))
    assert not gone[around == 0].any(), "nothing is taken where nothing is shown"


def test_a_rim_that_the_flow_explains_better_stays(plate):
    picture, alpha = scene(BODY)
    wide = cv2.dilate(alpha, np.ones((7, 7), np.uint8))
    picture[(wide > 0) & (alpha == 0)] += 8
    gone, _ = plate.tell(picture, wide, near(wide), NOTHING_UNEXPLAINED)
    assert not gone[wide > 0].any()


def test_a_body_in_the_rooms_colours_stays_also_in_noise(plate):
    noise = np.random.default_rng(0).normal(0, 2.2, (*SIZE, 3))
    picture = np.clip(room() + noise, 0, 255).astype(np.uint8)
    gone, _ = told(plate, picture, np.full(SIZE, 2.8, np.float32))
    assert not gone[BODY][8:-8, 8:-8].any()


def test_what_has_come_is_not_told_while_the_camera_moves(plate):
    gone, came = told(plate, scene(BODY, ARM, shift=3)[0])
    assert not came.any()
    assert not gone[BODY][8:-8, 8:-8].any()


def test_nor_is_a_body_that_looks_like_the_room_taken_away_then(plate):
    picture = room(shift=3)
    picture[BODY] = room()[BODY]
    gone, _ = told(plate, picture)
    assert not gone[BODY][8:-8, 8:-8].any()


def test_what_was_there_when_nobody_was_is_the_room_and_who_has_come_is_not(plate):
    lamp = scene(APART)[1]
    assert not plate.strangers(room(), lamp).any()
    assert plate.strangers(*scene(APART)) is None
    plate.forget()
    assert plate.strangers(room(), lamp) is None
    plate.learn(*scene(BODY), near(scene(BODY)[1]))
    assert plate.strangers(room(), lamp) is None, "one key frame is not enough"


def test_who_has_come_is_kept_though_a_lamp_is_taken_for_a_subject_too(plate):
    picture, alpha = scene(BODY)
    alpha[APART] = 255
    kept = plate.strangers(picture, alpha)
    assert kept[BODY].all()
    assert not kept[APART].any()


def empty_again(plate: Plate) -> Plate:
    """As long after the body has left as the model needs to be sure."""
    for _ in range(6):
        plate.learn(*scene(), near(scene()[1]))
    return plate


def test_something_new_in_an_empty_room_is_seen_and_its_room_is_not(plate):
    empty_again(plate)
    assert plate.has_newcomer(room()) is False
    assert plate.has_newcomer(scene(ARM, colour=(30, 200, 30))[0]) is True
    assert plate.has_newcomer(scene(shift=3)[0]) is None, "the camera moves"
    assert Plate(SIZE).has_newcomer(room()) is None


def test_who_was_known_and_comes_back_is_told_by_their_colours(plate):
    back, alpha = scene(BODY)
    who = empty_again(plate).returned(back)
    assert (who[BODY] == 255).mean() > 0.95
    assert not who[alpha == 0].any()


@pytest.mark.parametrize(
    ("colour", "shift"), [((30, 200, 30), 0), (COAT, 3)], ids=["another", "the camera moves"]
)
def test_who_has_other_colours_is_not_shown_before_the_model_has_seen_them(plate, colour, shift):
    assert empty_again(plate).returned(scene(BODY, colour=colour, shift=shift)[0]) is None


def test_where_the_model_saw_nobody_nobody_has_come_back(plate):
    """What looks as it did then is not a subject, whatever its colours are."""
    lit = scene(BODY)[0]
    assert empty_again(plate).returned(lit, lit) is None
    who = plate.returned(scene(BODY, APART)[0], scene(APART)[0])
    assert (who[BODY] == 255).mean() > 0.95
    assert not who[APART].any()


@pytest.mark.parametrize("pan", [2, 4, 6, 10])
def test_a_thing_in_the_subjects_colours_does_not_come_back_when_the_camera_pans(pan):
    """Before a plain wall nothing else says that it does."""
    cupboard = np.s_[30:50, 20:32]
    wall = np.full((*SIZE, 3), 130, np.uint8)
    wall[cupboard] = COAT
    someone = wall.copy()
    someone[BODY] = COAT
    alpha = scene(BODY)[1]
    plate = Plate(SIZE)
    plate.learn(someone, alpha, near(alpha))
    for _ in range(4):
        plate.learn(wall, np.zeros(SIZE, np.uint8), np.zeros(SIZE, np.uint8))
    assert plate.returned(np.roll(wall, pan, axis=1)) is None
    assert plate.returned(someone) is not None, "else the test says nothing"


def test_the_room_is_kept_for_one_key_frame_that_differs(plate):
    empty_again(plate)
    changed, alpha = scene(ARM, colour=(30, 200, 30))
    for seen in (True, True, False):
        assert plate.has_newcomer(changed) is seen
        plate.learn(changed, np.zeros_like(alpha), np.zeros_like(alpha))


def test_nobody_comes_back_to_a_room_that_nobody_was_in():
    plate = Plate(SIZE)
    for _ in range(4):
        plate.learn(*scene(), near(scene()[1]))
    assert plate.returned(scene(BODY)[0]) is None


def test_another_scene_has_none_yet(plate):
    plate.forget()
    assert not any(mask.any() for mask in told(plate, scene(BODY, ARM)[0]))


def test_what_changes_in_the_room_is_no_limb(plate):
    """A place that differs from one key frame to the next says nothing when it differs again."""
    changed, alpha = scene(BODY)
    changed[ARM] = (10, 10, 10)
    plate.learn(changed, alpha, near(alpha))
    _, came = told(plate, scene(BODY, ARM)[0])
    assert not came[ARM][:, 8:].any(), "but for what is so near that it may be the subject's"
