"""
The capture stage: one thread that opens the source and fills the ring.

It owns what every source has in common: indices and epochs, pacing by timestamps, skimming a live
source until the first matte can be made, and counting what could not be decoded.
"""

from __future__ import annotations

import logging
import threading

import numpy as np

from streamer.clock import Clock
from streamer.errors import CorruptFrame, EndOfStream, FormatChanged
from streamer.frame import Grab, Image, Stamp, StreamInfo
from streamer.metrics import Metrics
from streamer.protocols import Source
from streamer.ring import FrameRing

logger = logging.getLogger("streamer.pipeline")

_NS = 1_000_000_000


class CaptureStage:
    """
    Reads a source into a ring until it ends or *stop* is set.

    Args:
        source: opened and closed by the capture thread.
        metrics: where frames and drops are counted.
        clock: for pacing and latency.
        stop: ends the stage; also ends waiting for a frame's time.
        ready: set when mattes can be made; no frame counts before.
    """

    def __init__(
        self,
        source: Source,
        metrics: Metrics,
        clock: Clock,
        *,
        stop: threading.Event,
        ready: threading.Event,
    ) -> None:
        self._source = source
        self._metrics = metrics
        self._clock = clock
        self._stop = stop
        self._ready = ready
        self._index = 0
        self._epoch = 0
        self._origin_ns: int | None = None

    def run(self, info: StreamInfo, ring: FrameRing) -> None:
        """Fill *ring* with the frames of the open source; returns at its end."""
        info = self._wait_until_ready(info)
        while not self._stop.is_set():
            try:
                self._read_one(info, ring)
            except FormatChanged as change:
                info = change.info
                self._new_epoch()
            except CorruptFrame as error:
                logger.warning("%s", error)
                self._metrics.count("captured")
                self._metrics.drop("decode_error")
                self._index += 1
            except EndOfStream:
                return

    def _read_one(self, info: StreamInfo, ring: FrameRing) -> None:
        with ring.reserve(info.height, info.width) as slot:
            grab = self._source.read(slot.image)
            captured_ns = self._pace(grab) if info.paced else grab.captured_ns
            self._metrics.count("captured")
            stamp = Stamp(self._index, grab.pts, grab.time_base, captured_ns, self._epoch)
            self._index += 1
            self._metrics.latency("capture").record(self._clock.now_ns() - captured_ns)
            slot.commit(stamp)

    def _wait_until_ready(self, info: StreamInfo) -> StreamInfo:
        """A file waits; a live source is read and thrown away, so that it does not go stale."""
        if not info.live or info.paced:
            self._ready.wait()
            return info
        scratch = _image_for(info)
        while not self._ready.is_set() and not self._stop.is_set():
            try:
                self._source.read(scratch)
            except FormatChanged as change:
                info = change.info
                scratch = _image_for(info)
            except CorruptFrame as error:
                logger.info("%s", error)
            except EndOfStream:
                break
        return info

    def _pace(self, grab: Grab) -> int:
        """Wait for the frame's time and return it as the moment of capture."""
        pts_ns = int(grab.pts * grab.time_base * _NS)
        if self._origin_ns is None:
            self._origin_ns = self._clock.now_ns() - pts_ns
        early_ns = self._origin_ns + pts_ns - self._clock.now_ns()
        if early_ns > 0:
            self._clock.wait(self._stop, early_ns / _NS)
        return self._clock.now_ns()

    def _new_epoch(self) -> None:
        self._epoch += 1
        self._origin_ns = None


def _image_for(info: StreamInfo) -> Image:
    return np.empty((info.height, info.width, 3), np.uint8)
