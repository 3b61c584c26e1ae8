import math

import numpy as np
import pytest
from skimage.measure import label

from streamer.evaluation.metrics import (
    boundary_f,
    conn,
    dtssd,
    grad,
    iou,
    leak,
    loss,
    mad,
    mse,
)


def alpha(*rows):
    return np.array(rows, np.uint8)


def noise(seed, shape=(23, 31)):
    """Blobs with every level of alpha, which two seeds share in part."""
    import cv2

    random = np.random.default_rng(seed)
    broad = cv2.resize(random.integers(0, 256, (5, 6)).astype(np.float32), shape[::-1])
    common = cv2.resize(
        np.random.default_rng(99).integers(0, 256, (4, 5)).astype(np.float32), shape[::-1]
    )
    return np.clip((broad + 2 * common) / 2 - 60, 0, 255).astype(np.uint8)


def test_mad_and_mse_are_of_alphas_in_0_to_1_times_a_thousand():
    prediction, truth = alpha([0, 51], [255, 0]), alpha([0, 0], [255, 102])
    assert mad(prediction, truth) == pytest.approx((0.2 + 0.4) / 4 * 1e3)
    assert mse(prediction, truth) == pytest.approx((0.04 + 0.16) / 4 * 1e3)


def test_dtssd_compares_the_changes_and_not_the_alphas():
    truth_before, truth = alpha([0, 0], [0, 0]), alpha([255, 0], [0, 0])
    wrong_by_a_constant = alpha([51, 51], [51, 51])
    assert dtssd(truth, truth_before, truth, truth_before) == 0
    assert dtssd(wrong_by_a_constant, wrong_by_a_constant, truth, truth) == 0
    missed = dtssd(truth_before, truth_before, truth, truth_before)
    assert missed == pytest.approx(math.sqrt(1 / 4) * 1e2)
    falling = dtssd(truth_before, truth, truth, truth_before)
    assert falling == pytest.approx(math.sqrt(4 / 4) * 1e2)


def test_grad_is_the_sum_that_its_definition_says_pixel_by_pixel():
    prediction, truth = noise(1), noise(2)
    expected = np.sum((gradient(truth) - gradient(prediction)) ** 2) / 1e3
    assert grad(prediction, truth) == pytest.approx(expected, rel=1e-4)
    assert grad(truth, truth) == 0


def gradient(image):
    sigma = 1.4
    reach = math.ceil(sigma * math.sqrt(-2 * math.log(math.sqrt(2 * math.pi) * sigma * 0.01)))

    def bell(x):
        return math.exp(-(x**2) / (2 * sigma**2)) / (sigma * math.sqrt(2 * math.pi))

    span = range(-reach, reach + 1)
    kernel = np.array([[bell(y) * -x * bell(x) / sigma**2 for x in span] for y in span])
    kernel /= np.sqrt((kernel**2).sum())
    padded = np.pad(image / 255, reach, mode="edge")
    result = np.zeros((*image.shape, 2))
    for y, x in np.ndindex(image.shape):
        window = padded[y : y + 2 * reach + 1, x : x + 2 * reach + 1]
        result[y, x] = (window * kernel).sum(), (window * kernel.T).sum()
    return np.hypot(result[..., 0], result[..., 1])


@pytest.mark.parametrize("seed", range(5))
def test_conn_is_the_sum_that_its_definition_says_by_another_labelling(seed):
    prediction, truth = noise(seed), noise(seed + 50)
    assert conn(prediction, truth) == pytest.approx(slow_conn(prediction, truth), rel=1e-5)


def slow_conn(prediction, truth):
    p, t = prediction / 255, truth / 255
    connected = -np.ones(t.shape)
    for step in range(1, 11):
        level = step / 10
        parts = label((t >= level - 1e-9) & (p >= level - 1e-9), connectivity=1)
        sizes = np.bincount(parts.ravel())[1:]
        largest = parts == 1 + np.argmax(sizes) if len(sizes) else np.zeros(t.shape, bool)
        connected[(connected == -1) & ~largest] = level - 0.1
    connected[connected == -1] = 1

    def phi(a):
        above = a - connected
        return 1 - np.where(above >= 0.15, above, 0)

    return np.abs(phi(t) - phi(p)).sum() / 1e3


def test_conn_counts_a_speck_that_is_apart_from_the_subject():
    truth = np.zeros((20, 20), np.uint8)
    truth[2:12, 2:12] = 255
    speck = truth.copy()
    speck[15:18, 15:18] = 255
    assert conn(truth, truth) == 0
    assert conn(speck, truth) == pytest.approx(9 / 1e3)


def test_iou_is_of_the_masks():
    truth = alpha([255, 255, 0, 0])
    assert iou(alpha([128, 127, 200, 0]), truth) == pytest.approx(1 / 3)
    assert iou(truth, truth) == 1


def test_of_nothing_nothing_is_perfect():
    empty = np.zeros((9, 9), np.uint8)
    assert (iou(empty, empty), boundary_f(empty, empty)) == (1, 1)
    assert (mad(empty, empty), grad(empty, empty), conn(empty, empty)) == (0, 0, 0)


def test_boundaries_may_be_two_pixels_apart_and_no_more():
    truth = np.zeros((40, 40), np.uint8)
    truth[10:30, 10:30] = 255
    assert boundary_f(truth, truth) == 1
    assert boundary_f(np.roll(truth, 2, axis=1), truth) == 1
    shifted = boundary_f(np.roll(truth, 3, axis=1), truth)
    # The two sides along the shift still meet but for their ends; the two across it do not.
    assert 0.4 < shifted < 0.6
    assert boundary_f(np.zeros_like(truth), truth) == 0


def test_leak_is_what_is_shown_of_the_room_and_loss_what_is_not_of_the_subject():
    truth = np.array([[0, 13, 14, 128, 241, 242, 255, 255]], np.uint8)
    everything, nothing = np.full_like(truth, 255), np.zeros_like(truth)
    assert leak(truth, truth) == loss(truth, truth) == 0
    assert (leak(everything, truth), loss(everything, truth)) == (2 / 8, 0)
    assert (leak(nothing, truth), loss(nothing, truth)) == (0, 3 / 8)
    half = np.full_like(truth, 127)
    assert (leak(half, truth), loss(half, truth)) == (0, 3 / 8), "half is not shown"
