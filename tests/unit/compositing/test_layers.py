"""What mask, cutout and composite mean, exactly."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.compositing import alpha_level, colour, composite, cutout_rgba, mask
from tests.unit.compositing.scene import blended, furthest, noise, subject

ALPHA = np.arange(256, dtype=np.uint8).reshape(16, 16)
IMAGE = noise(16, 16)


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


def test_the_cutout_with_alpha_is_straight_and_hides_the_room() -> None:
    out = np.full((16, 16, 4), 77, np.uint8)
    cutout_rgba(IMAGE, ALPHA, out)
    assert (out[:, :, 3] == ALPHA).all()
    assert (out[ALPHA > 0][:, :3] == IMAGE[ALPHA > 0]).all()
    assert not out[ALPHA == 0].any()


# Widths and heights that are no multiples of the blocks that are looked at, and one block.
@pytest.mark.parametrize(("width", "height"), [(1, 1), (63, 25), (64, 24), (200, 1), (333, 101)])
@pytest.mark.parametrize("background", ["picture", "colour"])
def test_a_composite_is_within_one_level_of_its_formula(width, height, background) -> None:
    image = noise(width, height)
    behind = noise(width, height, 1) if background == "picture" else (12, 250, 130)
    alphas = [
        subject(width, height),
        subject(width, height, edge_px=0),
        noise(width, height, 2)[:, :, 0],
        np.full((height, width), 254, np.uint8),
    ]
    for alpha in alphas:
        out = np.full_like(image, 99)
        composite(image, alpha, behind, out)
        assert furthest(out, blended(image, alpha, behind)) <= 1
        assert (out[alpha == 255] == image[alpha == 255]).all()
        expected = np.broadcast_to(np.asarray(behind, np.uint8), image.shape)
        assert (out[alpha == 0] == expected[alpha == 0]).all(), "nothing of the room is left"


def test_a_single_soft_pixel_in_a_solid_block_counts() -> None:
    image, alpha = noise(256, 96), np.full((96, 256), 255, np.uint8)
    alpha[50, 100] = 128
    alpha[95, 255] = 0
    out = np.empty_like(image)
    composite(image, alpha, (0, 0, 0), out)
    assert furthest(out, blended(image, alpha, 0)) <= 1
    assert (out[50, 100] < image[50, 100]).all()
    assert not out[95, 255].any()


def test_a_composite_goes_into_a_part_of_a_larger_picture() -> None:
    image, alpha = noise(100, 60), subject(100, 60)
    large = np.full((80, 200, 3), 7, np.uint8)
    composite(image, alpha, (1, 2, 3), large[10:70, 50:150])
    assert furthest(large[10:70, 50:150], blended(image, alpha, (1, 2, 3))) <= 1
    large[10:70, 50:150] = 7
    assert (large == 7).all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: mask(ALPHA, 9, np.empty((16, 15), np.uint8)), ["out", "(16, 15)", "(16, 16)"]),
        (lambda: mask(ALPHA / 255, 9, np.empty_like(ALPHA)), ["alpha", "float64", "uint8"]),
        (lambda: mask(IMAGE, 9, np.empty_like(ALPHA)), ["alpha", "(16, 16, 3)", "(H, W)"]),
        (
            lambda: cutout_rgba(IMAGE[:8], ALPHA, np.empty((16, 16, 4), np.uint8)),
            ["image", "(8, 16, 3)", "(16, 16)"],
        ),
        (
            lambda: cutout_rgba(IMAGE, ALPHA, np.empty((16, 16, 3), np.uint8)),
            ["out", "(16, 16, 3)", "(16, 16, 4)"],
        ),
        (
            lambda: composite(IMAGE, ALPHA, np.zeros((9, 9, 3), np.uint8), np.empty_like(IMAGE)),
            ["background", "(9, 9, 3)", "(16, 16)"],
        ),
        (
            lambda: composite(IMAGE, ALPHA, IMAGE.astype(np.float32), np.empty_like(IMAGE)),
            ["background", "float32", "uint8"],
        ),
        (
            lambda: composite(ALPHA, ALPHA, (0, 0, 0), np.empty_like(IMAGE)),
            ["image", "(16, 16)", "(16, 16, 3)"],
        ),
    ],
)
def test_arrays_that_do_not_go_together_are_both_named(call, words) -> None:
    with pytest.raises(ValueError) as error:
        call()
    for word in words:
        assert word in str(error.value)


def test_a_background_is_a_name_or_red_green_and_blue() -> None:
    assert colour("white") == (255, 255, 255)
    assert colour("#00b140") == colour("green")
    assert colour("#102030") == (0x30, 0x20, 0x10)
    with pytest.raises(ValueError):
        colour("mauve")
