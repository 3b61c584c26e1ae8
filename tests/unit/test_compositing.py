"""What cutout and mask mean, exactly."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from streamer.compositing import Composer, alpha_level, colour, cutout_rgba, draw_card, mask

ALPHA = np.arange(256, dtype=np.uint8).reshape(16, 16)
IMAGE = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)


@pytest.mark.parametrize(("threshold", "level"), [(0.5, 128), (1.0, 255), (0.001, 1), (0.2, 51)])
def test_the_level_is_the_smallest_alpha_at_or_over_the_threshold(threshold, level) -> None:
    assert alpha_level(threshold) == level
    assert level / 255 >= threshold - 1e-9
    assert level == 1 or (level - 1) / 255 < threshold


@pytest.mark.parametrize("level", [1, 128, 255])
def test_the_mask_is_255_from_the_level_and_0_below(level) -> None:
    out = np.empty_like(ALPHA)
    mask(ALPHA, level, out)
    assert (out == np.where(level <= ALPHA, 255, 0)).all()


def test_the_cutout_on_black_is_weighted_inside_the_mask_and_black_outside() -> None:
    cutout = Composer("cutout", level=128).compose(IMAGE, ALPHA)
    weighted = IMAGE * (ALPHA[:, :, None] / 255)
    expected = np.where(ALPHA[:, :, None] >= 128, weighted, 0)
    assert np.abs(cutout - expected).max() <= 0.51
    assert not cutout[ALPHA < 128].any()


def test_the_cutout_with_alpha_is_straight_and_hides_the_room() -> None:
    out = np.empty((16, 16, 4), np.uint8)
    cutout_rgba(IMAGE, ALPHA, out)
    assert (out[:, :, 3] == ALPHA).all()
    assert (out[ALPHA > 0][:, :3] == IMAGE[ALPHA > 0]).all()
    assert not out[ALPHA == 0].any()


def test_side_by_side_is_the_panels_from_the_left() -> None:
    composer = Composer("side_by_side", ("source", "cutout", "mask", "alpha"))
    picture = composer.compose(IMAGE, ALPHA)
    assert picture.shape == (16, 64, 3)
    assert composer.size(16, 16) == (64, 16)
    for number, panel in enumerate(("source", "cutout", "mask", "alpha")):
        alone = Composer(panel).compose(IMAGE, ALPHA)
        assert (picture[:, number * 16 : number * 16 + 16] == alone).all()


def test_the_same_memory_is_composed_into_until_the_size_changes() -> None:
    composer = Composer()
    first = composer.compose(IMAGE, ALPHA)
    assert composer.compose(IMAGE, ALPHA) is first
    other = composer.compose(np.zeros((5, 7, 3), np.uint8), np.zeros((5, 7), np.uint8))
    assert other.shape == (5, 14, 3)


def test_composing_allocates_nothing_of_a_frames_size() -> None:
    image, alpha = np.zeros((360, 640, 3), np.uint8), np.zeros((360, 640), np.uint8)
    panels = ("source", "cutout", "mask", "alpha", "composite")
    composer = Composer("side_by_side", panels, background=(1, 2, 3))
    rgba = np.empty((360, 640, 4), np.uint8)
    composer.compose(image, alpha)
    cutout_rgba(image, alpha, rgba)
    tracemalloc.start()
    composer.compose(image, alpha)
    cutout_rgba(image, alpha, rgba)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 360 * 640


def test_a_card_is_shown_whole_in_colour_and_black_in_the_mask() -> None:
    composer = Composer("side_by_side", ("source", "cutout", "mask", "alpha"))
    empty = np.zeros((16, 16), np.uint8)
    source, cutout, *greys = np.split(composer.compose(IMAGE, empty, card=True), 4, axis=1)
    assert (source == IMAGE).all()
    assert (cutout == IMAGE).all()
    assert not np.any(greys)
    assert not composer.compose(IMAGE, empty)[:, 16:].any(), "without a card, nothing is cut out"


@pytest.mark.parametrize("size", [(360, 640), (1080, 1920), (640, 360), (48, 64), (1, 1)])
@pytest.mark.parametrize(
    "text", ["No signal", "", "a long line of sixty characters, as many as allowed " + "x" * 8]
)
def test_a_card_is_dark_grey_with_its_text_within(size, text) -> None:
    out = np.full((*size, 3), 255, np.uint8)
    draw_card(out, text)
    lit = np.argwhere(out[:, :, 0] != 40)
    assert (out[:, :, 0] == out[:, :, 2]).all()
    if size[0] > 100 and text:
        assert 0 < len(lit) < out.size / 30
        middle = (lit.min(axis=0) + lit.max(axis=0)) / 2
        assert np.abs(middle - np.array(size) / 2).max() < max(size) / 20
        assert lit.min(axis=0).min() > 0
    elif not text:
        assert not len(lit)


def test_a_composite_is_weighted_over_its_background_everywhere() -> None:
    background = colour("#102030")
    composite = Composer("composite", background=background).compose(IMAGE, ALPHA)
    weight = ALPHA[:, :, None] / 255
    expected = IMAGE * weight + np.array([0x30, 0x20, 0x10]) * (1 - weight)
    assert np.abs(composite - expected).max() <= 1.01
    assert (composite[ALPHA == 0] == background).all(), "nothing of the room is left"


def test_a_background_is_a_name_or_red_green_and_blue() -> None:
    assert colour("white") == (255, 255, 255)
    assert colour("#00b140") == colour("green")
    with pytest.raises(ValueError):
        colour("mauve")
