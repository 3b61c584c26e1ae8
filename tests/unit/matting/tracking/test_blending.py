import numpy as np
import pytest

from streamer.core.boxes import Box
from streamer.matting.tracking.blending import Blender
from streamer.matting.tracking.keys import Key, Lead

SIZE, SMALL = (72, 128), (36, 64)


def lead(value: int, residual: float | np.ndarray = 0.0) -> Lead:
    """To a key whose alpha is *value* all over, and which explains the picture so far."""
    key = Key(SIZE, SMALL)
    key.alpha.fill(value)
    made = Lead(SMALL)
    made.key, made.still = key, True
    made.residual[:] = made.doubt[:] = residual
    return made


def mean_of(first: Lead, second: Lead, share: float) -> np.ndarray:
    out = np.empty(SIZE, np.uint8)
    everywhere = Box(0, 0, SIZE[1], SIZE[0])
    Blender(SIZE, SMALL).between((first, second), (1 - share, share), everywhere, out)
    return out


@pytest.mark.parametrize(("share", "expected"), [(0, 200), (0.25, 160), (0.5, 120), (1, 40)])
def test_two_keys_that_explain_the_picture_are_mixed_by_their_shares(share, expected):
    mixed = mean_of(lead(200), lead(40), share)
    assert np.abs(mixed.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_key_that_explains_the_picture_wins(share):
    assert mean_of(lead(200, 40.0), lead(40, 1.0), share).max() < 50
    assert mean_of(lead(200, 1.0), lead(40, 40.0), share).min() > 190


def test_each_place_is_taken_from_the_key_that_explains_it():
    wrong_left = np.zeros(SMALL, np.float32)
    wrong_left[:, :32] = 40
    mixed = mean_of(lead(200, wrong_left), lead(40, 40 - wrong_left), 0.5)
    assert mixed[:, :60].max() < 50
    assert mixed[:, 68:].min() > 190


def test_where_neither_explains_the_picture_it_is_mixed_by_shares():
    mixed = mean_of(lead(200, 90.0), lead(40, 90.0), 0.5)
    assert np.abs(mixed.astype(int) - 120).max() <= 1


def test_what_was_shown_fades_into_the_answer():
    one = lead(200, 1.0)
    one.still, one.key.shown, one.key.was_shown = True, flat(40), True
    one.key.near[:] = 255
    blender, out = Blender(SIZE, SMALL), flat(0)
    shares = []
    for faded in (0.25, 0.5, 1.0):
        blender.carry(one, Box(0, 0, SIZE[1], SIZE[0]), out, faded)
        shares.append(int(out[20, 20]))
    assert shares == [80, 120, 200]
    one.key.was_shown = False
    blender.carry(one, Box(0, 0, SIZE[1], SIZE[0]), out, 0.25)
    assert out[20, 20] == 200


def settled(estimate: np.ndarray, known: np.ndarray, calm: int = 1) -> np.ndarray:
    out = estimate.copy()
    Blender(SIZE, SMALL).settle(out, known, np.full(SMALL, calm, np.uint8))
    return out.astype(int)


def flat(value: int) -> np.ndarray:
    return np.full(SIZE, value, np.uint8)


@pytest.mark.parametrize("change", [-15, 15])
def test_small_changes_are_followed_slowly_in_calm_places(change):
    moved = settled(flat(100 + change), flat(100)) - 100
    assert (np.abs(moved) <= 0.25 * abs(change)).all()
    assert (np.sign(moved) == np.sign(change)).all()


@pytest.mark.parametrize("change", [-100, 100])
def test_large_changes_are_followed_at_once(change):
    assert (settled(flat(120 + change), flat(120)) == 120 + change).all()


def test_the_larger_the_change_the_nearer_it_is_followed():
    known, estimate = flat(0), np.tile(np.arange(128, dtype=np.uint8) * 2, (72, 1))
    rising = settled(estimate, known)[0]
    assert (np.diff(rising) >= 0).all()


@pytest.mark.parametrize("change", [-15, 15, 100])
def test_where_it_moves_the_model_is_followed(change):
    assert (settled(flat(100 + change), flat(100), calm=0) == 100 + change).all()


def test_one_of_three_that_is_wrong_is_outvoted():
    right, wrong = np.random.default_rng(1).integers(0, 256, (2, *SIZE), np.uint8)
    for estimate, second, known in (
        (wrong, right, right),
        (right, wrong, right),
        (right, right, wrong),
    ):
        out = estimate.copy()
        Blender(SIZE, SMALL).agree(out, second.copy(), known)
        assert (out == right).all()


def test_where_no_subject_is_left_in_the_frame_nothing_is_carried():
    out = np.full(SIZE, 99, np.uint8)
    gone = lead(200)
    gone.still = False
    Blender(SIZE, SMALL).carry(gone, Box(0, 0, 0, 0), out)
    assert not out.any()
    moving = [lead(200), lead(40)]
    for each in moving:
        each.still = False
    Blender(SIZE, SMALL).between((moving[0], moving[1]), (0.5, 0.5), Box(0, 0, 0, 0), out)
    assert not out.any()


def test_a_key_is_shown_only_where_its_subjects_come_out() -> None:
    whole, part = lead(200), lead(200)
    part.is_bounded = True
    part.reached[:, : SMALL[1] // 2] = 255
    mixed = mean_of(part, part, 0.5)
    assert (mixed[:, : SIZE[1] // 2 - 8] == 200).all()
    assert not mixed[:, SIZE[1] // 2 + 8 :].any()
    assert (mean_of(part, whole, 1.0) == 200).all(), "the other key says otherwise"


WIDE = (240, 320)


def deferred(crop: tuple[slice, slice] | None, whole: tuple[slice, slice] | None) -> np.ndarray:
    """What becomes of a crop's answer, where both see a subject and one sees something else."""
    alphas = []
    for more in (crop, whole):
        alpha = np.zeros(WIDE, np.uint8)
        alpha[40:240, 100:200] = 255
        if more is not None:
            alpha[more] = 255
        alphas.append(alpha)
    Blender(WIDE, SMALL).defer(alphas[0], alphas[1], Box(0, 0, WIDE[1], WIDE[0]))
    return alphas[0]


BAR = np.s_[180:220, 0:320]


def test_a_bar_that_only_a_crop_takes_for_a_subject_is_none() -> None:
    told = deferred(BAR, None)
    assert not told[BAR][:, :92].any()
    assert told[60:170, 110:190].all()


def test_what_only_the_whole_frame_shows_is_none_either() -> None:
    assert not deferred(None, BAR)[BAR][:, :92].any()


def test_the_finer_edge_of_a_crop_stays() -> None:
    edge = np.s_[60:240, 200:203]
    assert deferred(edge, None)[edge].all()


def test_a_crop_that_has_lost_most_of_a_subject_does_not_empty_it() -> None:
    crop, whole = np.zeros(WIDE, np.uint8), np.zeros(WIDE, np.uint8)
    whole[40:240, 100:200] = 255
    crop[200:240, 100:200] = 255
    Blender(WIDE, SMALL).defer(crop, whole, Box(0, 0, WIDE[1], WIDE[0]))
    assert (crop == whole).all()
