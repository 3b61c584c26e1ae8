"""What each panel shows, in which channels, and that settings may change while a stream runs."""

from __future__ import annotations

import logging

import cv2
import numpy as np
import pytest

from streamer.compositing import Composer, colour, cutout_rgba, pixels_of
from streamer.config import ComposeConfig, LayoutConfig
from streamer.core.metrics import LatencyHistogram
from tests.memory import allocating
from tests.unit.compositing.scene import (
    arranged,
    blended,
    composer,
    furthest,
    noise,
    settings_with,
    subject,
)

WIDTH, HEIGHT = 160, 96
IMAGE, ALPHA = noise(WIDTH, HEIGHT), subject(WIDTH, HEIGHT)
EMPTY = np.zeros_like(ALPHA)
EVERY_PANEL = ["source", "cutout", "mask", "alpha", "composite", "overlay"]


def test_the_cutout_on_black_is_weighted_inside_the_mask_and_black_outside() -> None:
    cutout = composer("cutout").compose(IMAGE, ALPHA)
    expected = np.where(ALPHA[:, :, None] >= 128, blended(IMAGE, ALPHA, 0), 0)
    assert furthest(cutout, expected) <= 0.51
    assert not cutout[ALPHA < 128].any()


def test_source_mask_and_alpha_are_what_they_say() -> None:
    assert (composer("source").compose(IMAGE, ALPHA) == IMAGE).all()
    mask = composer("mask", threshold=0.25).compose(IMAGE, ALPHA)
    assert (mask == np.where(ALPHA >= 64, 255, 0)[:, :, None]).all()
    assert (composer("alpha").compose(IMAGE, ALPHA) == ALPHA[:, :, None]).all()


@pytest.mark.parametrize(("name", "opacity"), [("green", 0.5), ("#ff8000", 0.2), ("white", 1.0)])
def test_the_overlay_tints_the_mask_and_leaves_the_room(name, opacity) -> None:
    drawn = composer("overlay", threshold=0.25, overlay={"colour": name, "opacity": opacity})
    out = drawn.compose(IMAGE, ALPHA)
    tinted = IMAGE * (1 - opacity) + np.array(colour(name)) * opacity
    assert furthest(out, np.where(ALPHA[:, :, None] >= 64, tinted, IMAGE)) <= 1.5
    assert (out[ALPHA < 64] == IMAGE[ALPHA < 64]).all()


def test_a_card_is_shown_whole_in_colour_and_empty_in_the_mask() -> None:
    drawn = Composer(arranged("side_by_side", EVERY_PANEL), settings_with(background="white"))
    panels = np.split(drawn.compose(IMAGE, EMPTY, card=True), 6, axis=1)
    for name, picture in zip(EVERY_PANEL, panels, strict=True):
        if name in ("mask", "alpha"):
            assert not picture.any()
        else:
            assert (picture == IMAGE).all(), name
    _, cutout, *_ = np.split(drawn.compose(IMAGE, EMPTY), 6, axis=1)
    assert not cutout.any(), "without a card, nothing is cut out"


@pytest.mark.parametrize("background", ["blur", "pixelate", "dim", "transparent", "green"])
def test_a_card_is_shown_as_it_is_over_every_background(background) -> None:
    settings = {"background": background, "colours": "clean", "despill": {}, "light_wrap": {}}
    assert (composer("composite", **settings).compose(IMAGE, EMPTY, card=True) == IMAGE).all()


@pytest.mark.parametrize("layout", ["cutout", "composite"])
def test_with_an_alpha_colours_are_straight_and_the_room_is_left_out(layout) -> None:
    drawn = Composer(layout, settings_with(background="transparent"), pixels="bgra")
    expected = np.empty((HEIGHT, WIDTH, 4), np.uint8)
    cutout_rgba(IMAGE, ALPHA, expected)
    out = drawn.compose(IMAGE, ALPHA)
    assert (out == expected).all()
    assert not out[ALPHA == 0].any()
    assert not drawn.compose(IMAGE, EMPTY).any(), "an empty matte stays empty"
    card = drawn.compose(IMAGE, EMPTY, card=True)
    assert (card[:, :, :3] == IMAGE).all()
    assert (card[:, :, 3] == 255).all(), "a card is opaque"


