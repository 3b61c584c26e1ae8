from __future__ import annotations

import numpy as np
import pytest

from streamer.config import PreprocessConfig
from streamer.control.window.drawing import RegionDrawing


def drawn(*drags: tuple[int, int, int, int], size=(320, 240), regions=()) -> RegionDrawing:
    drawing = RegionDrawing(size, regions)
    for x, y, across, down in drags:
        drawing.press(x, y)
        drawing.move((x + across) // 2, (y + down) // 2)
        drawing.let_go(across, down)
    return drawing


def test_a_drag_is_a_region_in_fractions_whichever_corner_it_begins_at():
    for drag in [(32, 24, 160, 120), (160, 120, 32, 24), (160, 24, 32, 120)]:
        assert drawn(drag).regions == [(0.1, 0.1, 0.4, 0.4)]


def test_several_drags_are_several_regions():
    assert drawn((0, 0, 160, 120), (160, 120, 320, 240)).regions == [
        (0.0, 0.0, 0.5, 0.5),
        (0.5, 0.5, 0.5, 0.5),
    ]


def test_a_drag_beyond_the_picture_ends_at_its_edge():
    assert drawn((-50, -50, 999, 999)).regions == [(0.0, 0.0, 1.0, 1.0)]


@pytest.mark.parametrize("drag", [(50, 50, 50, 50), (50, 50, 53, 200), (50, 50, 200, 51)])
def test_a_click_is_no_region(drag: tuple[int, int, int, int]):
    assert drawn(drag).regions == []


def test_regions_have_three_decimals_and_stay_within_the_frame():
    random = np.random.default_rng(3)
    for _ in range(300):
        width, height = (int(n) for n in random.integers(40, 4000, 2))
        x, y, across, down = (int(n) for n in random.integers(-100, 4100, 4))
        regions = drawn((x, y, across, down), size=(width, height)).regions
        for region in regions:
            assert all(round(number, 3) == number for number in region)
        PreprocessConfig(roi=regions or None)


def test_those_that_are_there_stay_and_clearing_removes_all():
    drawing = drawn((0, 0, 32, 24), regions=[(0.5, 0.5, 0.25, 0.25), (16, 24, 32, 48)])
    assert drawing.regions == [
        (0.5, 0.5, 0.25, 0.25),
        (0.05, 0.1, 0.1, 0.2),
        (0.0, 0.0, 0.1, 0.1),
    ]
    drawing.clear()
    assert drawing.regions == []


def test_what_is_outside_the_regions_is_darker():
    picture = np.full((240, 320, 3), 200, np.uint8)
    drawn((40, 40, 200, 160)).draw(picture)
    assert (picture[45:155, 45:195] == 200).all()
    assert (picture[:39] == 80).all()
    assert (picture[:, 201:] == 80).all()
    frame = picture[40, 40:200]
    assert (frame == frame[0]).all()
    assert frame[0].tolist() not in ([200] * 3, [80] * 3)


def test_a_region_is_seen_while_it_is_dragged():
    picture = np.full((240, 320, 3), 200, np.uint8)
    drawing = RegionDrawing((320, 240))
    drawing.draw(picture)
    assert (picture == 200).all()
    drawing.press(40, 40)
    drawing.move(200, 160)
    drawing.draw(picture)
    assert (picture[45:155, 45:195] == 200).all()
    assert (picture[:39] == 80).all()
