"""What each filter does to a picture, in figures."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.config import BlurConfig, HsvConfig, HsvRangeConfig, PreprocessConfig
from streamer.preprocessing.filters import ColourChoice, Denoising, Smoothing, filters_of


def noisy(picture: np.ndarray, deviation: float) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, deviation, picture.shape)
    return np.clip(np.rint(picture + noise), 0, 255).astype(np.uint8)


def filtered(apply, picture: np.ndarray) -> np.ndarray:
    out = np.full_like(picture, 77)
    kept = picture.copy()
    apply(picture, out)
    assert (picture == kept).all(), "what is read is left alone"
    return out


def psnr_db(picture: np.ndarray, truth: np.ndarray) -> float:
    return 10 * np.log10(255**2 / np.square(picture.astype(float) - truth).mean())


def patches(*colours: tuple[int, int, int]) -> np.ndarray:
    """One row of single BGR pixels."""
    return np.array([colours], np.uint8)


RED, YELLOW, GREEN, BLUE = (0, 0, 255), (0, 255, 255), (0, 255, 0), (255, 0, 0)
PINK, GREY, BLACK = (85, 0, 255), (128, 128, 128), (0, 0, 0)
"""Pink has a hue of 340 degrees."""


@pytest.mark.parametrize(("deviation", "strength", "gain_db"), [(8, 0.3, 4), (15, 0.7, 6)])
def test_denoising_takes_noise_away_and_keeps_the_picture(
    photographs, deviation, strength, gain_db
):
    for truth in photographs.values():
        spoilt = noisy(truth, deviation)
        better = filtered(Denoising(strength), spoilt)
        assert psnr_db(better, truth) > psnr_db(spoilt, truth) + gain_db


def test_denoising_keeps_an_edge_that_a_gaussian_of_its_size_blurs():
    step = np.zeros((20, 20, 3), np.uint8)
    step[:, 10:] = 200
    spoilt = noisy(step, 10)
    sharp, soft = (
        filtered(apply, spoilt)[:, 9:11].astype(int) - step[:, 9:11]
        for apply in (Denoising(0.5), Smoothing(BlurConfig(kind="gaussian", size_px=5)))
    )
    assert np.abs(sharp).mean() < 8
    assert np.abs(soft).mean() > 25


def test_denoising_grows_with_its_strength(photographs):
    spoilt = noisy(photographs["astronaut"], 25)
    results = [
        psnr_db(filtered(Denoising(strength), spoilt), photographs["astronaut"])
        for strength in (0.25, 0.5, 1.0)
    ]
    assert results == sorted(results)
    assert results[-1] > results[0] + 3


def test_a_median_removes_a_speck_and_keeps_an_edge():
    picture = np.zeros((15, 30, 3), np.uint8)
    picture[:, 15:] = 220
    specked = picture.copy()
    specked[7, 5], specked[7, 22] = 255, 0
    median = Smoothing(BlurConfig(kind="median", size_px=3))
    assert (filtered(median, specked) == picture).all()


@pytest.mark.parametrize(("size_px", "deviation_px"), [(5, 1.1), (31, 5.0)])
def test_a_gaussian_spreads_a_point_as_far_as_its_size_says(size_px, deviation_px):
    point = np.zeros((41, 41, 3), np.uint8)
    point[20, :] = 255  # a line, so that what is spread is not lost to rounding
    profile = filtered(Smoothing(BlurConfig(size_px=size_px)), point)[:, 20, 0].astype(float)
    across = np.arange(41) - 20
    measured = np.sqrt((profile * across**2).sum() / profile.sum())
    assert measured == pytest.approx(deviation_px, rel=0.15)
    assert not profile[np.abs(across) > size_px // 2].any()


def test_a_bilateral_blur_smooths_texture_and_not_an_outline():
    picture = np.full((30, 30, 3), 100, np.uint8)
    picture[::2, :15] = 112
    picture[:, 15:] = 240
    out = filtered(Smoothing(BlurConfig(kind="bilateral", size_px=7)), picture)
    assert out[5:25, 2:13].std() < picture[5:25, 2:13].std() / 3
    assert (np.abs(out[:, 16:].astype(int) - 240) <= 2).all()


@pytest.mark.parametrize(
    ("mode", "hues", "left"),
    [
        ("keep", [(90, 150)], [GREEN]),
        ("drop", [(90, 150)], [RED, YELLOW, BLUE, PINK]),
        ("keep", [(340, 20)], [RED, PINK]),
        ("keep", [(345, 20)], [RED]),
        ("drop", [(340, 20)], [YELLOW, GREEN, BLUE]),
        ("keep", [(50, 70), (200, 280)], [YELLOW, BLUE]),
        ("keep", [(0, 360)], [RED, YELLOW, GREEN, BLUE, PINK]),
    ],
)
def test_colours_are_kept_or_dropped_by_hue_also_across_zero(mode, hues, left):
    colours = (RED, YELLOW, GREEN, BLUE, PINK)
    ranges = [HsvRangeConfig(hue=hue, saturation=(0.5, 1)) for hue in hues]
    out = filtered(ColourChoice(HsvConfig(mode=mode, ranges=ranges)), patches(*colours))
    wanted = patches(*(colour if colour in left else BLACK for colour in colours))
    assert (out == wanted).all(), "as they are, or black"


def test_saturation_and_value_bound_a_colour_too():
    pale_green, dark_green = (200, 255, 200), (0, 60, 0)
    picture = patches(GREEN, pale_green, dark_green, GREY)
    one = HsvRangeConfig(hue=(90, 150), saturation=(0.5, 1), value=(0.5, 1))
    out = filtered(ColourChoice(HsvConfig(mode="keep", ranges=[one])), picture)
    assert (out == patches(GREEN, BLACK, BLACK, BLACK)).all()


def test_they_are_applied_in_the_documented_order():
    config = PreprocessConfig(
        denoise=0.5,
        blur=BlurConfig(),
        hsv=HsvConfig(mode="drop", ranges=[HsvRangeConfig(hue=(90, 150))]),
    )
    kinds = [type(apply) for apply in filters_of(config)]
    assert kinds == [Denoising, Smoothing, ColourChoice]
    assert filters_of(PreprocessConfig(max_side=64)) == []
