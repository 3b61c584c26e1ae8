"""The model sees a prepared picture; the alpha is that of the picture as it was."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest

from streamer.config import BlurConfig, HsvConfig, HsvRangeConfig, PreprocessConfig
from streamer.evaluation import make_clip
from streamer.preprocessing import PreparedSegmenter, prepared
from tests.fakes import FakeSegmenter
from tests.memory import allocating

SHRUNK = PreprocessConfig(max_side=320)


def alpha_of(config: PreprocessConfig, image: np.ndarray, **model) -> np.ndarray:
    out = np.full(image.shape[:2], 99, np.uint8)
    PreparedSegmenter(FakeSegmenter(**model), config).segment(image, out)
    return out


def error(alpha: np.ndarray, truth: np.ndarray) -> float:
    """Mean absolute difference, in thousandths."""
    return np.abs(alpha.astype(int) - truth).mean() / 0.255


class Averaged(FakeSegmenter):
    """Says of a shrunk picture what its alpha is, averaged likewise."""

    def __init__(self, truth: np.ndarray) -> None:
        super().__init__()
        self._truth = truth

    def segment(self, image, out, size=None):
        height, width = out.shape
        cv2.resize(self._truth, (width, height), dst=out, interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize(
    ("config", "shape", "seen"),
    [
        ({"max_side": 64}, (90, 160), (36, 64)),
        ({"max_side": 64}, (160, 90), (64, 36)),
        ({"max_side": 200}, (90, 160), (90, 160)),
        ({"scale": 0.25}, (90, 160), (22, 40)),
        ({"scale": 0.25}, (1, 3), (1, 1)),
        ({"scale": 1.0}, (90, 160), (90, 160)),
    ],
)
def test_the_model_is_given_the_size_that_was_asked_for(config, shape, seen):
    sizes = []
    image = np.zeros((*shape, 3), np.uint8)
    out = alpha_of(
        PreprocessConfig(**config), image, on_segment=lambda given: sizes.append(given.shape[:2])
    )
    assert sizes == [seen]
    assert out.shape == shape


def test_nothing_asked_for_is_nothing_in_between():
    model = FakeSegmenter()
    assert prepared(model, PreprocessConfig()) is model
    regions_only = PreprocessConfig(roi=(0, 0, 0.5, 0.5), output="cropped")
    assert prepared(model, regions_only) is model
    for config in ({"max_side": 64}, {"scale": 0.5}, {"denoise": 0.1}, {"blur": BlurConfig()}):
        assert isinstance(prepared(model, PreprocessConfig(**config)), PreparedSegmenter)


@pytest.mark.parametrize(("name", "share"), [("talking", 0.75), ("moving", 0.7), ("noisy", 0.95)])
def test_a_matte_of_a_shrunk_frame_follows_the_edges_of_the_whole_one(name, share):
    clip = make_clip(name, width=1280, height=720)
    image, truth = clip.frame(10), clip.alpha(10)
    found = np.empty_like(truth)
    PreparedSegmenter(Averaged(truth), SHRUNK).segment(image, found)
    small = cv2.resize(truth, (320, 180), interpolation=cv2.INTER_AREA)
    plain = cv2.resize(small, (1280, 720), interpolation=cv2.INTER_LINEAR)
    assert error(found, truth) < share * error(plain, truth)


def test_what_is_surely_background_or_subject_stays_exactly_so(photographs):
    image = photographs["astronaut"]
    truth = np.zeros(image.shape[:2], np.uint8)
    truth[100:300, 150:350] = 255
    found = np.empty_like(truth)
    PreparedSegmenter(Averaged(truth), PreprocessConfig(scale=0.25)).segment(image, found)
    within = cv2.erode(truth, np.ones((25, 25)))
    around = cv2.dilate(truth, np.ones((25, 25)))
    assert (found[within == 255] == 255).all()
    assert (found[around == 0] == 0).all()


@pytest.mark.parametrize("level", [0, 255])
def test_an_empty_or_full_matte_comes_back_as_such_whatever_the_picture(photographs, level):
    image = photographs["chelsea"]
    truth = np.full(image.shape[:2], level, np.uint8)
    found = np.full_like(truth, 99)
    PreparedSegmenter(Averaged(truth), PreprocessConfig(max_side=64)).segment(image, found)
    assert (found == level).all()


def test_noise_that_the_model_takes_for_a_subject_is_gone_with_denoising():
    """The model takes for a subject what is brighter than a level between it and the room."""
    truth = np.zeros((120, 160), np.uint8)
    cv2.ellipse(truth, (80, 70), (35, 45), 0, 0, 360, 255, -1)
    scene = np.where(truth[..., None] > 0, 150, 100)
    random = np.random.default_rng(2)

    class Brighter(FakeSegmenter):
        def segment(self, image, out, size=None):
            np.copyto(out, (image[:, :, 1] > 125) * np.uint8(255))

    def alphas(config):
        segmenter = prepared(Brighter(), config)
        for frame in frames:
            out = np.empty_like(truth)
            segmenter.segment(frame, out)
            yield out

    frames = [
        np.clip(np.rint(scene + random.normal(0, 18, (120, 160, 3))), 0, 255).astype(np.uint8)
        for _ in range(6)
    ]
    plain, calm = (list(alphas(PreprocessConfig(denoise=strength))) for strength in (0.0, 1.0))
    assert np.mean([error(a, truth) for a in calm]) < 0.1 * np.mean(
        [error(a, truth) for a in plain]
    )
    assert flicker(calm) < 0.15 * flicker(plain)


def flicker(alphas: list[np.ndarray]) -> float:
    return float(np.mean([error(b, a) for a, b in itertools.pairwise(alphas)]))


def test_size_comes_first_and_then_colours():
    """Blue and red in turn are purple where they are shrunk, and no red any more."""
    stripes = np.zeros((40, 40, 3), np.uint8)
    stripes[:, ::2], stripes[:, 1::2] = (255, 0, 0), (0, 0, 255)
    no_red = HsvConfig(mode="drop", ranges=[HsvRangeConfig(hue=(340, 20))])
    whole = alpha_of(PreprocessConfig(hsv=no_red), stripes)
    assert (whole[:, 0::2] == 255).all()
    assert (whole[:, 1::2] == 0).all()
    halved = alpha_of(PreprocessConfig(hsv=no_red, scale=0.5), stripes)
    assert np.abs(halved.astype(int) - 128).max() <= 2


def test_specks_are_smoothed_away_before_colours_are_chosen():
    green = np.full((30, 30, 3), (0, 200, 0), np.uint8)
    green[::6, ::6] = (255, 60, 60)
    seen = alpha_of(
        PreprocessConfig(
            blur=BlurConfig(kind="median", size_px=3),
            hsv=HsvConfig(mode="drop", ranges=[HsvRangeConfig(hue=(100, 140))]),
        ),
        green,
    )
    assert (seen == 0).all(), "nothing blue is left to be seen"


def test_pictures_of_many_sizes_share_memory_that_only_grows():
    config = PreprocessConfig(
        scale=0.5,
        denoise=0.3,
        blur=BlurConfig(),
        hsv=HsvConfig(mode="drop", ranges=[HsvRangeConfig(hue=(100, 140))]),
    )
    segmenter = PreparedSegmenter(FakeSegmenter(), config)
    random = np.random.default_rng(3)
    image = random.integers(0, 256, (360, 640, 3), np.uint8)
    alpha = np.empty((360, 640), np.uint8)
    segmenter.segment(image, alpha)
    with allocating() as growth:
        for _ in range(10):
            height, width = random.integers(100, (360, 640))
            segmenter.segment(image[:height, :width], alpha[:height, :width])
    assert growth.peak < 20_000


def test_an_alpha_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"an image of \(4, 6, 3\) and an alpha of \(6, 4\)"):
        PreparedSegmenter(FakeSegmenter(), SHRUNK).segment(
            np.zeros((4, 6, 3), np.uint8), np.zeros((6, 4), np.uint8)
        )
