"""
Correct flow at a subject's edges, so that they move with the subject and not what is behind it.

A patch of flow that lies across an edge has one motion for both sides. In front of grass, that is
the grass's, and an alpha that follows it loses a strip of the subject or drags rags of grass along.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.frame import Alpha
from streamer.matting.tracking.flow import Flow, Residual, carried, places
from streamer.matting.tracking.luma import Colours

_FINE = 3
"""Pixels: the side of the areas in which colours are compared."""
_BIAS = 3.0
"""Another motion must explain a place better than the subject's by so many grey levels."""
_REACH = 21
"""Pixels: the side of the areas from which a subject's motion at its edge is estimated."""
_THIN = 0.1
"""Relative weight of a place near an edge: a thin thing has no other places."""
_KNOWN = 0.2
"""Least mean weight in such an area (of 255) for its motion to be known."""
_RIDGE = 0.06
"""Added to the variance of the places that a motion is fitted to, in squares of the area's side."""
_RIM = cv2.getStructuringElement(cv2.MORPH_RECT, (13, 13))
"""The area around an edge in which patches of flow may lie across it."""
_INNER = cv2.getStructuringElement(cv2.MORPH_RECT, (9, 9))
"""Farther from an edge than this, patches of flow lie on one side of it."""
_MEAN = np.full((1, 3), 1 / 3, np.float32)


class EdgeMover:
    """
    Corrects flow at the edges of subjects.

    Args:
        size: (h, w) of the luma pictures.

    Not thread-safe.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self._grid = places(size)
        self._ways: list[Flow] = [np.empty_like(self._grid) for _ in range(2)]

    def correct(self, now: Colours, other: Colours, flow: Flow, subject: Alpha) -> None:
        """
        Make both sides of a subject's edges move with the subject.

        A place keeps its flow, or gets the background's, if that explains its colours better and
        the background can be seen in both pictures.

        Args:
            now: (h, w, 3), the picture that *flow* leads from.
            other: (h, w, 3), the one it leads to.
            flow: (h, w, 2); updated within six pixels of an edge.
            subject: (h, w), 255 on subjects in *other*, else 0.
        """
        seen = carried(subject, self._grid + flow)
        edges = cv2.morphologyEx(seen, cv2.MORPH_GRADIENT, _RIM)
        left, top, wide, tall = cv2.boundingRect(edges)
        if not wide:
            return
        rows = slice(max(0, top - _REACH), top + tall + _REACH)
        columns = slice(max(0, left - _REACH), left + wide + _REACH)
        here = np.s_[rows, columns]
        now, way, grid, inside = now[here], flow[here], self._grid[here], seen[here]
        ours, theirs = (ways[here] for ways in self._ways)
        is_known = _spread(way, inside, ours)
        has_room = _spread(way, np.bitwise_not(inside), theirs)
        is_ours, is_theirs = (carried(subject, grid + moves) > 127 for moves in (ours, theirs))
        found, own, room = (_unlike(now, other, grid + moves) for moves in (way, ours, theirs))
        told = has_room & ~is_theirs  # the background there is visible in both
        gone = is_ours & told & (own > room + _BIAS)
        kept = ~is_ours & (inside > 127) & told & (found < room - _BIAS)
        moved = (edges[here] > 0) & is_known & ~kept
        way[moved] = ours[moved]
        moved &= gone
        way[moved] = theirs[moved]


def _unlike(now: Colours, other: Colours, way: Flow) -> Residual:
    """How much colours differ from those that *way* leads to, averaged over small areas."""
    mean = cv2.transform(cv2.absdiff(now, carried(other, way)), _MEAN)
    return np.asarray(cv2.boxFilter(mean, cv2.CV_32F, (_FINE, _FINE)), np.float32)


def _spread(flow: Flow, part: Alpha, out: Flow) -> NDArray[np.bool_]:
    """
    Write the motion of *part* into *out*: estimated from its inside, extended beyond its edges.

    At each place, an affine motion is fitted to its surroundings by weighted least squares with a
    ridge: the fewer places support it, the closer it is to a mere shift. The result is smooth, so
    only every second pixel is computed.

    Returns:
        Where the motion is known.
    """
    height, width = part.shape
    thinned = np.s_[::2, ::2]
    weight = cv2.erode(part, _INNER)[thinned].astype(np.float32)
    cv2.scaleAdd(part[thinned].astype(np.float32), _THIN, weight, dst=weight)
    y, x = (np.mgrid[: weight.shape[0], : weight.shape[1]] * (2 / _REACH)).astype(np.float32)
    area = (_REACH // 2, _REACH // 2)

    def around(plane: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(cv2.boxFilter(cv2.multiply(plane, weight), cv2.CV_32F, area), np.float32)

    seen = cv2.boxFilter(weight, cv2.CV_32F, area)
    total = np.maximum(seen, _KNOWN)
    mx, my = around(x) / total, around(y) / total
    xx = around(x * x) / total - mx * mx + _RIDGE
    yy = around(y * y) / total - my * my + _RIDGE
    xy = around(x * y) / total - mx * my
    determinant = xx * yy - xy * xy
    dx, dy = x - mx, y - my
    # Multiplied by the covariances of place and motion, these give the change of the motion from
    # the centre of the weighted places to this place.
    along, across = (yy * dx - xy * dy) / determinant, (xx * dy - xy * dx) / determinant
    moves = np.empty((*weight.shape, 2), np.float32)
    for axis in range(2):
        way = np.ascontiguousarray(flow[thinned][..., axis])
        mean = around(way) / total
        moves[..., axis] = (
            mean
            + (around(x * way) / total - mx * mean) * along
            + (around(y * way) / total - my * mean) * across
        )
    cv2.resize(moves, (width, height), dst=out, interpolation=cv2.INTER_LINEAR)
    return cv2.resize(seen, (width, height), interpolation=cv2.INTER_LINEAR) > _KNOWN
