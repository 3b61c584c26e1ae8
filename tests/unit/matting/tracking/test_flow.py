import cv2
import numpy as np
import pytest

from streamer.core.boxes import Box
from streamer.matting.tracking.flow import AlphaCarrier, FlowFinder
from streamer.matting.tracking.keys import Key, Lead
from streamer.matting.tracking.luma import luma_size
from tests.unit.matting.tracking.discs import before_and_now


def texture(height: int = 180, width: int = 320) -> np.ndarray:
    random = np.random.default_rng(3)
    grain = random.integers(0, 256, (height // 4, width // 4), np.uint8)
    large = cv2.resize(grain, (width, height), interpolation=cv2.INTER_CUBIC)
    return cv2.GaussianBlur(large, (0, 0), 2)


def moved(picture: np.ndarray, x: float, y: float) -> np.ndarray:
    shift = np.array([[1, 0, x], [0, 1, y]], np.float64)
    height, width = picture.shape[:2]
    return cv2.warpAffine(picture, shift, (width, height), borderMode=cv2.BORDER_REPLICATE)


@pytest.mark.parametrize(("x", "y"), [(3, 0), (0, -5), (6.5, 2.25), (-10, 4)])
def test_a_picture_moved_by_a_known_amount_is_carried_to_within_half_a_pixel(x, y):
    before = texture()
    now = moved(before, x, y)
    finder = FlowFinder(before.shape)
    flow = np.zeros((180, 320, 2), np.float32)
    finder.find(now, before, flow)
    inside = flow[20:-20, 20:-20]
    assert np.abs(np.median(inside, axis=(0, 1)) - (-x, -y)).max() < 0.25
    gap = np.linalg.norm(inside - np.float32((-x, -y)), axis=2)
    assert np.percentile(gap, 95) < 0.5
    residual = np.empty((180, 320), np.float32)
    finder.residual(now, before, flow, residual)
    assert residual[20:-20, 20:-20].mean() < 3


@pytest.mark.parametrize(
    "place", [Box(0, 16, 320, 144), Box(48, 0, 256, 180), Box(16, 24, 200, 96)]
)
def test_flow_is_found_in_a_place_alone(place):
    before = texture()
    now = moved(before, 3, 0)
    flow = np.full((180, 320, 2), 7, np.float32)
    flow[place.slices] = 0
    FlowFinder(before.shape).find(now, before, flow, place)
    assert np.median(flow[place.slices][10:-10, 10:-10, 0]) == pytest.approx(-3, abs=0.25)
    flow[place.slices] = 0
    assert not flow.any()


def test_a_small_place_leaves_the_finder_as_it_was():
    before = texture()
    now, finder = moved(before, 3, 1), FlowFinder(before.shape, finest_scale=1)
    flows = np.zeros((2, 180, 320, 2), np.float32)
    finder.find(now, before, flows[0])
    finder.find(now, before, np.zeros((180, 320, 2), np.float32), Box(0, 0, 32, 40))
    finder.find(now, before, flows[1])
    assert (flows[0] == flows[1]).all()


def test_what_no_flow_explains_has_a_residual():
    before, now = texture(), texture()
    now[60:120, 100:200] = np.random.default_rng(1).integers(0, 256, (60, 100), np.uint8)
    finder = FlowFinder(before.shape)
    flow, residual = np.zeros((180, 320, 2), np.float32), np.empty((180, 320), np.float32)
    finder.find(now, before, flow)
    finder.residual(now, before, flow, residual)
    assert residual[70:110, 110:190].mean() > 20 > 5 > residual[:, 220:].mean()


def test_what_was_hidden_has_no_way_back():
    before, now, old, new = before_and_now(12)
    finder, flow = FlowFinder((180, 320)), np.zeros((180, 320, 2), np.float32)
    lumas = [cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) for picture in (now, before)]
    finder.find(*lumas, flow)
    astray, reached = np.empty((180, 320), np.float32), np.empty((180, 320), np.uint8)
    finder.look_back(*lumas, flow, old, astray, reached)
    uncovered = (old > 0) & (new == 0)
    away = cv2.dilate(old | new, np.ones((41, 41), np.uint8)) == 0
    within = cv2.erode(new, np.ones((41, 41), np.uint8)) > 0
    assert np.median(astray[uncovered]) > 2
    assert np.median(astray[away]) < 0.2
    assert np.median(astray[within]) < 0.5
    assert (reached[within] == 255).all()
    wide = cv2.dilate(new, np.ones((13, 13), np.uint8)) > 0
    assert np.count_nonzero(reached[~wide]) < 0.05 * np.count_nonzero(new)


def test_what_leads_out_of_the_picture_is_reached():
    picture = texture()
    finder, flow = FlowFinder(picture.shape), np.zeros((180, 320, 2), np.float32)
    flow[..., 0] = 12
    astray, reached = np.empty((180, 320), np.float32), np.empty((180, 320), np.uint8)
    finder.look_back(picture, moved(picture, 12, 0), flow, np.zeros_like(picture), astray, reached)
    assert reached[:, 312:].all()
    assert not reached[:, :290].any()


@pytest.mark.parametrize("size", [(360, 640), (361, 641), (180, 320)])
def test_an_alpha_of_full_size_moves_as_far_as_the_small_picture_says(size):
    height, width = size
    small = luma_size(height, width)
    alpha = np.zeros(size, np.uint8)
    cv2.circle(alpha, (width // 2, height // 2), height // 5, 255, -1, cv2.LINE_AA)
    scale = width / small[1]
    flow = np.full((*small, 2), (-4.0, 2.0), np.float32)
    out = np.empty_like(alpha)
    AlphaCarrier(size, small).carry(alpha, flow, Box(0, 0, width, height), out)
    expected = moved(alpha, 4 * scale, -2 * height / small[0])
    assert np.abs(out.astype(int) - expected).mean() < 0.2


def test_an_alpha_that_is_cut_by_the_frame_goes_on_beyond_it():
    alpha = np.zeros((180, 320), np.uint8)
    alpha[:, :100] = 255
    out = np.empty_like(alpha)
    AlphaCarrier((180, 320), (180, 320)).carry(
        alpha, np.full((180, 320, 2), (-7.0, 0.0), np.float32), Box(0, 0, 320, 180), out
    )
    assert (out[:, :106] == 255).all()
    assert not out[:, 108:].any()


def lead_between(now: np.ndarray, before: np.ndarray) -> Lead:
    key = Key((180, 320), (180, 320))
    key.luma[:] = before
    lead = Lead((180, 320))
    lead.follow(FlowFinder((180, 320)), now, key, None)
    return lead


def noisy(picture: np.ndarray, strength: float, seed: int) -> np.ndarray:
    grain = np.random.default_rng(seed).standard_normal(picture.shape) * strength
    return np.clip(np.rint(picture + grain), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("strength", [0, 2, 6])
def test_noise_is_no_movement(strength):
    picture = texture()
    lead = lead_between(noisy(picture, strength, 1), noisy(picture, strength, 2))
    assert lead.still
    assert not lead.flow.any()


@pytest.mark.parametrize("strength", [0, 2, 6])
def test_a_hand_that_moves_is_movement(strength):
    before, now = texture(), texture()
    now[80:100, 150:170] = moved(texture(), 3, 0)[80:100, 150:170]
    assert not lead_between(noisy(now, strength, 1), noisy(before, strength, 2)).still


def test_a_lead_knows_its_key_although_another_takes_the_keys_place():
    lead = lead_between(texture(), texture())
    key = lead.key
    assert lead.leads_to(key)
    key.number += 5
    assert not lead.leads_to(key), "the key was used for another frame"


@pytest.mark.parametrize(
    ("size", "small"),
    [
        ((720, 1280), (180, 320)),
        ((1280, 720), (320, 180)),
        ((48, 64), (48, 64)),
        ((8, 4000), (16, 320)),
    ],
)
def test_pictures_are_tracked_small(size, small):
    assert luma_size(*size) == small
