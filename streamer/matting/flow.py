"""
Dense optical flow between small pictures, and alphas carried along it at full size.

A flow is (h, w, 2) float32 in pixels of the luma picture: what is at (x, y) now was at
(x, y) + flow in the other picture.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.boxes import Box
from streamer.frame import Alpha
from streamer.matting.luma import Luma
from streamer.matting.work import Work

Flow = NDArray[np.float32]

Residual = NDArray[np.float32]
"""(h, w) float32: grey levels that a flow leaves unexplained, averaged over small areas."""

_AREA = 5
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
        work: counted in.
    """

    def __init__(
        self, size: tuple[int, int], finest_scale: int = 0, work: Work | None = None
    ) -> None:
        self._work = work or Work()
        # Down to the finest scale but with wide steps and without the variational refinement, which
        # smooths the subject's motion into that of the background: half the error of the presets.
        self._search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        self._search.setFinestScale(finest_scale)
        self._search.setPatchStride(5)
        self._search.setGradientDescentIterations(6)
        self._search.setVariationalRefinementIterations(0)
        height, width = size
        rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
        self._grid = np.ascontiguousarray(np.dstack([columns, rows]))
        self._map = np.empty((height, width, 2), np.float32)
        self._parts = [np.empty(size, np.float32) for _ in range(2)]
        self._seen = np.empty(size, np.uint8)
        self._gap = np.empty(size, np.uint8)

    def find(self, now: Luma, other: Luma, flow: Flow) -> None:
        """Update *flow*, which holds a guess, so that it leads from *now* to *other*."""
        self._work.flows += 1
        self._search.calc(now, other, flow)
        # Patches that went astray stand alone.
        cv2.split(flow, self._parts)
        for part in self._parts:
            cv2.medianBlur(part, _MEDIAN, dst=part)
        cv2.merge(self._parts, dst=flow)

    def residual(self, now: Luma, other: Luma, flow: Flow, out: Residual) -> None:
        """
        Write how little *other*, carried along *flow*, looks like *now* into *out*.

        A change of the light as a whole, up to half or double, is not counted.
        """
        self.carry(other, flow, self._seen)
        # By the median: who comes in changes the mean.
        light = float(np.median(now[_SPARSE]) / max(np.median(self._seen[_SPARSE]), 1.0))
        cv2.convertScaleAbs(self._seen, dst=self._seen, alpha=min(max(light, 0.5), 2.0))
        self.difference(now, self._seen, out)

    def difference(self, one: Luma, other: Luma, out: Residual) -> None:
        """Write by how much *one* and *other* differ as they stand into *out*."""
        self._work.compared += 1
        cv2.absdiff(one, other, dst=self._gap)
        cv2.boxFilter(self._gap, cv2.CV_32F, (_AREA, _AREA), dst=out)

    def carry(self, picture: Luma, flow: Flow, out: Luma) -> None:
        """Write *picture*, as it was where *flow* leads to, into *out*; its border goes on."""
        cv2.add(self._grid, flow, dst=self._map)
        cv2.remap(
            picture, self._map, _ONE_MAP, cv2.INTER_LINEAR, dst=out, borderMode=cv2.BORDER_REPLICATE
        )


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
        height, width = size
        self._width, self._height = width, height
        rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
        self._grid = np.ascontiguousarray(np.dstack([columns, rows]))
        self._map = np.empty((height, width, 2), np.float32)
        self._scale = np.array([width / luma_size[1], height / luma_size[0]], np.float32)
        self._scaled = np.empty((*luma_size, 2), np.float32)

    def carry(self, alpha: Alpha, flow: Flow, place: Box, out: Alpha) -> None:
        """
        Write *alpha*, as it was where *flow* leads to, into *place* of *out*.

        Where that is beyond the frame, its border goes on.
        """
        np.multiply(flow, self._scale, out=self._scaled)
        cv2.resize(
            self._scaled, (self._width, self._height), dst=self._map, interpolation=cv2.INTER_LINEAR
        )
        if place.is_empty:
            return
        self._work.carried += place.width * place.height / alpha.size
        here = place.slices
        cv2.add(self._map[here], self._grid[here], dst=self._map[here])
        cv2.remap(
            alpha,
            self._map[here],
            _ONE_MAP,
            cv2.INTER_LINEAR,
            dst=out[here],
            borderMode=cv2.BORDER_REPLICATE,
        )
