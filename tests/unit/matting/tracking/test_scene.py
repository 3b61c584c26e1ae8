import cv2
import numpy as np
import pytest

from streamer.matting.tracking.flow import FlowFinder
from streamer.matting.tracking.luma import Shrinker
from streamer.matting.tracking.scene import has_texture, is_blind, is_cut, is_new
from tests.unit.matting.tracking.footage import SIZE, dimmed, footage


def luma(image: np.ndarray) -> np.ndarray:
    shrinker = Shrinker(*image.shape[:2])
    out = np.empty(shrinker.size, np.uint8)
    shrinker.shrink(image, out)
    return out


def unexplained(now: np.ndarray, before: np.ndarray) -> np.ndarray:
    finder = FlowFinder(now.shape)
    flow, residual = np.zeros((*now.shape, 2), np.float32), np.empty(now.shape, np.float32)
    finder.find(now, before, flow)
    finder.residual(now, before, flow, residual)
    return residual


def cut(before: np.ndarray, now: np.ndarray) -> bool:
    one, other = luma(before), luma(now)
    return is_cut(one, other, unexplained(other, one))


def test_a_covered_lens_shows_nothing():
    film = footage("covered", 34)
    assert not is_blind(luma(film.images[29]))
    assert is_blind(luma(film.images[31]))


def test_a_room_without_light_shows_nothing():
    film = footage("lights", 36)
    assert not is_blind(luma(film.images[20]))
    assert is_blind(luma(film.images[34]))


def test_a_wall_of_one_colour_shows_nothing():
    assert is_blind(np.full((180, 320), 200, np.uint8))


def test_one_in_the_light_before_a_black_wall_is_to_be_seen():
    stage = np.full((180, 320), 2, np.uint8)
    stage[60:120, 140:180] = 180
    assert stage.mean() < 12
    assert not is_blind(stage)


@pytest.mark.parametrize("gain", [1.0, 0.5, 0.2])
def test_another_scene_is_a_cut_in_any_light(gain):
    film = dimmed(footage("cuts", 61), gain)
    for first in (30, 60):
        assert cut(film.images[first - 1], film.images[first])


def before(other: np.ndarray, subject: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """*subject* before another picture."""
    share = (cv2.dilate(alpha, np.ones((5, 5), np.uint8)) / 255.0)[..., None]
    return np.rint(subject * share + other * (1 - share)).astype(np.uint8)


@pytest.mark.parametrize("stays", [True, False], ids=["subject stays", "another one"])
def test_another_picture_behind_a_subject_that_stays_is_no_cut(stays):
    film = footage("talking", 31)
    blocks = np.random.default_rng(1).choice([20, 210], (24, 43)).astype(np.uint8)
    street = np.repeat(np.repeat(blocks, 6, 0), 6, 1)[: SIZE[0], : SIZE[1], None]
    image, alpha = film.images[30], film.alphas[30]
    then = luma(film.images[29])
    now = luma(before(street, image if stays else 255 - image, alpha))
    residual = unexplained(now, then)
    height, width = now.shape
    near = cv2.dilate(cv2.resize(alpha, (width, height)), np.ones((13, 13), np.uint8))
    assert is_cut(then, now, residual), "as a picture it is one"
    assert is_cut(then, now, residual, near) is not stays


@pytest.mark.parametrize("gain", [1.0, 0.2])
@pytest.mark.parametrize("name", ["noisy", "panning", "shaking", "moving", "leaving", "talking"])
def test_noise_a_pan_and_one_who_moves_are_no_cuts(name, gain):
    film = dimmed(footage(name, 31), gain)
    for before, now in zip(film.images[:-3:3], film.images[3::3], strict=True):
        assert not cut(before, now), "although frames were lost between"


def test_what_comes_in_is_new_where_nobody_was():
    film = footage("fast", 20)
    empty, near = luma(film.images[5]), np.zeros(SIZE, np.uint8)
    assert not is_new(unexplained(luma(film.images[9]), empty), near)
    assert is_new(unexplained(luma(film.images[18]), empty), near)
    assert not is_new(unexplained(luma(film.images[18]), empty), near + 1), "all of it is known of"


def around_a_disc(picture: np.ndarray) -> bool:
    subject, near = np.zeros((180, 320), np.uint8), np.zeros((180, 320), np.uint8)
    cv2.circle(subject, (160, 90), 50, 255, -1)
    cv2.circle(near, (160, 90), 58, 255, -1)
    return has_texture(picture, subject, near)


def test_grass_has_texture_and_a_wall_has_none_however_noisy_its_picture_is() -> None:
    random = np.random.default_rng(4)
    grass = cv2.resize(random.integers(0, 256, (90, 160), np.uint8), (320, 180))
    assert around_a_disc(grass)
    noise = random.normal(128, 6, (180, 320))
    assert not around_a_disc(np.clip(noise, 0, 255).astype(np.uint8))
    inside = np.full((180, 320), 128, np.uint8)
    inside[60:120, 130:190] = grass[60:120, 130:190]
    assert not around_a_disc(inside), "the subject's own does not count"