def test_a_background_that_takes_the_place_of_none_is_opaque() -> None:
    settings = settings_with(background="transparent")
    drawn = Composer("composite", settings, pixels="bgra")
    drawn.compose(IMAGE, ALPHA)
    out = drawn.compose(IMAGE, ALPHA, settings_with(background="white"))
    assert furthest(out[:, :, :3], blended(IMAGE, ALPHA, 255)) <= 1
    assert (out[:, :, 3] == 255).all()


def test_grey_pictures_have_one_channel() -> None:
    mask = Composer("mask", settings_with(threshold=0.25), pixels="gray").compose(IMAGE, ALPHA)
    assert (mask == np.where(ALPHA >= 64, 255, 0)).all()
    assert (Composer("alpha", pixels="gray").compose(IMAGE, ALPHA) == ALPHA).all()


@pytest.mark.parametrize(
    ("layout", "pixels"), [("source", "bgra"), ("side_by_side", "bgra"), ("cutout", "gray")]
)
def test_channels_that_a_layout_never_has_are_refused(layout, pixels) -> None:
    with pytest.raises(ValueError, match=layout):
        Composer(layout, pixels=pixels)


@pytest.mark.parametrize(
    ("layout", "compose", "pixels"),
    [
        ("mask", {}, "gray"),
        ("alpha", {}, "gray"),
        ("cutout", {"cutout": "rgba"}, "bgra"),
        ("cutout", {}, "bgr"),
        ("composite", {"background": "transparent"}, "bgra"),
        ("composite", {"background": "white"}, "bgr"),
        ("overlay", {"cutout": "rgba"}, "bgr"),
        ("grid", {"cutout": "rgba", "background": "transparent"}, "bgr"),
    ],
)
def test_a_layout_has_the_channels_that_tell_most(layout, compose, pixels) -> None:
    assert pixels_of(layout, ComposeConfig.model_validate(compose)) == pixels


@pytest.mark.parametrize("colours", ["plain", "clean"])
def test_an_empty_matte_shows_nothing_of_the_room_whatever_the_settings(colours) -> None:
    settings = settings_with(
        background="white", colours=colours, despill={}, light_wrap={"strength": 1}
    )
    panels = ["cutout", "mask", "alpha", "composite"]
    drawn = Composer(arranged("stack", panels), settings)
    drawn.compose(IMAGE, ALPHA)
    *black, composite = np.split(drawn.compose(IMAGE, EMPTY), 4)
    assert not np.any(black)
    assert (composite == 255).all()


def green_screen() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A grey subject's own colours, its alpha, and what a camera sees before a green wall."""
    alpha = subject(WIDTH, HEIGHT, edge_px=4)
    own = np.full((HEIGHT, WIDTH, 3), 150, np.uint8)
    return own, alpha, np.rint(blended(own, alpha, colour("green"))).astype(np.uint8)


@pytest.mark.parametrize("layout", ["cutout", "composite"])
def test_clean_colours_take_the_room_out_of_soft_edges(layout) -> None:
    own, alpha, seen = green_screen()
    soft = (alpha > 140) & (alpha < 230)
    expected = blended(own, alpha, 0)

    def error(**compose: object) -> float:
        drawn = composer(layout, background="black", **compose)
        return float(np.abs(drawn.compose(seen, alpha) - expected)[soft].mean())

    assert error(colours="clean") < error() / 3


