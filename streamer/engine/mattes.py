"""The matting stage: takes frames from the ring, makes their mattes, hands both to the sinks."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError

from streamer.config import Settings
from streamer.core.metrics import Metrics
from streamer.engine.delivery import InHand
from streamer.engine.dropped import DroppedFrames
from streamer.engine.outputs import Outputs
from streamer.engine.presence import Presence
from streamer.engine.ring import FrameRing, Lease
from streamer.engine.standby import Standby
from streamer.engine.switching import Switching
from streamer.errors import EndOfStream
from streamer.frame import Alpha, Frame, Matte
from streamer.protocols import Matting, PacedMatting

_LOOK_S = 0.2
"""While no frame comes, the stage looks this often whether another matting is ready."""

Refine = Callable[[Frame, Alpha], None]
"""Refines the alpha of a frame in place, by the frame's settings; called for frames in order."""
TakeSettings = Callable[[int, int], Settings | None]
"""Returns the settings of a frame, if any, by its height and width; called once for each."""


def no_settings(height: int, width: int) -> None:
    """Give frames no settings: each part uses those that it was made with."""


class _ForfeitedError(Exception):
    """Nobody waits for this stage any longer: it was abandoned."""


class MattingStage:
    """
    Makes the matte of each frame in a ring and hands both to every sink.

    It keeps the leases of the frames that a look-ahead matting holds, oldest first.

    Args:
        matting: how frames get their mattes.
        standby: makes the mattes of stand-by frames, for which no model runs.
        outputs: the sinks; those of the moment get a frame.
        metrics: where frames and times are counted.
        presence: says what the source is doing, for the stand-by card.
        switching: provides another matting when one was asked for and is ready.
        take_settings: gives each frame its settings.
        dropped: reports dropped frames; called between two frames.
        refine: is done to each matte before it goes on. Empty mattes and stand-by frames are left
            as they are: whatever the settings say, they must not show the room.

    For one thread; another one that abandons the stage may forfeit `in_hand`.
    """

    def __init__(
        self,
        matting: Matting,
        standby: Standby,
        outputs: Outputs,
        metrics: Metrics,
        presence: Presence,
        switching: Switching,
        take_settings: TakeSettings = no_settings,
        dropped: DroppedFrames | None = None,
        refine: Refine | None = None,
    ) -> None:
        self.in_hand = InHand(metrics)
        self._matting = matting
        self._standby = standby
        self._outputs = outputs
        self._metrics = metrics
        self._presence = presence
        self._switching = switching
        self._take_settings = take_settings
        self._dropped = dropped
        self._refine = refine
        self._delay = matting.delay
        self._held: deque[tuple[Lease, int]] = deque()

    @property
    def matting(self) -> Matting:
        """The present matting."""
        return self._matting

    def run(self, ring: FrameRing) -> None:
        """Work until *ring* is closed and empty. Raises SegmentError."""
        try:
            while True:
                if self._dropped is not None:
                    self._dropped.tell_due()
                try:
                    lease = ring.take(_LOOK_S)
                except TimeoutError:
                    self._switch(ring)
                    continue
                except EndOfStream:
                    break
                with lease:
                    self._switch(ring)
                    self._matte(lease, ring)
            if not ring.aborted:
                self._flush()
        except _ForfeitedError:
            pass
        finally:
            self.in_hand.forfeit()

    def close(self) -> None:
        """Close the matting, and let go of the held frames. A second call does nothing."""
        self._switching.close()
        self._matting.close()
        self._standby.close()
        while self._held:
            self._held.popleft()[0].release()

    def _switch(self, ring: FrameRing) -> None:
        """Replace the matting between two frames, if another one is ready."""
        ready = self._switching.take()
        if ready is None:
            return
        matting, future = ready
        try:
            self._flush()
        except BaseException as error:
            matting.close()
            ended = isinstance(error, _ForfeitedError)
            future.set_exception(CancelledError("the stream ended before") if ended else error)
            raise
        if matting.delay > self._delay:
            ring.lend(matting.delay - self._delay)
            self._delay = matting.delay
        old, self._matting = self._matting, matting
        try:
            old.close()
        finally:
            future.set_result(None)

    def _matte(self, lease: Lease, ring: FrameRing) -> None:
        """Get one frame its matte, now or later."""
        lease.give_settings(self._take_settings(*lease.alpha.shape))
        stamp = lease.frame.stamp
        held = bool(self._held)
        if held and (stamp.standby or stamp.epoch != self._held[-1][0].frame.stamp.epoch):
            self._flush()
        if stamp.standby:
            matte = self._standby.matte(lease, self._presence.state)
            self._deliver(lease, matte, patient=held)
            return
        given_ns = time.monotonic_ns()
        if isinstance(self._matting, PacedMatting):
            waiting = ring.statistics().waiting + self._outputs.waiting
            if not self._matting.keeps(waiting, given_ns / 1e9):
                self._metrics.drop("thinned")
                return
        self._metrics.latency("wait").record(given_ns - stamp.captured_ns)
        self.in_hand.take()
        lease.retain()
        self._held.append((lease, given_ns))
        mattes = self._matting.matte(lease.frame, lease.alpha)
        self._metrics.latency("infer").record(time.monotonic_ns() - given_ns)
        self._hand_on(mattes)
        if len(self._held) > self._matting.delay:
            raise RuntimeError(f"the matting holds {len(self._held)} frames")

    def _flush(self) -> None:
        """Deliver all held frames; a delivery right after this should be patient too."""
        if self._held:
            self._hand_on(self._matting.flush(), patient=True)
        if self._held:
            raise RuntimeError(f"the matting still holds {len(self._held)} frames")

    def _hand_on(self, mattes: Sequence[Matte], *, patient: bool = False) -> None:
        """Deliver the oldest frames with their *mattes*."""
        for matte in mattes:
            if not self._held or matte.stamp != self._held[0][0].frame.stamp:
                raise RuntimeError(f"the matting returned out of its turn: {matte}")
            if not self.in_hand.give():
                raise _ForfeitedError
            lease, given_ns = self._held.popleft()
            with lease:
                if self._matting.delay:
                    self._metrics.latency("held").record(time.monotonic_ns() - given_ns)
                self._metrics.count(matte.origin)
                self._metrics.matte_age(matte.age)
                if self._refine is not None and matte.origin != "empty":
                    self._refine(lease.frame, matte.alpha)
                self._standby.keep(lease, matte)
                # If there are several, the later ones would push the earlier out of a short queue.
                self._deliver(lease, matte, patient=patient or len(mattes) > 1)

    def _deliver(self, lease: Lease, matte: Matte, *, patient: bool = False) -> None:
        self._outputs.deliver(lease, matte, patient=patient)
