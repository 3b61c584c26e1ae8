"""
Dense optical flow between small pictures, and alphas carried along it at full size.

A flow is (h, w, 2) float32 in pixels of the luma picture: what is at (x, y) now was at
(x, y) + flow in the other picture.
"""

from __future__ import annotations

import math
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.boxes import Box
from streamer.frame import Alpha
from streamer.matting.luma import Colours, Luma
from streamer.matting.work import Work

Flow = NDArray[np.float32]

Residual = NDArray[np.float32]
"""(h, w) float32: grey levels that a flow leaves unexplained, averaged over small areas."""

_Number = TypeVar("_Number", np.uint8, np.float32)

_AREA = 5
_FINE = 3
_BIAS = 3.0
"""Grey levels by which another motion must explain a place better."""
_REACH = 21
"""Of the area that tells how a subject moves at its edge."""
_THIN = 0.1
"""What is near an edge counts for so much of what is not: of what is thin, all is near one."""
_KNOWN = 0.2
"""The least mean weight, of 255, in such an area."""
_RIDGE = 0.06
"""Added to the variance of the places that tell it, in squares of that area's side."""
_RIM = cv2.getStructuringElement(cv2.MORPH_RECT, (13, 13))
"""Around an edge: so far patches reach across it."""
_INNER = cv2.getStructuringElement(cv2.MORPH_RECT, (9, 9))
"""Away from an edge: there, motions are of one side alone."""
_SPREAD = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))
"""What comes out here, comes out around here too: for the gaps between, and soft edges."""
_MEAN = np.full((1, 3), 1 / 3, np.float32)
_MEDIAN = 5
_SPARSE = (slice(None, None, 4), slice(None, None, 4))

_ONE_MAP: Any = None
"""For `remap`: its map has both coordinates."""


