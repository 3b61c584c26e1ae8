"""The refinement of an alpha, in the order of `RefineConfig`."""

from __future__ import annotations

import math
import time

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.config import RefineConfig
from streamer.core.metrics import LatencyHistogram
from streamer.frame import Alpha
from streamer.refining.parts import Fragments, Parts

_TRACE = 8
"""An alpha below this counts as background, one above 255 minus this as foreground: the edge lies
between the two."""
_DISC = 4
"""Radius in pixels of the disc by which alphas grow step by step: one step with a large disc would
take many times longer."""


class Refiner:
    """
    Refines the alphas of one stream.

    Args:
        latency: records the time for each alpha, unless there is nothing to do.

    Not thread-safe. Allocates when a size or a setting is new. After that it takes nothing of a
    frame's size, except what OpenCV itself needs to find parts and distances.
    """

    def __init__(self, latency: LatencyHistogram | None = None) -> None:
        self._latency = latency
        self._config: RefineConfig | None = None
        self._idle = True
        self._table: Alpha = np.arange(256, dtype=np.uint8)
        self._scratch: _Scratch | None = None
        self._epoch: int | None = None

    def refine(self, alpha: Alpha, config: RefineConfig, epoch: int = 0) -> None:
        """
        Refine *alpha* in place.

        Args:
            alpha: (H, W) uint8, of the frames in order. Never an empty one that stands for an
                unknown alpha: inverted, it would show the whole room.
            config: how to refine it.
            epoch: of the frame; when it changes, the count of fragments starts over.
        """
        if config is not self._config:
            if self._scratch is not None and not _same_fragments(config, self._config):
                self._scratch.fragments.forget()
            self._config, self._idle = config, not config.changes_alpha
            self._table = _table(config)
        if self._idle:
            return
        started_ns = time.monotonic_ns()
        if self._scratch is None or self._scratch.shape != alpha.shape:
            self._scratch = _Scratch(alpha.shape[0], alpha.shape[1])
        if epoch != self._epoch:
            self._epoch = epoch
            self._scratch.fragments.forget()
        if config.gain != 1 or config.band is not None:
            cv2.LUT(alpha, self._table, dst=alpha)
        if config.min_fragment or config.keep_largest is not None:
            _keep_parts(alpha, config, self._scratch)
        if config.fill_holes:
            _fill_holes(alpha, config.fill_holes, self._scratch.holes)
        if config.grow_px or config.feather_px:
            _shape_edge(alpha, config, self._scratch)
        if config.invert:
            cv2.bitwise_not(alpha, dst=alpha)
        if self._latency is not None:
            self._latency.record(time.monotonic_ns() - started_ns)


class _Scratch:
    """Working memory for alphas of one size."""

    def __init__(self, height: int, width: int) -> None:
        self.shape = (height, width)
        self.parts = Parts(height, width)
        self.holes = Parts(height, width, holes=True)
        self.fragments = Fragments(self.parts.labels.shape)
        self.ramp: Alpha = np.empty(self.shape, np.uint8)
        self.distance: NDArray[np.float32] = np.empty(self.shape, np.float32)


def _same_fragments(one: RefineConfig, other: RefineConfig | None) -> bool:
    """Whether both count fragments in the same way; not where *other* is None."""
    if other is None:
        return False
    return (one.min_fragment, one.fragment_frames) == (other.min_fragment, other.fragment_frames)


def _table(config: RefineConfig) -> Alpha:
    """The table of what each alpha becomes by gain and band."""
    alpha = np.minimum(np.arange(256) / 255 * config.gain, 1.0)
    if config.band is not None:
        low, high = config.band
        t = np.clip((alpha - low) / (high - low), 0, 1)
        alpha = t * t * (3 - 2 * t)
    return np.asarray(np.rint(alpha * 255), np.uint8)


def _keep_parts(alpha: Alpha, config: RefineConfig, scratch: _Scratch) -> None:
    """Drop fragments, and all but the largest parts."""
    parts = scratch.parts
    parts.find(alpha)
    small = parts.shares < config.min_fragment
    small[0] = False
    gone = small
    if config.fragment_frames:
        gone = small & (scratch.fragments.ages(parts, small) >= config.fragment_frames)
    if config.keep_largest is not None:
        left = np.flatnonzero(~gone[1:]) + 1
        by_size = left[np.argsort(-parts.shares[left], kind="stable")]
        gone = gone.copy()
        gone[by_size[config.keep_largest :]] = True
    if gone.any():
        parts.take_out(alpha, gone)


def _fill_holes(alpha: Alpha, largest: float, holes: Parts) -> None:
    holes.find(alpha)
    filled = (holes.shares < largest) & ~holes.at_border
    filled[0] = False
    if filled.any():
        holes.take_out(alpha, filled)


def _shape_edge(alpha: Alpha, config: RefineConfig, scratch: _Scratch) -> None:
    """Grow or shrink, and feather, where there is any foreground."""
    left, top, wide, tall = cv2.boundingRect(alpha)
    if not wide:
        return
    # Beyond this box is background; or the frame ends, and that is no edge of the subject.
    margin = 1 + max(config.grow_px, 0) + math.ceil(config.feather_px)
    here = np.s_[
        max(0, top - margin) : top + tall + margin, max(0, left - margin) : left + wide + margin
    ]
    alpha = alpha[here]
    if config.grow_px:
        _grow(alpha, config.grow_px)
    if config.feather_px:
        outward = config.feather == "outward"
        if outward:
            cv2.bitwise_not(alpha, dst=alpha)
        _soften(alpha, config.feather_px, scratch.ramp[here], scratch.distance[here])
        if outward:
            cv2.bitwise_not(alpha, dst=alpha)


def _grow(alpha: Alpha, by_px: int) -> None:
    """Give each pixel the largest alpha of a disc around it, or the least if *by_px* < 0."""
    steps, rest = divmod(abs(by_px), _DISC)
    change = cv2.dilate if by_px > 0 else cv2.erode
    if steps:
        change(alpha, _disc(_DISC), dst=alpha, iterations=steps)
    if rest:
        change(alpha, _disc(rest), dst=alpha)


def _soften(alpha: Alpha, over_px: float, ramp: Alpha, distance: NDArray[np.float32]) -> None:
    """
    Limit how fast *alpha* rises from its edge inward: to 255 over *over_px* at the fastest.

    An edge that is already as soft stays as it is.
    """
    cv2.threshold(alpha, _TRACE - 1, 255, cv2.THRESH_BINARY, dst=ramp)
    cv2.distanceTransform(ramp, cv2.DIST_L2, 5, dst=distance)
    # Where there is no background at all, distances are too large to become bytes.
    np.minimum(distance, np.float32(over_px + 1), out=distance)
    # Distances are to the centre of the next pixel outside: the edge is half a pixel nearer.
    slope = 255 / over_px
    cv2.addWeighted(distance, slope, distance, 0, -slope / 2, dst=ramp, dtype=cv2.CV_8U)
    cv2.min(alpha, ramp, dst=alpha)


def _disc(radius: int) -> NDArray[np.uint8]:
    return np.asarray(
        np.hypot(*np.mgrid[-radius : radius + 1, -radius : radius + 1]) <= radius + 0.5, np.uint8
    )
