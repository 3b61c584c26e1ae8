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

from streamer.core.boxes import Box
from streamer.frame import Alpha
from streamer.matting.tracking.luma import Luma
from streamer.matting.tracking.work import Work

Flow = NDArray[np.float32]

Residual = NDArray[np.float32]
"""(h, w) float32: grey levels that a flow leaves unexplained, averaged over small areas."""

_Number = TypeVar("_Number", np.uint8, np.float32)

_AREA = 5
_BACK_SCALE, _BACK_STRIDE = 1, 5
"""Finest scale and stride of the search for flow back; see `FlowFinder`."""
_CLOSE = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))
"""Places reached by flow back are widened by this, to close gaps and to cover soft edges."""
_MEDIAN = 5
_SPARSE = (slice(None, None, 4), slice(None, None, 4))

_ONE_MAP: Any = None
"""The second map of `remap`: none, as the first has both coordinates."""


def places(size: tuple[int, int]) -> Flow:
    """(h, w, 2) float32: x and y of each pixel of a luma picture of *size*, (h, w)."""
    rows, columns = np.mgrid[0 : size[0], 0 : size[1]].astype(np.float32)
    return np.ascontiguousarray(np.dstack([columns, rows]))


def carried(picture: NDArray[_Number], to: Flow) -> NDArray[_Number]:
    """
    Take each pixel from *picture*, (h, w) or (h, w, channels), at the place that *to* names.

    Args:
        picture: its border pixels are repeated beyond it.
        to: (H, W, 2) float32, x and y in pixels of *picture*.

    Returns:
        A new array, (H, W) or (H, W, channels), interpolated.
    """
    taken = cv2.remap(picture, to, _ONE_MAP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(taken, picture.dtype)


class FlowFinder:
    """
    Dense inverse search (Kroeger et al. 2016), and how well it explains a picture.

    Args:
        size: (h, w) of the luma pictures.
        finest_scale: how often they are halved where the search ends; 0 is the finest, 1 costs a
            third.
        stride: pixels from one patch of 8x8 to the next.
        work: counts what is done.

    Attributes:
        patches: their number in one search, at its finest scale.
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
        self._search = _inverse_search(stride)
        self._finest_scale = finest_scale
        self._way_back = _inverse_search(_BACK_STRIDE)
        height, width = size
        self.patches = (height >> finest_scale) * (width >> finest_scale) // stride**2
        self._grid = places(size)
        self._map = np.empty((height, width, 2), np.float32)
        self._parts = [np.empty(size, np.float32) for _ in range(2)]
        self._step: Flow = np.empty_like(self._map)
        self._scratch: Flow = np.empty_like(self._map)
        self._seen = np.empty(size, np.uint8)
        self._gap = np.empty(size, np.uint8)

    def find(self, now: Luma, other: Luma, flow: Flow, place: Box | None = None) -> None:
        """
        Update *flow*, which holds a guess, so that it leads from *now* to *other*.

        If *place* is given, only there: elsewhere it becomes 0.
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
        self._work.flows += now.size / self._gap.size
        self._work.patches += self.patches * now.size / self._gap.size
        # A picture that is too small for this scale leaves the search at a coarser one for good.
        self._search.setFinestScale(self._finest_scale)
        self._search.calc(now, other, flow)
        self._without_outliers(flow)

    def _without_outliers(self, flow: Flow) -> None:
        """Remove patches that went astray, by a median: they stand alone."""
        height, width = flow.shape[:2]
        parts = [part.ravel()[: height * width].reshape(height, width) for part in self._parts]
        cv2.split(flow, parts)
        for part in parts:
            cv2.medianBlur(part, _MEDIAN, dst=part)
        cv2.merge(parts, dst=flow)

    def residual(self, now: Luma, other: Luma, flow: Flow, out: Residual) -> None:
        """
        Write how much *other*, carried along *flow*, differs from *now* into *out*.

        A change of the overall light, down to half or up to double, is not counted.
        """
        self.carry(other, flow, self._seen)
        # The median of the ratios, place by place: people who come or leave would change a mean.
        seen = np.maximum(self._seen[_SPARSE], 1)
        light = float(np.median(now[_SPARSE] / seen))
        cv2.convertScaleAbs(self._seen, dst=self._seen, alpha=min(max(light, 0.5), 2.0))
        self.difference(now, self._seen, out)

    def look_back(
        self, now: Luma, other: Luma, flow: Flow, subject: Alpha, astray: Residual, reached: Alpha
    ) -> None:
        """
        Find the flow from *other* back to *now*, to check *flow*.

        Args:
            now: (h, w), where *flow* begins.
            other: (h, w), where it leads.
            flow: from *now* to *other*.
            subject: (h, w), 255 where subjects are in *other*, else 0.
            astray: set to how far from each place flow there and back ends, in pixels; a place
                that cannot be seen in *other* has no way back.
            reached: set to 255 where flow back takes subjects, close to that, and where *flow*
                leads out of the picture; else 0.
        """
        back = self._step
        np.negative(flow, out=back)
        # It is only used to compare: coarser flow will do.
        self._work.flows += 1
        self._work.patches += (now.size >> 2 * _BACK_SCALE) // _BACK_STRIDE**2
        self._way_back.setFinestScale(_BACK_SCALE)
        self._way_back.calc(other, now, back)
        self._without_outliers(back)
        cv2.add(self._grid, flow, dst=self._map)
        gap, parts = self._scratch, self._parts
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
        cv2.dilate(reached, _CLOSE, dst=reached)

    def difference(self, one: Luma, other: Luma, out: Residual) -> None:
        """Write how much *one* and *other* differ, without any flow, into *out*."""
        self._work.compared += 1
        cv2.absdiff(one, other, dst=self._gap)
        cv2.boxFilter(self._gap, cv2.CV_32F, (_AREA, _AREA), dst=out)

    def through(self, way: Flow, on: Flow, out: Flow) -> None:
        """Write the flow *way*, followed by the flow *on* from there, into *out*."""
        self._work.chained += 1
        cv2.add(self._grid, way, dst=self._map)
        cv2.remap(
            on, self._map, _ONE_MAP, cv2.INTER_LINEAR, dst=out, borderMode=cv2.BORDER_REPLICATE
        )
        cv2.add(out, way, dst=out)

    def across(self, one: Flow, other: Flow, out: Flow) -> None:
        """
        Write the flow between two pictures into *out*, of which *one* and *other* lead to a third.

        It begins where *one* does. A guess: right where both are, and neighbours move alike.
        """
        # The flow x is such that other(p + x) + x is one(p): three steps of a fixed point.
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
        """Write *picture*, taken from where *flow* leads, into *out*; its border is repeated."""
        cv2.add(self._grid, flow, dst=self._map)
        cv2.remap(
            picture, self._map, _ONE_MAP, cv2.INTER_LINEAR, dst=out, borderMode=cv2.BORDER_REPLICATE
        )


def _inverse_search(stride: int) -> cv2.DISOpticalFlow:
    """A search with wide steps and without variational refinement."""
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    search.setPatchStride(stride)
    search.setGradientDescentIterations(6)
    search.setVariationalRefinementIterations(0)
    return search


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
        Enlarge the part of *small* that is in *place*. Returns a view of *out*.

        Args:
            small: (h, w) or (h, w, channels).
            place: in pixels of the frame; not empty.
            out: (H, W) or (H, W, channels); scratch memory, overwritten from its top left.
        """
        rows, down = self._part(place.top, place.bottom, 0)
        columns, across = self._part(place.left, place.right, 1)
        # Rounded to whole pixels: the small arrays are smooth.
        whole = out[: down.stop - down.start, : across.stop - across.start]
        cv2.resize(
            small[rows, columns], whole.shape[1::-1], dst=whole, interpolation=cv2.INTER_LINEAR
        )
        top, left = place.top - down.start, place.left - across.start
        return whole[top : top + place.height, left : left + place.width]

    def small(self, place: Box) -> tuple[slice, slice]:
        """The part of the small arrays that *place* is enlarged from."""
        return self._part(place.top, place.bottom, 0)[0], self._part(place.left, place.right, 1)[0]

    def around(self, mask: Alpha) -> Box:
        """The box of the frame in which *mask*, (h, w) uint8, is not 0, and a little more."""
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
        """The part of the small array that covers that of the frame, and all that it covers."""
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
        work: counts what is done.
    """

    def __init__(
        self, size: tuple[int, int], luma_size: tuple[int, int], work: Work | None = None
    ) -> None:
        self._work = work or Work()
        self._enlarger = Enlarger(size, luma_size)
        rows, columns = np.mgrid[0 : luma_size[0], 0 : luma_size[1]].astype(np.float32)
        down, across = (whole / small for whole, small in zip(size, luma_size, strict=True))
        # Where the centre of each small pixel is in the frame, and the scale of steps there.
        self._middles = np.dstack([(columns + 0.5) * across - 0.5, (rows + 0.5) * down - 0.5])
        self._scale = np.empty_like(self._middles)
        self._scale[...] = across, down
        self._ways = np.empty_like(self._middles)
        self._map = np.empty((*size, 2), np.float32)

    def carry(self, alpha: Alpha, flow: Flow, place: Box, out: Alpha) -> None:
        """
        Write *alpha*, taken from where *flow* leads, into *place* of *out*.

        Beyond the frame, its border pixels are repeated.
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