class FlowFinder:
    """
    Dense inverse search (Kroeger et al. 2016), and how well it explains a picture.

    Args:
        size: (h, w) of the luma pictures.
        finest_scale: halvings of them at which the search ends; 0 is the finest, 1 costs a third.
        stride: pixels from one patch of 8x8 to the next.
        work: counted in.

    Attributes:
        patches: of a search, at its finest scale.
    """

    def __init__(
        self,
        size: tuple[int, int],
        finest_scale: int = 0,
        stride: int = 5,
        work: Work | None = None,
    ) -> None:
        self._work = work or Work()
        # Down to the finest scale but with wide steps and without the variational refinement, which
        # smooths the subject's motion into that of the background: half the error of the presets.
        self._search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        self._finest_scale = finest_scale
        self._search.setPatchStride(stride)
        self._search.setGradientDescentIterations(6)
        self._search.setVariationalRefinementIterations(0)
        height, width = size
        self.patches = (height >> finest_scale) * (width >> finest_scale) // stride**2
        rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
        self._grid = np.ascontiguousarray(np.dstack([columns, rows]))
        self._map = np.empty((height, width, 2), np.float32)
        self._parts = [np.empty(size, np.float32) for _ in range(2)]
        self._step: Flow = np.empty_like(self._map)
        self._ways: list[Flow] = [np.empty_like(self._map) for _ in range(2)]
        self._seen = np.empty(size, np.uint8)
        self._gap = np.empty(size, np.uint8)

    def find(self, now: Luma, other: Luma, flow: Flow, place: Box | None = None) -> None:
        """
        Update *flow*, which holds a guess, so that it leads from *now* to *other*.

        In *place* alone, if there is one: elsewhere it becomes none.
        """
        if place is None:
            self._search_in(now, other, flow)
            return
        here = place.slices
        found = flow[here].copy()
        self._search_in(np.ascontiguousarray(now[here]), np.ascontiguousarray(other[here]), found)
        flow.fill(0)
        flow[here] = found

    def _search_in(self, now: Luma, other: Luma, flow: Flow) -> None:
        height, width = now.shape
        self._work.flows += now.size / self._gap.size
        self._work.patches += self.patches * now.size / self._gap.size
        # It is left at a coarser one for good by a picture that is too small for this.
        self._search.setFinestScale(self._finest_scale)
        self._search.calc(now, other, flow)
        # Patches that went astray stand alone.
        parts = [part.ravel()[: height * width].reshape(height, width) for part in self._parts]
        cv2.split(flow, parts)
        for part in parts:
            cv2.medianBlur(part, _MEDIAN, dst=part)
        cv2.merge(parts, dst=flow)

    def residual(self, now: Luma, other: Luma, flow: Flow, out: Residual) -> None:
        """
        Write how little *other*, carried along *flow*, looks like *now* into *out*.

        A change of the light as a whole, up to half or double, is not counted.
        """
        self.carry(other, flow, self._seen)
        # By the median, place by place: who comes in, or leaves, changes all other means.
        seen = np.maximum(self._seen[_SPARSE], 1)
        light = float(np.median(now[_SPARSE] / seen))
        cv2.convertScaleAbs(self._seen, dst=self._seen, alpha=min(max(light, 0.5), 2.0))
        self.difference(now, self._seen, out)

    def part(self, now: Colours, other: Colours, flow: Flow, subject: Alpha) -> None:
        """
        Have what is at a subject's edge, on both sides of it, move as the subject does.

        A patch that lies across the edge has one motion for both; but an alpha goes with its
        subject alone, however what is behind it moves. Where that explains the picture worse than
        the background, or the flow as it was found, these are kept.

        Args:
            now: (h, w, 3), where *flow* begins.
            other: likewise, where it leads.
            flow: updated.
            subject: (h, w), 255 where subjects are in *other*, else 0.
        """
        self.carry(subject, flow, self._seen)
        edges = cv2.morphologyEx(self._seen, cv2.MORPH_GRADIENT, _RIM)
        left, top, wide, tall = cv2.boundingRect(edges)
        if not wide:
            return
        rows = slice(max(0, top - _REACH), top + tall + _REACH)
        columns = slice(max(0, left - _REACH), left + wide + _REACH)
        here = np.s_[rows, columns]
        now, way, grid = now[here], flow[here], self._grid[here]
        inside = self._seen[here]
        ours, theirs = (ways[here] for ways in self._ways)
        is_known = _spread(way, inside, ours)
        has_room = _spread(way, np.bitwise_not(inside), theirs)
        is_ours, is_theirs = (_carried(subject, grid + moves) > 127 for moves in (ours, theirs))
        found, own, room = (_unlike(now, other, grid + moves) for moves in (way, ours, theirs))
        told = has_room & ~is_theirs  # the background there is to be seen in both
        gone = is_ours & told & (own > room + _BIAS)
        kept = ~is_ours & (inside > 127) & told & (found < room - _BIAS)
        moved = (edges[here] > 0) & is_known & ~kept
        way[moved] = ours[moved]
        moved &= gone
        way[moved] = theirs[moved]

    def look_back(
        self, now: Luma, other: Luma, flow: Flow, subject: Alpha, astray: Residual, reached: Alpha
    ) -> None:
        """
        Find the way from *other* back to *now*, for what *flow* says of it.

        Args:
            now: (h, w), where *flow* begins.
            other: likewise, where it leads.
            flow: there.
            subject: (h, w), 255 where subjects are in *other*, else 0.
            astray: becomes how far one who goes there and is led back comes out elsewhere, in
                pixels: what cannot be seen in *other* has no way back.
            reached: becomes 255 where subjects come out, and close to it, and where *flow* leads
                out of the picture, whose border goes on; else 0.
        """
        back = self._step
        np.negative(flow, out=back)
        self._search_in(other, now, back)
        cv2.add(self._grid, flow, dst=self._map)
        gap, parts = self._ways[0], self._parts
        cv2.remap(
            back, self._map, _ONE_MAP, cv2.INTER_LINEAR, dst=gap, borderMode=cv2.BORDER_REPLICATE
        )
        cv2.add(gap, flow, dst=gap)
        cv2.split(gap, parts)
        cv2.magnitude(parts[0], parts[1], magnitude=astray)
        height, width = now.shape
        there = np.flatnonzero(subject)
        ends = self._grid.reshape(-1, 2)[there]
        ends += back.reshape(-1, 2)[there]
        x, y = np.rint(ends, out=ends).astype(np.int32).T
        cv2.inRange(self._map, (0, 0, 0, 0), (width - 1, height - 1, 0, 0), dst=reached)
        cv2.bitwise_not(reached, dst=reached)
        reached[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)] = 255
        cv2.dilate(reached, _SPREAD, dst=reached)

    def difference(self, one: Luma, other: Luma, out: Residual) -> None:
        """Write by how much *one* and *other* differ as they stand into *out*."""
        self._work.compared += 1
        cv2.absdiff(one, other, dst=self._gap)
        cv2.boxFilter(self._gap, cv2.CV_32F, (_AREA, _AREA), dst=out)

    def through(self, way: Flow, on: Flow, out: Flow) -> None:
        """Write where one gets who goes *way*, and from there *on*, into *out*."""
        self._work.chained += 1
        cv2.add(self._grid, way, dst=self._map)
        cv2.remap(
            on, self._map, _ONE_MAP, cv2.INTER_LINEAR, dst=out, borderMode=cv2.BORDER_REPLICATE
        )
        cv2.add(out, way, dst=out)

    def across(self, one: Flow, other: Flow, out: Flow) -> None:
        """
        Write the way from one picture to another into *out*, of which *one* and *other* both lead
        to a third. A guess: it is right where both are and neighbours move alike.
        """
        # The way x goes so that other(p + x) + x is one(p): three steps of a fixed point.
        cv2.subtract(one, other, dst=out)
        for _ in range(2):
            self._work.chained += 1
            cv2.add(self._grid, out, dst=self._map)
            cv2.remap(
                other,
                self._map,
                _ONE_MAP,
                cv2.INTER_LINEAR,
                dst=self._step,
                borderMode=cv2.BORDER_REPLICATE,
            )
            cv2.subtract(one, self._step, dst=out)

    def carry(self, picture: Luma, flow: Flow, out: Luma) -> None:
        """Write *picture*, as it was where *flow* leads to, into *out*; its border goes on."""
        cv2.add(self._grid, flow, dst=self._map)
        cv2.remap(
            picture, self._map, _ONE_MAP, cv2.INTER_LINEAR, dst=out, borderMode=cv2.BORDER_REPLICATE
        )