def test_despill_takes_green_from_cutout_composite_and_straight_colours() -> None:
    _, alpha, seen = green_screen()
    seen[alpha > 200] = (100, 180, 110)
    inside = alpha == 255
    settings = settings_with(despill={"colour": "green"}, background="transparent")
    for drawn in (
        Composer("cutout", settings),
        Composer("composite", settings),
        Composer("cutout", settings, pixels="bgra"),
        Composer("composite", settings, pixels="bgra"),
    ):
        green = drawn.compose(seen, alpha)[inside][:, 1]
        assert (green <= 110).all()
    half = composer("cutout", despill={"strength": 0.5}).compose(seen, alpha)
    assert (np.abs(half[inside][:, 1].astype(int) - 145) <= 1).all()


def test_despill_comes_after_clean_colours() -> None:
    _, alpha, seen = green_screen()
    both = composer("cutout", colours="clean", despill={}).compose(seen, alpha)
    assert (
        both[:, :, 1].astype(int) <= both.max(axis=2, where=[True, False, True], initial=0) + 1
    ).all()


def test_light_wraps_around_the_edges_of_composites_alone() -> None:
    alpha = subject(WIDTH, HEIGHT)
    dark = np.full((HEIGHT, WIDTH, 3), 30, np.uint8)
    settings = {"background": "white", "light_wrap": {"strength": 0.8, "radius_px": 8}}
    plain = composer("composite", background="white").compose(dark, alpha).astype(int)
    wrapped = composer("composite", **settings).compose(dark, alpha).astype(int)
    near = cv2.erode(alpha, np.ones((5, 5), np.uint8)) < 255
    rim = (alpha > 200) & near
    assert (wrapped - plain)[rim].mean() > 15
    far = cv2.erode(alpha, np.ones((31, 31), np.uint8)) == 255
    assert far.any()
    assert (wrapped == plain)[far].all()
    for layout in ("cutout", "source", "overlay"):
        with_it, without = composer(layout, **settings), composer(layout, background="white")
        assert (with_it.compose(dark, alpha) == without.compose(dark, alpha)).all(), layout


@pytest.mark.parametrize("layout", ["source", "overlay", "mask", "alpha"])
def test_what_shows_the_frame_or_the_matte_knows_no_cleaned_colours(layout) -> None:
    _, alpha, seen = green_screen()
    settings = {"colours": "clean", "despill": {}, "light_wrap": {}, "background": "white"}
    first = composer(layout, **settings).compose(seen, alpha)
    assert (first == composer(layout).compose(seen, alpha)).all()


def test_a_new_threshold_holds_from_the_next_picture_on() -> None:
    drawn = Composer(arranged("side_by_side", ["mask", "cutout"]))
    drawn.compose(IMAGE, ALPHA)
    mask, cutout = np.split(drawn.compose(IMAGE, ALPHA, settings_with(threshold=0.9)), 2, axis=1)
    assert (mask == np.where(ALPHA >= 230, 255, 0)[:, :, None]).all()
    assert not cutout[ALPHA < 230].any()


def test_new_settings_hold_from_the_next_picture_on(tmp_path) -> None:
    picture = noise(WIDTH, HEIGHT, 9)
    assert cv2.imwrite(str(tmp_path / "beach.png"), picture)
    drawn = Composer("composite")
    for background, expected in (
        ("white", 255),
        ({"type": "image", "path": str(tmp_path / "beach.png")}, picture),
        ("#102030", (0x30, 0x20, 0x10)),
        ({"type": "dim", "keep": 0.5}, IMAGE * 0.5),
    ):
        out = drawn.compose(IMAGE, ALPHA, settings_with(background=background))
        assert furthest(out, blended(IMAGE, ALPHA, expected)) <= 1.5


