"""The matting stage: frames out of the ring, their mattes, and both on to the sinks."""

from __future__ import annotations

import time
from collections.abc import Sequence

from streamer.errors import EndOfStream
from streamer.frame import Matte
from streamer.metrics import Metrics
from streamer.pipeline.delivery import Delivery, InHand, SinkWorker
from streamer.pipeline.presence import Presence
from streamer.pipeline.standby import Standby
from streamer.protocols import Matting
from streamer.ring import FrameRing, Lease


class MattingStage:
    """
    Makes the matte of each frame in a ring and hands both to every sink.

    Args:
        matting: how frames get their mattes.
        standby: makes those of stand-by frames, for which no model runs.
        workers: the sinks'.
        metrics: where frames and times are counted.
        presence: says what the source is doing, for the stand-by card.

    For one thread; `in_hand` may be forfeited by another that waits no longer.
    """

    def __init__(
        self,
        matting: Matting,
        standby: Standby,
        workers: Sequence[SinkWorker],
        metrics: Metrics,
        presence: Presence,
    ) -> None:
        self.in_hand = InHand(metrics)
        self._matting = matting
        self._standby = standby
        self._workers = workers
        self._metrics = metrics
        self._presence = presence

    def run(self, ring: FrameRing) -> None:
        """Work until *ring* is closed and empty. Raises ModelError."""
        try:
            while True:
                try:
                    lease = ring.take()
                except EndOfStream:
                    return
                with lease:
                    matte: Matte | None
                    if lease.frame.stamp.standby:
                        matte = self._standby.matte(lease, self._presence.state)
                    else:
                        matte = self._matte(lease)
                    if matte is None:
                        return
                    delivery = Delivery(lease, matte, self._workers, self._metrics)
                    for worker in self._workers:
                        worker.put(delivery)
        finally:
            self._standby.close()

    def _matte(self, lease: Lease) -> Matte | None:
        """The matte of a frame; None where it was forfeited meanwhile."""
        started_ns = time.monotonic_ns()
        self._metrics.latency("wait").record(started_ns - lease.frame.stamp.captured_ns)
        self.in_hand.take()
        try:
            matte = self._matting.matte(lease.frame, lease.alpha)
        except BaseException:
            self.in_hand.forfeit()
            raise
        if not self.in_hand.give():
            return None
        self._metrics.latency("infer").record(time.monotonic_ns() - started_ns)
        self._metrics.count(matte.origin)
        self._metrics.matte_age(matte.age)
        self._standby.keep(lease, matte)
        return matte