def _carried(picture: NDArray[_Number], way: Flow) -> NDArray[_Number]:
    """*picture* as it is where *way*, in its pixels, leads; its border goes on."""
    carried = cv2.remap(picture, way, _ONE_MAP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(carried, picture.dtype)


def _unlike(now: Colours, other: Colours, way: Flow) -> Residual:
    """By how much colours differ from those where *way* leads, averaged over small areas."""
    mean = cv2.transform(cv2.absdiff(now, _carried(other, way)), _MEAN)
    return np.asarray(cv2.boxFilter(mean, cv2.CV_32F, (_FINE, _FINE)), np.float32)


def _spread(flow: Flow, part: Alpha, out: Flow) -> NDArray[np.bool_]:
    """
    Write how *part* moves, by what is well within it, carried beyond its edges, into *out*.

    Place by place the affine motion that fits best around it, by weighted least squares; the less
    of it there is to see, the more it is a mere shift. It is smooth: each second pixel will do.

    Returns:
        Where it is known.
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
    # What the covariance of place and motion is multiplied by, for how far it is to the place.
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


class Enlarger:
    """
    Brings parts of small arrays to full size.

    Args:
        size: (H, W) of the frames.
        luma_size: (h, w) of the arrays.
    """

    def __init__(self, size: tuple[int, int], luma_size: tuple[int, int]) -> None:
        self._size, self._luma_size = size, luma_size

    def enlarge(
        self, small: NDArray[_Number], place: Box, out: NDArray[_Number]
    ) -> NDArray[_Number]:
        """
        What *small* is in *place*, interpolated; a view of *out*.

        Args:
            small: (h, w) or (h, w, channels).
            place: in pixels of the frame; not empty.
            out: (H, W) or (H, W, channels); what is there is overwritten.
        """
        rows, down = self._part(place.top, place.bottom, 0)
        columns, across = self._part(place.left, place.right, 1)
        # To the nearest pixel: what is enlarged is smooth.
        whole = out[: down.stop - down.start, : across.stop - across.start]
        cv2.resize(
            small[rows, columns], whole.shape[1::-1], dst=whole, interpolation=cv2.INTER_LINEAR
        )
        top, left = place.top - down.start, place.left - across.start
        return whole[top : top + place.height, left : left + place.width]

    def small(self, place: Box) -> tuple[slice, slice]:
        """Which part of the small arrays *place* is enlarged from."""
        return self._part(place.top, place.bottom, 0)[0], self._part(place.left, place.right, 1)[0]

    def around(self, mask: Alpha) -> Box:
        """Where in the frame *mask*, (h, w) uint8, is not 0; a little more, for what is soft."""
        left, top, wide, tall = cv2.boundingRect(mask)
        if not wide or not tall:
            return Box(0, 0, 0, 0)
        down, across = (self._size[axis] / self._luma_size[axis] for axis in (0, 1))
        return Box(
            max(0, math.floor((left - 1) * across)),
            max(0, math.floor((top - 1) * down)),
            min(self._size[1], math.ceil((left + wide + 1) * across)),
            min(self._size[0], math.ceil((top + tall + 1) * down)),
        )

    def _part(self, first: int, last: int, axis: int) -> tuple[slice, slice]:
        """Which part of the small array covers that of the frame, and what of that it covers."""
        scale = self._size[axis] / self._luma_size[axis]
        start = max(0, math.floor(first / scale) - 1)
        stop = min(self._luma_size[axis], math.ceil(last / scale) + 1)
        return slice(start, stop), slice(round(start * scale), round(stop * scale))


class AlphaCarrier:
    """
    Carries alphas of full size along small flows.

    Args:
        size: (H, W) of the alphas.
        luma_size: (h, w) of the flows.
        work: counted in.
    """

    def __init__(
        self, size: tuple[int, int], luma_size: tuple[int, int], work: Work | None = None
    ) -> None:
        self._work = work or Work()
        self._enlarger = Enlarger(size, luma_size)
        rows, columns = np.mgrid[0 : luma_size[0], 0 : luma_size[1]].astype(np.float32)
        down, across = (whole / small for whole, small in zip(size, luma_size, strict=True))
        # Where the middle of each small pixel is in the frame, and how much larger steps are there.
        self._middles = np.dstack([(columns + 0.5) * across - 0.5, (rows + 0.5) * down - 0.5])
        self._scale = np.empty_like(self._middles)
        self._scale[...] = across, down
        self._ways = np.empty_like(self._middles)
        self._map = np.empty((*size, 2), np.float32)

    def carry(self, alpha: Alpha, flow: Flow, place: Box, out: Alpha) -> None:
        """
        Write *alpha*, as it was where *flow* leads to, into *place* of *out*.

        Where that is beyond the frame, its border goes on.
        """
        if place.is_empty:
            return
        self._work.carried += place.width * place.height / alpha.size
        cv2.multiply(flow, self._scale, dst=self._ways)
        cv2.add(self._ways, self._middles, dst=self._ways)
        way = self._enlarger.enlarge(self._ways, place, self._map)
        here = place.slices
        cv2.remap(
            alpha, way, _ONE_MAP, cv2.INTER_LINEAR, dst=out[here], borderMode=cv2.BORDER_REPLICATE
        )
