"""
The capture stage: reads frames of an open source, stamps them, and puts them into the ring.

It owns what every source has in common: indices, epochs and the timeline, pacing by timestamps,
pauses, skimming a live source until the first matte can be made, counting what could not be
decoded, and the frames that stand in while a source is away.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from typing import Protocol

import numpy as np

from streamer.core.clock import Clock
from streamer.core.metrics import Metrics
from streamer.engine.attempt import Unanswered
from streamer.engine.playback import Playback
from streamer.engine.presence import Presence
from streamer.engine.ring import FrameRing
from streamer.engine.timeline import RunTimeline
from streamer.errors import CorruptFrame, EndOfStream, FormatChanged
from streamer.frame import Grab, Image, Stamp, StreamInfo
from streamer.packets import AudioPacket, AudioTrack

logger = logging.getLogger("streamer.engine")

_NS = 1_000_000_000
_STAND_IN_NS = _NS // 5
"""Between two stand-by frames."""
_TICK_S = 0.05
"""How often a wait checks for a stop, a pause or another speed."""


class Readable(Protocol):
    """A source or an attempt, open."""

    def read(self, out: Image) -> Grab:
        """See `Source.read`."""
        ...


class CaptureStage:
    """
    Reads open sources, one after another, into a ring until they end or *stop* is set.

    Args:
        metrics: where frames and drops are counted.
        presence: told of each frame.
        clock: for pacing and latency.
        stop: ends the stage; also ends waiting for a frame's time.
        ready: set when mattes can be made; no frame counts before.
        on_audio: given the audio that comes with the frames, on the timeline of their stamps.
        playback: the user's wishes of the source.

    Attributes:
        frames: how many were read, those thrown away included.
        fed_s: seconds between the first and the latest frame of the latest connection.
    """

    def __init__(
        self,
        metrics: Metrics,
        presence: Presence,
        clock: Clock,
        *,
        stop: threading.Event,
        ready: threading.Event,
        on_audio: Callable[[Sequence[AudioPacket]], None] = lambda packets: None,
        playback: Playback | None = None,
    ) -> None:
        self.frames = 0
        self.fed_s = 0.0
        self._first_ns: int | None = None
        self._metrics = metrics
        self._presence = presence
        self._clock = clock
        self._on_audio = on_audio
        self._audio: AudioTrack | None = None
        self._playback = playback or Playback()
        self._connected = False
        self._stop = stop
        self._ready = ready
        self._index = 0
        self._epoch = -1
        self._epoch_begins = True
        self._beat: tuple[int, int] | None = None
        self._timeline = RunTimeline()
        self.size: tuple[int, int] | None = None
        """(H, W) of the latest frame."""
        self._stand_in_due_ns = 0
        self._corrupt = False

    def run(self, source: Readable, info: StreamInfo, ring: FrameRing) -> bool:
        """
        Fill *ring* with the frames of *source*, as a new epoch.

        Returns:
            True if the source ended; false if a stop, or the close of the source, is wanted.

        Raises:
            SourceError: it was lost.
        """
        self._timeline.connect(info.time_base)
        self._first_ns, self.fed_s = None, 0.0
        if not self._connected:
            self._connected = True
            self._audio = info.audio
        elif info.audio != self._audio and self._audio is not None:
            logger.warning("%s: its audio is another than before: left out", info.name)
        self._epoch_begins = True
        self._beat = None
        info = self._wait_until_ready(source, info)
        while not self._stop.is_set() and not self._playback.closes:
            try:
                if self._playback.paused:
                    info = self._pause(source, info, ring)
                else:
                    self._read_one(source, info, ring)
            except FormatChanged as change:
                info = change.info
                self._epoch_begins = True
            except CorruptFrame as error:
                self._complain(error)
                self._metrics.count("captured")
                self._metrics.drop("decode_error")
                self._index += 1
            except EndOfStream as end:
                self._hear(end.audio, info)
                self._see_out(info)
                return True
        return False

    def stand_in(self, ring: FrameRing) -> None:
        """Put a stand-by frame into *ring* if one is due; the matting stage makes its picture."""
        now_ns = self._clock.now_ns()
        if self.size is None or not self._ready.is_set() or now_ns < self._stand_in_due_ns:
            return
        self._stand_in_due_ns = now_ns + _STAND_IN_NS
        with suppress(EndOfStream, TimeoutError), ring.reserve(*self.size, timeout=0) as slot:
            pts = self._timeline.stand_in(now_ns)
            stamp = self._stamp(pts, self._timeline.time_base, now_ns)
            slot.commit(replace(stamp, standby=True, paused=self._playback.paused))

    def _read_one(self, source: Readable, info: StreamInfo, ring: FrameRing) -> None:
        with ring.reserve(info.height, info.width) as slot:
            try:
                grab = source.read(slot.image)
            except Unanswered:
                slot.condemn()
                raise
            self._came(grab)
            self._stand_in_due_ns = 0
            if self._epoch_begins:
                self._epoch_begins = False
                self._epoch += 1
            if info.live and not info.paced:
                pts, time_base = self._timeline.place(grab), self._timeline.time_base
            else:
                pts, time_base = grab.pts, grab.time_base
            captured_ns = self._pace(grab) if info.paced else grab.captured_ns
            self.size = (info.height, info.width)
            self._metrics.count("captured")
            stamp = self._stamp(pts, time_base, captured_ns)
            self._metrics.latency("capture").record(self._clock.now_ns() - captured_ns)
            slot.commit(stamp)
        self._hear(grab.audio, info)

    def _hear(self, packets: Sequence[AudioPacket], info: StreamInfo) -> None:
        """Hand on audio, if it is of the track that the sinks were told of."""
        if not packets or info.audio is None or info.audio != self._audio:
            return
        if info.live and not info.paced:
            offset_s = self._timeline.offset_s()
            if offset_s is None:
                return
            offset = round(offset_s / info.audio.time_base)
            packets = [replace(packet, pts=packet.pts + offset) for packet in packets]
        self._on_audio(packets)

    def _stamp(self, pts: int, time_base: Fraction, captured_ns: int) -> Stamp:
        index, self._index = self._index, self._index + 1
        return Stamp(index, pts, time_base, captured_ns, self._epoch)

    def _came(self, grab: Grab) -> None:
        self.frames += 1
        if self._first_ns is None:
            self._first_ns = grab.captured_ns
        self.fed_s = (grab.captured_ns - self._first_ns) / _NS
        self._corrupt = False
        self._presence.came(grab.captured_ns)

    def _wait_until_ready(self, source: Readable, info: StreamInfo) -> StreamInfo:
        """Let a file wait; read a live source and throw its frames away, so that it stays fresh."""
        if not info.live or info.paced:
            self._ready.wait()
            return info
        with suppress(EndOfStream):
            return self._skim(
                source, info, lambda: not (self._ready.is_set() or self._playback.closes)
            )
        return info

    def _pause(self, source: Readable, info: StreamInfo, ring: FrameRing) -> StreamInfo:
        """Wait until the pause is over; a live source is read, and its last picture is held."""
        if not info.live or info.paced:
            self._sit_out()
            self._beat = None
            return info

        def goes_on() -> bool:
            self.stand_in(ring)
            return self._playback.paused and not self._playback.closes

        self._epoch_begins = True
        return self._skim(source, info, goes_on)

    def _sit_out(self) -> int:
        """Wait until the pause is over; returns the nanoseconds that it took."""
        begun_ns = self._clock.now_ns()
        while self._playback.paused and not self._stop.is_set():
            self._clock.wait(self._stop, _TICK_S)
        return self._clock.now_ns() - begun_ns

    def _skim(self, source: Readable, info: StreamInfo, goes_on: Callable[[], bool]) -> StreamInfo:
        """Read frames and throw them away while *goes_on*; returns the info after the last."""
        scratch = _image_for(info)
        while not self._stop.is_set() and goes_on():
            try:
                self._came(source.read(scratch))
            except FormatChanged as change:
                info = change.info
                scratch = _image_for(info)
            except CorruptFrame as error:
                self._complain(error)
        return info

    def _complain(self, error: CorruptFrame) -> None:
        """Log a corrupt frame; as a warning only the first of several in a row."""
        logger.log(logging.DEBUG if self._corrupt else logging.WARNING, "%s", error)
        self._corrupt = True

    def _pace(self, grab: Grab) -> int:
        """Wait until the frame is due; returns the time then, as its moment of capture."""
        self._wait_until(int(grab.pts * grab.time_base * _NS))
        return self._clock.now_ns()

    def _see_out(self, info: StreamInfo) -> None:
        """Wait as long as the last picture of a paced source is to be shown."""
        if info.paced and info.fps is not None and self._beat is not None:
            self._wait_until(self._beat[1] + int(_NS / info.fps))

    def _wait_until(self, pts_ns: int) -> None:
        """
        Wait until *pts_ns*, in nanoseconds of the stream, is due.

        It is counted from when the previous frame was due, so a new speed applies from there. Time
        in a pause does not count.
        """
        begun_ns, begun_pts_ns = self._beat or (self._clock.now_ns(), pts_ns)
        due_ns = begun_ns
        while not self._stop.is_set():
            begun_ns += self._sit_out()
            due_ns = begun_ns + int((pts_ns - begun_pts_ns) / self._playback.speed)
            early_ns = due_ns - self._clock.now_ns()
            if early_ns <= 0:
                break
            self._clock.wait(self._stop, min(early_ns / _NS, _TICK_S))
        self._beat = (due_ns, pts_ns)


def _image_for(info: StreamInfo) -> Image:
    return np.empty((info.height, info.width, 3), np.uint8)
