"""Stand-by cards and labels: within their picture, and readable on any ground."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.compositing import draw_card
from streamer.compositing.lettering import draw_label
from tests.unit.compositing.scene import noise


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


def box_of(before: np.ndarray, after: np.ndarray) -> tuple[int, int]:
    """(width, height) of what was written on in the upper left corner."""
    changed = np.argwhere((before != after).reshape(*before.shape[:2], -1).any(axis=2))
    assert tuple(changed.min(axis=0)) == (0, 0)
    bottom, right = changed.max(axis=0) + 1
    return right, bottom


@pytest.mark.parametrize("ground", [0, 128, 255, "noise"])
@pytest.mark.parametrize("channels", [(), (3,), (4,)])
def test_a_label_is_white_on_black_whatever_is_below(ground, channels) -> None:
    picture = np.full((240, 320, *channels), 0 if ground == "noise" else ground, np.uint8)
    if ground == "noise":
        picture[:] = noise(320, 240)[:, :, :1] if channels else noise(320, 240)[:, :, 0]
    out = picture.copy()
    draw_label(out, "composite")
    box = out[:12, :48].reshape(12, 48, -1)[:, :, 0]
    assert box.max() >= 200, "white letters; the strokes of small ones are softened"
    assert not box[0].any(), "on black"
    assert (box < 50).mean() > 0.5
    if channels == (4,):
        assert (out[:12, :48, 3] == 255).all(), "and opaque"
    assert (out[40:] == picture[40:]).all()


def test_a_label_grows_with_its_picture() -> None:
    sizes = []
    for height in (360, 720, 1440):
        picture = np.full((height, height * 16 // 9, 3), 128, np.uint8)
        out = picture.copy()
        draw_label(out, "source")
        sizes.append(box_of(picture, out))
    (small, middle, large) = np.array(sizes)
    assert np.abs(middle - 2 * small).max() <= 6
    assert np.abs(large - 4 * small).max() <= 12
    assert middle[1] < 720 / 12


@pytest.mark.parametrize("size", [(16, 16), (16, 200), (300, 16), (1, 1)])
def test_a_label_stays_within_a_small_picture(size) -> None:
    out = np.full((*size, 3), 128, np.uint8)
    draw_label(out, "composite")
    assert out.shape == (*size, 3)
