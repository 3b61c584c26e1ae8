import numpy as np
import pytest

from training.cues import CUES, CUES_SIZE, Cues

SIZE = (90, 160)


@pytest.fixture
def shown():
    """The cues of a bright square, 20 pixels to the right of where the key frame had it."""

    def square(left):
        picture = np.full((*SIZE, 3), (10, 60, 110), np.uint8)
        picture[30:60, left : left + 40] = (200, 150, 100)
        return picture

    alpha = np.zeros(SIZE, np.uint8)
    alpha[30:60, 40:80] = 255
    flow = np.zeros((*SIZE, 2), np.float32)
    flow[..., 0] = -20
    residual = np.full(SIZE, 16, np.float32)
    out = np.full((CUES, *CUES_SIZE), np.nan, np.float32)
    Cues(SIZE).gather(square(60), square(40), alpha, flow, residual, 30, out)
    return out


def columns(plane):
    """The first and the last column of what is more than half of the largest, at 160 pixels."""
    seen = np.flatnonzero(plane[72] > plane.max() / 2)
    return round(seen[0] * 160 / 256), round((seen[-1] + 1) * 160 / 256)


def test_alpha_and_picture_of_the_key_are_carried_to_where_the_frame_has_them(shown):
    assert columns(shown[3]) == (60, 100)
    assert np.abs(shown[5:8] - shown[0:3]).max() < 0.1


def test_the_keys_alpha_is_there_as_it_stands_and_what_differs_from_its_picture(shown):
    assert columns(shown[10]) == (40, 80)
    assert shown[9][72, 80] > 1
    assert shown[9][72, 10] == 0


def test_colours_are_about_zero_and_the_rest_is_of_the_size_of_one(shown):
    assert shown[0][0, 0] == pytest.approx(10 / 255 - 0.5, abs=1e-3)
    assert shown[2][0, 0] == pytest.approx(110 / 255 - 0.5, abs=1e-3)
    assert shown[4] == pytest.approx(0.5)
    assert shown[8] == pytest.approx(0.5)
    assert np.isfinite(shown).all()
    assert np.abs(shown).max() <= 2
