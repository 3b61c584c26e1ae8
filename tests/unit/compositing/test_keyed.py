"""Fill and key: over any background they make the composite, whatever the mask is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streamer.compositing import Composer, FillAndKey
from streamer.config import LayoutConfig
from tests.unit.compositing.scene import blended, furthest, noise, settings_with, subject
from tests.unit.sinks.scene import shot

WIDTH, HEIGHT = 160, 96
IMAGE, ALPHA = noise(WIDTH, HEIGHT), subject(WIDTH, HEIGHT, edge_px=9)


def keyed(**settings: object) -> FillAndKey:
    return FillAndKey(Composer("cutout", settings_with(**settings), pixels="bgra"))


def halves(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    fill, key = np.split(picture, 2)
    return fill, key


@pytest.mark.parametrize("settings", [{}, {"cutout": "rgba"}, {"cutout": "rgb_on_black"}])
@pytest.mark.parametrize("background", [0, 255, (10, 200, 90)])
def test_they_make_the_composite_over_any_background(settings, background) -> None:
    frame, matte = shot(image=IMAGE, alpha=ALPHA)
    frame = replace(frame, settings=settings_with(threshold=0.9, **settings))
    fill, key = halves(keyed().picture_of(frame, matte))
    assert (key == ALPHA[:, :, None]).all()
    joined = fill + np.asarray(background, float) * (1 - key / 255.0)
    assert furthest(joined, blended(IMAGE, ALPHA, background)) <= 1


def test_the_colours_are_those_of_cutouts() -> None:
    screen = np.full_like(IMAGE, (40, 220, 40))
    frame, matte = shot(image=screen, alpha=ALPHA)
    frame = replace(frame, settings=settings_with(despill={"colour": "green", "strength": 1}))
    fill, _ = halves(keyed().picture_of(frame, matte))
    assert fill.max() <= 60


def test_a_card_is_left_out() -> None:
    drawn = keyed()
    assert drawn.picture_of(*shot(image=IMAGE, alpha=ALPHA)).any()
    frame, matte = shot(image=IMAGE, alpha=np.zeros_like(ALPHA))
    stamp = replace(frame.stamp, standby=True)
    card = replace(matte, stamp=stamp, origin="empty")
    assert card.is_card
    assert not drawn.picture_of(replace(frame, stamp=stamp), card).any()


def test_halves_of_an_odd_height_are_even() -> None:
    drawn = keyed()
    image, alpha = noise(33, 21), np.full((21, 33), 255, np.uint8)
    fill, key = halves(drawn.picture_of(*shot(image=image, alpha=alpha)))
    assert (fill[:21] == image).all()
    assert (key[:21] == 255).all()
    assert not fill[21].any()
    assert not key[21].any()
    assert drawn.size(33, 21) == (33, 44)
    again = drawn.picture_of(*shot(image=IMAGE, alpha=ALPHA))
    assert again.shape == (2 * HEIGHT, WIDTH, 3), "another size is drawn too"


def test_it_closes_what_it_draws_from() -> None:
    closed = []

    class Cutout(Composer):
        def close(self) -> None:
            closed.append(1)

    FillAndKey(Cutout(LayoutConfig(layout="cutout"), pixels="bgra")).close()
    assert closed
