"""The video of an open container: packets to whole frames, and the sound beside them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import chain
from typing import TYPE_CHECKING, cast

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from streamer.config import Deinterlace
from streamer.errors import CorruptFrame, SourceUnsupported, ffmpeg_reason
from streamer.packets import AudioPacket
from streamer.sources.decoding.completeness import shortfall, shown_frames
from streamer.sources.decoding.decoders import decoder_of
from streamer.sources.decoding.fields import Deinterlacer
from streamer.sources.decoding.joined import may_leap, on_one_clock
from streamer.sources.decoding.pixels import PixelAspect, square_size
from streamer.sources.decoding.sound import Sound
from streamer.sources.decoding.timestamps import now_s

if TYPE_CHECKING:
    from streamer.sources.decoding.joined import TrackPacket

_FASTEST_FPS = 1000
"""If FFmpeg guesses a higher rate, it is the time base, for want of a rate."""
_APART_S = 2
_MOST_KEPT = 4000
"""Most packets that are kept from a key frame on, while looking for the place to begin."""


class VideoReader:
    """
    The frames of a container's best video stream, in order of presentation.

    Owns the container. Not thread-safe.

    Attributes:
        audio: the format of the audio; None if it is not wanted, missing or unknown.
        packets: how many video packets with data came so far.
        cut: the latest packet was marked as incomplete by the demuxer.
        end: where the latest packet in time ends, in units of `time_base`.
        leaps: the file's clock may begin anew; timestamps here go on (`on_one_clock`).
    """

    def __init__(
        self,
        container: InputContainer,
        name: str,
        *,
        audio: bool = False,
        deinterlace: Deinterlace = "auto",
        live: bool = False,
    ) -> None:
        """
        Take over *container*, and close it if this raises.

        Args:
            container: open.
            name: how it is called in messages.
            audio: keep the packets of its best audio stream, for `take_audio`.
            deinterlace: which frames are made progressive.
            live: hold nothing back: no frames at the end, which is a failure to report at once, and
                no packets of a new clock. Otherwise timestamps go on where the container's clock
                begins anew (`on_one_clock`).

        Raises:
            SourceUnsupported: it has no video, or nothing here decodes it.
        """
        stream = container.streams.best("video")
        # Without a video, the best stream may be the cover of a song or an album.
        if not isinstance(stream, VideoStream) or stream.disposition & Disposition.attached_pic:
            kinds = _kinds(container)
            container.close()
            raise SourceUnsupported(f"{name}: has no video, only {kinds}")
        context: object = stream.codec_context
        if context is None:
            container.close()
            raise SourceUnsupported(f"{name}: its codec is not one that can be decoded here")
        self._container = container
        self._name = name
        self.stream = stream
        self.time_base = stream.time_base or Fraction(1, 90_000)
        self.rate = next(
            (r for r in (stream.guessed_rate, stream.average_rate) if r and r <= _FASTEST_FPS), None
        )
        self.packets = 0
        self.cut = False
        self.end = 0
        self._live = live
        self.leaps = not live and may_leap(container)
        # Where the clock may leap, the sound tells a leap from a long picture.
        beside = container.streams.best("audio") if audio or self.leaps else None
        self._beside = beside if isinstance(beside, AudioStream) else None
        self._sound = Sound(self._beside) if audio and self._beside is not None else None
        self._demuxer = self._demuxed()
        if self._sound is not None:
            self._demuxer = self._sound.read_ahead(self._demuxer)
        self.audio = self._sound.track if self._sound is not None else None
        self._decoder = decoder_of(stream)
        self._fields = Deinterlacer(deinterlace)
        self._pixels = PixelAspect(stream)
        self._decoded: deque[VideoFrame] = deque()

    @property
    def announced_size(self) -> tuple[int, int] | None:
        """(width, height) in square pixels, before any rotation; None if not known yet."""
        context = self.stream.codec_context
        if not context.width or not context.height:
            return None
        return square_size(context.width, context.height, self._pixels.at(None))

    def aspect(self, frame: VideoFrame) -> Fraction | None:
        """Pixel aspect (width by height) of *frame*, a recent one; None if unknown."""
        return self._pixels.at(frame.pts)

    def step(self) -> VideoFrame | None:
        """
        Take a frame that is ready, or else read and decode one packet.

        Returns:
            The frame, or None where the packet gave none yet.

        Raises:
            EOFError: there is nothing left.
            CorruptFrame: the packet could not be decoded.
            av.FFmpegError: the container could not be read on.
        """
        if self._decoded:
            return self._decoded.popleft()
        packet = next(self._demuxer, None)
        if packet is None:
            return self._last()
        if not isinstance(packet.stream, VideoStream):
            if self._sound is not None:
                self._sound.hear(packet)
            return None
        if packet.size:
            self.packets += 1
            self.cut = packet.is_corrupt
            if packet.pts is not None and not packet.is_discard:
                self.end = max(self.end, packet.pts + (packet.duration or 0))
        try:
            frames = self._decoder.decode(packet)
        except av.EOFError:
            return self._last()
        except av.FFmpegError as error:
            raise CorruptFrame(
                f"{self._name}: packet {self.packets} could not be decoded: {ffmpeg_reason(error)}"
            ) from error
        self._pixels.follow(packet.pts)
        for frame in frames:
            self._decoded.extend(self._fields.put(frame))
        return self._decoded.popleft() if self._decoded else None

    def seek(self, pts: int) -> None:
        """Go to the key frame before *pts*; where the container cannot seek, stay."""
        try:
            self._container.seek(pts, stream=self.stream, backward=True)
        except av.FFmpegError:
            return
        if self._decoder is not self.stream.codec_context:
            self._decoder.flush_buffers()
        self._fields.clear()
        self._decoded.clear()
        if self._sound is not None:
            self._sound.forget()
        self._demuxer = self._demuxed()

    def skim(self, pts: int, until_s: float) -> bool:
        """
        Skip packets, undecoded, up to the last key frame that is shown at or before *pts*.

        For files whose clock leaps: `seek` would look for *pts* by the file's own clock.

        Args:
            pts: by the one clock, in units of `time_base`.
            until_s: when to give up, as `now_s` counts.

        Returns:
            Whether it got there.

        Raises:
            av.FFmpegError: the container could not be read on.
        """
        begin_s = pts * self.time_base
        kept: list[TrackPacket] = []
        for packet in self._demuxer:
            if now_s() > until_s or len(kept) > _MOST_KEPT:
                return False
            shown = packet.pts
            if shown is None or isinstance(packet.stream, VideoStream):
                if shown is not None and packet.is_keyframe and shown <= pts:
                    kept = [other for other in kept if not isinstance(other.stream, VideoStream)]
                kept.append(packet)
                if shown is not None and shown > pts:
                    break
            elif shown * packet.time_base >= begin_s:
                kept.append(packet)
        self._demuxer = chain(kept, self._demuxer)
        return True

    def resume(self) -> None:
        """Read on after an error that did not end the stream, such as a read without data."""
        self._demuxer = self._demuxed()

    def forget_audio(self, before: int | None) -> None:
        """Drop audio packets from before *before*, which is in units of the video's `time_base`."""
        if self._sound is not None and before is not None:
            self._sound.forget(before * self.time_base)

    def hear(self, until_s: Fraction) -> None:
        """
        Read on without decoding until the sound has come to *until_s*, for `take_audio`.

        In a file, sound may come up to two seconds later than the pictures of its time.
        """
        if self._sound is None:
            return
        for packet in self._demuxer:
            if packet.pts is None:
                continue
            at_s = packet.pts * packet.time_base
            if isinstance(packet.stream, VideoStream):
                if at_s > until_s + _APART_S:
                    return
            else:
                self._sound.hear(packet)
                if at_s >= until_s:
                    return

    def take_audio(self) -> list[AudioPacket]:
        """The audio packets that came since the last call."""
        return [] if self._sound is None else self._sound.take()

    @property
    def begins(self) -> int | None:
        """When the video begins, in units of `time_base`; None where the container does not say."""
        return self.stream.start_time

    @property
    def frames(self) -> int | None:
        """How many frames are to be shown; None where the container does not say."""
        return shown_frames(self.stream)

    def lack(self, delivered: int, *, failed: bool) -> str | None:
        """What a file that gave *delivered* frames lacks, if anything; see `shortfall`."""
        return shortfall(self, delivered, failed=failed)

    def put_back(self, frame: VideoFrame) -> None:
        """Make *frame* the one that the next `step` takes."""
        self._decoded.appendleft(frame)

    def close(self) -> None:
        """Release the container. Never raises."""
        try:
            self._container.close()
        except (av.FFmpegError, OSError):
            return

    def _last(self) -> VideoFrame:
        """A frame that was held back to the end; raises EOFError if there is none."""
        if not self._live:
            self._decoded.extend(self._fields.finish())
        if not self._decoded:
            raise EOFError
        return self._decoded.popleft()

    def _demuxed(self) -> Iterator[TrackPacket]:
        wanted: list[Stream] = [self.stream]
        if self._beside is not None:
            wanted.append(self._beside)
        packets = cast("Iterator[TrackPacket]", self._container.demux(*wanted))
        packets = _until_end(packets)
        if self._live:
            return packets
        return on_one_clock(packets, 1 / (self.rate or Fraction(25)), forward=self.leaps)


def _until_end(packets: Iterator[TrackPacket]) -> Iterator[TrackPacket]:
    """*packets*, without PyAV's IndexError at the end for streams that appeared on the way."""
    with suppress(IndexError):
        yield from packets


def _kinds(container: InputContainer) -> str:
    kinds = {
        "a cover" if stream.disposition & Disposition.attached_pic else stream.type
        for stream in container.streams
    }
    return " and ".join(sorted(kinds)) or "nothing"
