"""
How far one alpha is from the truth.

MAD, MSE, Grad, Conn and dtSSD are those of Robust Video Matting (Lin, Yang, Saleemi, Sengupta
2022), as its `evaluation/evaluate_hr.py` and, for Conn, `evaluate_lr.py` compute and scale them.
Grad is that of the former, which does not stretch each alpha to 0..1 first: in a picture without a
subject that would turn noise into one. Grad and Conn go back to Rhemann et al. 2009, dtSSD to
Erofeev et al. 2015.

All take alphas as (H, W) uint8 of one size and return a float. 0 is perfect, except for `iou` and
`boundary_f`, where 1 is.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.frame import Alpha

_SIGMA = 1.4
_CONN_STEPS = 10
_CONN_MISS = 0.15
_BOUNDARY_PX = 2
_BARE, _FULL, _HALF = 13, 242, 127
"""Alphas of 0.05, 0.95 and 0.5."""

Floats = NDArray[np.float32]


def mad(prediction: Alpha, truth: Alpha) -> float:
    """Mean absolute difference, of alphas in 0..1, times 1e3."""
    return float(cv2.norm(prediction, truth, cv2.NORM_L1)) / truth.size / 255 * 1e3


def leak(prediction: Alpha, truth: Alpha) -> float:
    """Share of the picture that is shown but should not be: alpha over 0.5, truth up to 0.05."""
    return float(np.count_nonzero((truth <= _BARE) & (prediction > _HALF))) / truth.size


def loss(prediction: Alpha, truth: Alpha) -> float:
    """Share of the picture that should be shown but is not: alpha up to 0.5, truth from 0.95."""
    return float(np.count_nonzero((truth >= _FULL) & (prediction <= _HALF))) / truth.size


def mse(prediction: Alpha, truth: Alpha) -> float:
    """Mean squared difference, of alphas in 0..1, times 1e3."""
    return float(cv2.norm(prediction, truth, cv2.NORM_L2SQR)) / truth.size / 255**2 * 1e3


def grad(prediction: Alpha, truth: Alpha) -> float:
    """Sum of squared differences of the gradients' magnitudes (Gaussian, sigma 1.4), over 1e3."""
    difference = _gradient(prediction) - _gradient(truth)
    return float(np.sum(difference * difference, dtype=np.float64)) / 1e3


def conn(prediction: Alpha, truth: Alpha) -> float:
    """
    Sum of differences of connectivity, over 1e3.

    A pixel is connected up to the highest of ten levels at which it belongs to the largest
    4-connected part that both alphas share. Its alpha above that level, if it is 0.15 or more, is
    how far it is disconnected.
    """
    x, y, wide, tall = cv2.boundingRect(cv2.max(prediction, truth))
    if not wide:
        return 0.0
    prediction, truth = prediction[y : y + tall, x : x + wide], truth[y : y + tall, x : x + wide]
    both = cv2.min(prediction, truth)
    connected = np.ones(both.shape, np.float32)
    undecided = np.ones(both.shape, bool)
    for step in range(1, _CONN_STEPS + 1):
        level = math.ceil(255 * step / _CONN_STEPS)
        lost = undecided & ~_largest_part(both >= level)
        connected[lost] = (step - 1) / _CONN_STEPS
        undecided &= ~lost
    misses = [_miss(alpha, connected) for alpha in (prediction, truth)]
    return float(np.sum(np.abs(misses[0] - misses[1]), dtype=np.float64)) / 1e3


def dtssd(prediction: Alpha, before: Alpha, truth: Alpha, truth_before: Alpha) -> float:
    """Root mean square difference of the changes since the frame before, times 1e2."""
    change = cv2.subtract(prediction, before, dtype=cv2.CV_32F)
    true_change = cv2.subtract(truth, truth_before, dtype=cv2.CV_32F)
    return float(cv2.norm(change, true_change, cv2.NORM_L2)) / math.sqrt(truth.size) / 255 * 1e2


def iou(prediction: Alpha, truth: Alpha) -> float:
    """Intersection over union of where alpha is at least 0.5; 1 where both are empty."""
    ours, theirs = prediction >= 128, truth >= 128
    union = np.count_nonzero(ours | theirs)
    return np.count_nonzero(ours & theirs) / union if union else 1.0


def boundary_f(prediction: Alpha, truth: Alpha) -> float:
    """
    F-measure of the masks' boundaries, which may be 2 px apart; 1 if neither mask has any.

    After Perazzi et al. 2016 (DAVIS), with a tolerance in pixels.
    """
    ours, theirs = _boundary(prediction), _boundary(truth)
    counts = cv2.countNonZero(ours), cv2.countNonZero(theirs)
    if not counts[0] or not counts[1]:
        return 1.0 if counts[0] == counts[1] else 0.0
    side = 2 * _BOUNDARY_PX + 1
    near = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    precision = cv2.countNonZero(cv2.min(ours, cv2.dilate(theirs, near))) / counts[0]
    recall = cv2.countNonZero(cv2.min(theirs, cv2.dilate(ours, near))) / counts[1]
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _gradient(alpha: Alpha) -> Floats:
    """Magnitude of the gradient, from derivatives of a Gaussian, scaled to unit norm."""
    reach = math.ceil(_SIGMA * math.sqrt(-2 * math.log(math.sqrt(2 * math.pi) * _SIGMA * 1e-2)))
    x = np.arange(-reach, reach + 1, dtype=np.float64)
    bell = np.exp(-(x**2) / (2 * _SIGMA**2))
    slope = -x * bell
    bell /= np.linalg.norm(bell)
    slope /= np.linalg.norm(slope) * 255
    across = cv2.sepFilter2D(alpha, cv2.CV_32F, slope, bell, borderType=cv2.BORDER_REPLICATE)
    down = cv2.sepFilter2D(alpha, cv2.CV_32F, bell, slope, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.magnitude(across, down), np.float32)


def _largest_part(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        mask.astype(np.uint8), connectivity=4
    )
    if count < 2:
        return np.zeros(mask.shape, bool)
    return np.asarray(labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA])))


def _miss(alpha: Alpha, connected: Floats) -> Floats:
    above = np.asarray(alpha.astype(np.float32) / 255 - connected, np.float32)
    above[above < _CONN_MISS] = 0
    return above


def _boundary(alpha: Alpha) -> NDArray[np.uint8]:
    """255 at the mask's pixels with a neighbour outside it; the frame's edge does not count."""
    mask = np.where(alpha >= 128, 255, 0).astype(np.uint8)
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    return cv2.subtract(mask, cv2.erode(mask, cross)).astype(np.uint8, copy=False)