def test_a_new_overlay_holds_while_the_background_stays_open() -> None:
    opened: list[str] = []

    class Still:
        def __call__(self, pts_s: float) -> np.ndarray:
            return np.full((HEIGHT, WIDTH, 3), 80, np.uint8)

        def close(self) -> None:
            raise AssertionError("it is still wanted")

    def open_video(path: str) -> Still:
        opened.append(path)
        return Still()

    settings = settings_with(background={"type": "video", "path": "waves.mp4"})
    layout = arranged("side_by_side", ["overlay", "composite"])
    drawn = Composer(layout, settings, open_video=open_video)
    drawn.compose(IMAGE, ALPHA)
    waves = {"type": "video", "path": "waves.mp4"}
    settings = settings_with(background=waves, overlay={"opacity": 1})
    overlay, composite = np.split(drawn.compose(IMAGE, ALPHA, settings), 2, axis=1)
    assert (overlay[ALPHA >= 128] == colour("green")).all()
    assert furthest(composite, blended(IMAGE, ALPHA, 80)) <= 1
    assert opened == ["waves.mp4"]


def test_a_new_background_that_cannot_be_had_is_logged_once_and_the_old_one_stays(caplog) -> None:
    drawn = Composer("composite", settings_with(background="white"))
    before = drawn.compose(IMAGE, ALPHA).copy()
    gone = {"type": "image", "path": "no/such/beach.png"}
    with caplog.at_level(logging.WARNING, "streamer"):
        for settings in (settings_with(background=gone), settings_with(background=gone)):
            assert (drawn.compose(IMAGE, ALPHA, settings) == before).all()
    (record,) = caplog.records
    assert "no/such/beach.png" in record.getMessage()
    out = drawn.compose(IMAGE, ALPHA, settings_with(background="green"))
    assert furthest(out, blended(IMAGE, ALPHA, colour("green"))) <= 1


def test_a_background_that_is_not_drawn_is_not_opened() -> None:
    def opened(path: str) -> None:
        raise AssertionError("nobody shows it")

    drawn = Composer("cutout", open_video=opened)
    drawn.compose(IMAGE, ALPHA, settings_with(background={"type": "video", "path": "waves.mp4"}))


def test_a_video_that_another_background_replaces_is_closed() -> None:
    closed: list[bool] = []

    class Still:
        def __call__(self, pts_s: float) -> np.ndarray:
            return np.full((HEIGHT, WIDTH, 3), 80, np.uint8)

        def close(self) -> None:
            closed.append(True)

    settings = settings_with(background={"type": "video", "path": "waves.mp4"})
    drawn = Composer("composite", settings, open_video=lambda path: Still())
    drawn.compose(IMAGE, ALPHA)
    drawn.compose(IMAGE, ALPHA, settings_with(background="blur"))
    assert closed == [True]


def test_the_same_memory_is_composed_into_until_the_size_changes() -> None:
    drawn = Composer()
    first = drawn.compose(IMAGE, ALPHA)
    assert drawn.compose(IMAGE, ALPHA) is first
    other = drawn.compose(np.zeros((5, 7, 3), np.uint8), np.zeros((5, 7), np.uint8))
    assert other.shape == (5, 14, 3)


def test_the_duration_of_each_composition_is_recorded() -> None:
    latency = LatencyHistogram()
    drawn = Composer("cutout", latency=latency)
    drawn.compose(IMAGE, ALPHA)
    assert latency.quantile_ms(0.5) is not None


@pytest.mark.parametrize(
    "compose",
    [
        {"background": "#102030"},
        {"background": "blur"},
        {"background": "pixelate"},
        {"background": "dim", "despill": {}},
    ],
)
@pytest.mark.parametrize("tile", [None, (320, 180)])
def test_composing_allocates_nothing_of_a_frames_size(compose, tile) -> None:
    image, alpha = noise(640, 360), subject(640, 360)
    layout = LayoutConfig.model_validate({"panels": EVERY_PANEL, "tile": tile, "labels": True})
    drawn = Composer(layout, settings_with(**compose))
    rgba = Composer("cutout", pixels="bgra")
    for _ in range(2):
        drawn.compose(image, alpha)
        rgba.compose(image, alpha)
    with allocating() as growth:
        drawn.compose(image, alpha)
        rgba.compose(image, alpha)
    assert growth.peak < 360 * 640 / 2
