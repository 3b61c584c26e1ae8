"""Where panels stand: side by side, stacked, in grids, tiled, labelled."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from streamer.compositing import Composer
from streamer.config import LayoutConfig
from tests.unit.compositing.scene import arranged, composer, furthest, noise, subject

WIDTH, HEIGHT = 48, 32
IMAGE, ALPHA = noise(WIDTH, HEIGHT), subject(WIDTH, HEIGHT)
PANELS = ["source", "cutout", "mask", "alpha", "composite", "overlay"]


def alone(panel: str) -> np.ndarray:
    return composer(panel).compose(IMAGE, ALPHA).copy()


@pytest.mark.parametrize(
    ("layout", "panels", "columns", "places"),
    [
        ("side_by_side", PANELS, None, [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (0, 5)]),
        ("stack", PANELS[:3], None, [(0, 0), (1, 0), (2, 0)]),
        ("grid", PANELS[:1], None, [(0, 0)]),
        ("grid", PANELS[:2], None, [(0, 0), (0, 1)]),
        ("grid", PANELS[:4], None, [(0, 0), (0, 1), (1, 0), (1, 1)]),
        ("grid", PANELS[:5], None, [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]),
        ("grid", PANELS[:4], 3, [(0, 0), (0, 1), (0, 2), (1, 0)]),
        ("grid", PANELS[:3], 1, [(0, 0), (1, 0), (2, 0)]),
        ("grid", PANELS[:2], 9, [(0, 0), (0, 1)]),
    ],
)
def test_panels_stand_where_the_layout_says(layout, panels, columns, places) -> None:
    drawn = Composer(arranged(layout, panels, columns=columns))
    picture = drawn.compose(IMAGE, ALPHA)
    rows = max(row for row, _ in places) + 1
    across = max(column for _, column in places) + 1
    assert picture.shape == (rows * HEIGHT, across * WIDTH, 3)
    assert drawn.size(WIDTH, HEIGHT) == (across * WIDTH, rows * HEIGHT)
    for panel, (row, column) in zip(panels, places, strict=True):
        cell = picture[row * HEIGHT :, column * WIDTH :][:HEIGHT, :WIDTH]
        assert (cell == alone(panel)).all(), panel


def test_an_empty_cell_is_black_also_after_somebody_wrote_on_it() -> None:
    drawn = Composer(arranged("grid", ["source", "source", "source"]))
    drawn.compose(IMAGE, ALPHA)[:] = 200
    assert not drawn.compose(IMAGE, ALPHA)[HEIGHT:, WIDTH:].any()


@pytest.mark.parametrize(
    ("tile", "inner"),
    [
        ((96, 64), np.s_[:, :]),
        ((96, 80), np.s_[8:72, :]),
        ((100, 32), np.s_[:, 26:74]),
        ((24, 24), np.s_[4:20, :]),
    ],
)
def test_a_tile_holds_the_whole_frame_with_its_shape_kept(tile, inner) -> None:
    layout = arranged("grid", ["source", "mask"], tile=tile, columns=1)
    drawn = Composer(layout)
    picture = drawn.compose(IMAGE, ALPHA)
    assert picture.shape == (2 * tile[1], tile[0], 3)
    assert drawn.size(WIDTH, HEIGHT) == (tile[0], 2 * tile[1])
    shown = picture[: tile[1]][inner]
    method = cv2.INTER_AREA if tile[0] < WIDTH else cv2.INTER_LINEAR
    assert furthest(shown, cv2.resize(IMAGE, shown.shape[1::-1], interpolation=method)) <= 1
    bars = np.ones(picture.shape[:2], bool)
    bars[: tile[1]][inner] = False
    bars[tile[1] :][inner] = False
    assert not picture[bars].any()
    assert set(np.unique(picture[tile[1] :])) <= {0, 255}, "a mask is binary in any size"


def test_a_tile_keeps_the_pictures_size_when_the_frames_changes() -> None:
    drawn = Composer(arranged("side_by_side", ["source", "alpha"], tile=[64, 48]))
    for width, height in ((48, 32), (500, 20), (20, 500), (1, 1)):
        image, alpha = noise(width, height), subject(width, height, edge_px=0)
        picture = drawn.compose(image, alpha)
        assert picture.shape == (48, 128, 3)
        assert drawn.size(width, height) == (128, 48)
        assert picture[24, 32].any(), "something of the frame is there"


@pytest.mark.parametrize(
    ("layout", "pixels", "shape"),
    [
        ("cutout", "bgra", (48, 64, 4)),
        ("composite", "bgra", (48, 64, 4)),
        ("mask", "gray", (48, 64)),
        ("alpha", "gray", (48, 64)),
        ("overlay", "bgr", (48, 64, 3)),
    ],
)
def test_one_panel_alone_may_be_tiled_and_labelled_too(layout, pixels, shape) -> None:
    plain = LayoutConfig(layout=layout, tile=(64, 48))
    written = LayoutConfig(layout=layout, tile=(64, 48), labels=True)
    first = Composer(plain, pixels=pixels).compose(IMAGE, ALPHA)
    second = Composer(written, pixels=pixels).compose(IMAGE, ALPHA)
    assert first.shape == second.shape == shape
    assert (first[20:] == second[20:]).all()
    assert second[:16, :60].max() > 150
    assert (first[:16, :60] != second[:16, :60]).any()


def test_labels_are_in_the_corner_of_each_cell_and_nowhere_else() -> None:
    image, alpha = noise(320, 240), subject(320, 240)
    panels = ["source", "mask", "overlay"]
    bare = Composer(arranged("grid", panels)).compose(image, alpha)
    labelled = Composer(arranged("grid", panels, labels=True)).compose(image, alpha)
    changed = (bare != labelled).any(axis=2)
    for top, left in ((0, 0), (0, 320), (240, 0)):
        cell = changed[top : top + 240, left : left + 320]
        # Of the mask, black as the label's box, only the letters are new.
        assert cell[:20, :60].any()
        assert not cell[20:].any()
        assert not cell[:, 60:].any()
    assert not changed[240:, 320:].any(), "an empty cell has no name"


def test_labels_do_not_pile_up_from_picture_to_picture() -> None:
    drawn = Composer(arranged("stack", ["source", "alpha"], tile=[80, 80], labels=True))
    first = drawn.compose(IMAGE, ALPHA).copy()
    assert (drawn.compose(IMAGE, ALPHA) == first).all()
