from __future__ import annotations

import numpy as np
import pytest

from streamer.control.window.keys import KEYS
from streamer.control.window.notes import Notice, draw_help, draw_notice, draw_rate, roomy

ROWS = [(key.label, key.what) for key in KEYS]


def test_a_notice_is_shown_for_two_seconds():
    now = [10.0]
    notice = Notice(lambda: now[0])
    assert notice.text == ""
    notice.say("threshold: 0.55")
    now[0] += 1.9
    assert notice.text == "threshold: 0.55"
    notice.say("threshold: 0.6")
    now[0] += 1.9
    assert notice.text == "threshold: 0.6"
    now[0] += 0.2
    assert notice.text == ""


@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize("size", [(240, 320), (720, 1280), (1080, 607)])
def test_the_help_fits_with_a_line_for_each_key(size: tuple[int, int], level: int):
    picture = np.full((*size, 3), level, np.uint8)
    draw_help(picture, ROWS)
    ground = round(level * 0.3)
    written = (abs(picture.astype(int) - ground) > 60).any(axis=(1, 2))
    lines = np.count_nonzero(np.diff(written.astype(int)) == 1) + written[0]
    assert lines == len(ROWS)
    columns = (abs(picture.astype(int) - ground) > 60).any(axis=(0, 2))
    assert not columns[0], "nothing is cut off"
    assert not columns[-1]


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((240, 320), (480, 640)),
        ((200, 1600), (480, 3840)),
        ((1, 5000), (1, 5000)),
        ((2, 1000), (8, 4096)),
        ((720, 1280), (720, 1280)),
    ],
)
def test_a_small_picture_is_enlarged_for_the_help(size: tuple[int, int], expected: tuple[int, int]):
    picture = np.full((*size, 3), 128, np.uint8)
    large = roomy(picture)
    assert large.shape == (*expected, 3)
    assert (large == 128).all()
    assert (large is picture) == (size == expected), "the picture itself is not written on"


@pytest.mark.parametrize("draw", [draw_rate, draw_notice])
def test_a_long_text_is_drawn_smaller(draw):
    picture = np.full((240, 320, 3), 128, np.uint8)
    draw(picture, "a way out that is far too long for so small a picture: " * 2)
    assert (picture[:, -4:] == 128).all()
    assert (picture != 128).any()


@pytest.mark.parametrize("size", [(1, 1), (4, 5000), (8, 8), (12, 400), (5000, 1)])
def test_a_picture_without_room_for_a_letter_is_shown_all_the_same(size: tuple[int, int]):
    picture = np.full((*size, 3), 128, np.uint8)
    draw_rate(picture, "25.0 fps  40 ms")
    draw_notice(picture, "paused")
    draw_help(picture, ROWS)


def test_a_notice_is_below_and_the_rate_above():
    above, below = (np.zeros((240, 320, 3), np.uint8) for _ in range(2))
    draw_rate(above, "25.0 fps  40 ms")
    draw_notice(below, "paused")
    assert above[:40].any()
    assert not above[40:].any()
    assert below[-40:].any()
    assert not below[:-40].any()
