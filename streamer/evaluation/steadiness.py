"""Changes of an alpha over time that the truth does not make: flicker, and edges that trail."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.evaluation.truth import Motion
from streamer.frame import Alpha

_EDGE_LEVELS = 24
_EDGE_PIXELS = 40
_SLOW_PX = 0.5
_REACH_PX = 24
_SAMPLES = 40_000


def still(height: int, width: int) -> Motion:
    """No motion, for where it is not known: each pixel is compared with itself."""
    return Motion(
        np.zeros((height, width, 2), np.float32),
        np.ones((height, width), bool),
        np.zeros((height, width), bool),
    )


def flicker(
    prediction: Alpha, before: Alpha, truth: Alpha, truth_before: Alpha, motion: Motion
) -> float:
    """
    Mean change of alpha along the true motion, in excess of the truth's own change, times 1e3.

    The alphas before are carried forward by *motion*; pixels that were not visible before do not
    count. A prediction that is wrong but moves with its subject does not flicker.
    """
    height, width = truth.shape
    grid_x, grid_y = np.meshgrid(
        np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
    )
    from_x, from_y = grid_x - motion.flow[..., 0], grid_y - motion.flow[..., 1]

    def change(now: Alpha, then: Alpha) -> NDArray[np.float32]:
        carried = cv2.remap(
            then.astype(np.float32),
            from_x,
            from_y,
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return np.asarray(np.abs(now - carried), np.float32)

    excess = change(prediction, before) - change(truth, truth_before)
    np.maximum(excess, 0, out=excess)
    seen = int(np.count_nonzero(motion.seen))
    return float(excess[motion.seen].sum(dtype=np.float64)) / max(seen, 1) / 255 * 1e3


def edge_lag_px(prediction: Alpha, truth: Alpha, motion: Motion) -> float | None:
    """
    How far the prediction's edges trail the truth's, along their motion.

    The truth is moved back along its motion, each pixel in proportion to its own speed, until it
    fits the prediction best around the truth's edges (least squares, within 24 px, between pixels
    by a parabola). The lag is how far that is at the edges' mean speed; it is negative where edges
    run ahead. A prediction that is a little too large all around has no lag: it is ahead on
    one side of a subject that moves or turns, and behind on the other.

    Returns:
        Pixels; None where too few edges move across their own direction by half a pixel or more,
        or where the prediction has too much or too little alpha there to have an edge.
    """
    near = _around_edges(truth, motion)
    if near is None:
        return None
    x, y, ahead_x, ahead_y = near
    ours = prediction[y, x].astype(np.float32)
    truest = truth[y, x].astype(np.float32)
    if not 0.5 <= (float(ours.sum()) + 1) / (float(truest.sum()) + 1) <= 2:
        return None

    def error(trail: int) -> float:
        moved = _sampled(truth, x + trail * ahead_x, y + trail * ahead_y)
        return float(np.square(moved - ours).mean(dtype=np.float64))

    errors = {trail: error(trail) for trail in range(-_REACH_PX, _REACH_PX + 1, 3)}
    best = min(errors, key=errors.__getitem__)
    for trail in range(best - 3, best + 4):
        errors.setdefault(trail, error(trail))
    best = min(errors, key=errors.__getitem__)
    if errors[best] == 0 or abs(best) >= _REACH_PX:
        return float(best)
    less, more = (errors.get(best + side) or error(best + side) for side in (-1, 1))
    bend = less - 2 * errors[best] + more
    return best + 0.5 * (less - more) / bend if bend > 0 else float(best)


def _around_edges(
    truth: Alpha, motion: Motion
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32], NDArray[np.float32]] | None:
    """Columns, rows and motion, over the edges' mean speed, of moving pixels near the edges."""
    speed = np.hypot(motion.flow[..., 0], motion.flow[..., 1])
    moving = motion.subject & (speed >= _SLOW_PX)
    across = cv2.Sobel(truth, cv2.CV_32F, 1, 0, scale=1 / 4)
    down = cv2.Sobel(truth, cv2.CV_32F, 0, 1, scale=1 / 4)
    steep = cv2.magnitude(across, down)
    along = np.abs(across * motion.flow[..., 0] + down * motion.flow[..., 1])
    edge = moving & (steep > _EDGE_LEVELS)
    # An edge that runs along the motion looks the same wherever it is.
    if np.count_nonzero(edge & (along > 0.5 * steep * speed)) < _EDGE_PIXELS:
        return None
    side = 2 * _REACH_PX + 1
    wide = cv2.dilate(
        edge.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    )
    y, x = np.nonzero((wide > 0) & moving)
    every = -(-len(x) // _SAMPLES)
    y, x = y[::every], x[::every]
    ahead = motion.flow[y, x] / np.mean(speed[edge])
    return x, y, ahead[:, 0], ahead[:, 1]


def _sampled(alpha: Alpha, x: NDArray[np.floating], y: NDArray[np.floating]) -> NDArray[np.float32]:
    """*alpha* between its pixels. OpenCV takes no list above 32767, so the points are folded."""
    count = len(x)
    rows = -(-count // 1024)
    folded = np.zeros((2, rows * 1024), np.float32)
    folded[0, :count], folded[1, :count] = x, y
    maps = folded.reshape(2, rows, 1024)
    found = cv2.remap(
        alpha.astype(np.float32),
        maps[0],
        maps[1],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(found, np.float32).reshape(-1)[:count]
