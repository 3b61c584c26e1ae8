"""
Encodes pictures for live viewers: no look-ahead, no B-frames, a key frame on demand.

A hardware encoder is used if it passes a trial: to encode one frame of the stream's size.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, cast

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from streamer.core.cores import library_threads
from streamer.errors import SinkError, ffmpeg_reason
from streamer.frame import Image, Stamp
from streamer.packets import (
    PARAMETER_SETS,
    VideoCodec,
    VideoPacket,
    VideoTrack,
    nal_type,
    split_annex_b,
)
from streamer.sinks.shared.canvas import Canvas
from streamer.sinks.shared.presets import preset_of
from streamer.sinks.shared.timeline import Timeline

_log = logging.getLogger(__name__)

EncoderChoice = Literal["auto", "software", "nvenc", "videotoolbox"]

_SOFTWARE: dict[VideoCodec, str] = {"h264": "libx264", "hevc": "libx265"}
_HARDWARE: dict[str, dict[str, str]] = {
    "nvenc": {"preset": "p4", "tune": "ull", "zerolatency": "1", "delay": "0", "forced-idr": "1"},
    "videotoolbox": {"realtime": "1", "allow_sw": "0"},
}
_NOMINAL_FPS = Fraction(25)
"""The rate that the encoder is told where the source names none; only timestamps matter."""


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """How a live stream is encoded."""

    codec: VideoCodec = "h264"
    encoder: EncoderChoice = "auto"
    preset: str = "auto"
    """For x264 and x265; see `presets`."""
    quality: int = 23
    """Constant rate factor, or the hardware's equivalent; ignored where a bit rate is set."""
    bitrate_kbps: int | None = None
    gop_s: float = 1.0
    """Seconds after which a new key frame is due."""


class LiveEncoder:
    """
    Encodes one stream.

    Args:
        width: of the first picture in pixels; later ones are scaled, see `Canvas`.
        height: of the first picture in pixels.
        time_base: seconds in one unit of the packets' `pts`.
        fps: nominal rate, or None.
        settings: how to encode.

    Raises:
        SinkError: the encoder that was asked for does not work here.

    Not thread-safe.
    """

    def __init__(
        self,
        width: int,
        height: int,
        time_base: Fraction,
        fps: Fraction | None,
        settings: EncoderSettings,
    ) -> None:
        self._settings = settings
        self._fps = fps
        self._timeline = Timeline(time_base, fps)
        self._canvas = Canvas(width, height)
        self._captured_ns: dict[int, int] = {}
        self._next_key_s: Fraction | None = None
        self._track: VideoTrack | None = None
        self._preset = preset_of(settings.preset, live=True)
        self.name, self._context = self._choose()

    @property
    def preset(self) -> str | None:
        """The preset of x264 or x265; None for hardware, which has its own."""
        return self._preset if self.name in _SOFTWARE.values() else None

    @property
    def track(self) -> VideoTrack:
        """Describes the packets; known after the first one."""
        if self._track is None:
            raise RuntimeError("the track is known after the first packet")
        return self._track

    def moved(self, pts: int, time_base: Fraction) -> int | None:
        """The time of audio on the pictures' timeline; None where it is from before the first."""
        return self._timeline.moved(pts, time_base)

    def encode(self, picture: Image, stamp: Stamp, *, key: bool = False) -> list[VideoPacket]:
        """
        Encode one more picture; return the packets that are ready: with software, one.

        Args:
            picture: (H, W, 3) uint8 BGR; borrowed until this returns.
            stamp: its place in time.
            key: make it a key frame.

        Raises:
            SinkError: it could not be encoded.
        """
        frame = self._canvas.frame(picture)
        frame.pts = self._timeline.place(stamp)
        frame.time_base = self._timeline.time_base
        second = frame.pts * frame.time_base
        if key or self._next_key_s is None or second >= self._next_key_s:
            frame.pict_type = PictureType.I
            self._next_key_s = second + Fraction(str(self._settings.gop_s))
        self._captured_ns[frame.pts] = stamp.captured_ns
        try:
            encoded = self._context.encode(frame)
        except (av.FFmpegError, ValueError) as error:
            raise SinkError(
                f"{self.name}: cannot encode the picture: {ffmpeg_reason(error)}"
            ) from error
        return [self._packet(bytes(p), cast("int", p.pts), p.is_keyframe) for p in encoded]

    def close(self) -> None:
        """Release the encoder; frames still in it are lost. Safe to call twice."""
        with suppress(av.FFmpegError, ValueError, EOFError):
            self._context.encode(None)

    def _packet(self, data: bytes, pts: int, key: bool) -> VideoPacket:
        captured_ns = self._captured_ns.pop(pts, 0)
        for late in [other for other in self._captured_ns if other < pts]:
            del self._captured_ns[late]  # dropped by the encoder
        if key:
            sets = self._parameter_sets(data)
            if not sets:
                # Some encoders write them into the header only; viewers who join now need them.
                header = self._context.extradata or b""
                sets, data = self._parameter_sets(header), header + data
            self._track = self._made_of(sets)
        return VideoPacket(data, pts, key, captured_ns)

    def _parameter_sets(self, data: bytes) -> tuple[bytes, ...]:
        codec = self._settings.codec
        return tuple(
            bytes(unit)
            for unit in split_annex_b(data)
            if nal_type(codec, unit) in PARAMETER_SETS[codec]
        )

    def _made_of(self, sets: tuple[bytes, ...]) -> VideoTrack:
        return VideoTrack(
            self._settings.codec,
            self._canvas.width,
            self._canvas.height,
            self._fps,
            self._timeline.time_base,
            sets,
        )

    def _choose(self) -> tuple[str, VideoCodecContext]:
        asked = self._settings.encoder
        if asked in ("auto", *_HARDWARE):
            for kind in _HARDWARE if asked == "auto" else (asked,):
                name = f"{self._settings.codec}_{kind}"
                try:
                    self._prove(name)
                except (av.FFmpegError, ValueError, OSError) as error:
                    if asked != "auto":
                        raise SinkError(
                            f"{name}: does not work here: choose encoder: auto"
                        ) from error
                    continue
                _log.info("encoding with %s", name)
                return name, self._made(name)
        name = _SOFTWARE[self._settings.codec]
        return name, self._made(name)

    def _prove(self, name: str) -> None:
        """Encode a black frame. Raises what PyAV raises, ValueError where nothing comes out."""
        trial = self._made(name)
        black = np.zeros((self._canvas.height, self._canvas.width, 3), np.uint8)
        frame = self._canvas.frame(black)
        frame.pts, frame.time_base = 0, self._timeline.time_base
        if not [*trial.encode(frame), *trial.encode(None)]:
            raise ValueError("it gave no packet")

    def _made(self, name: str) -> VideoCodecContext:
        """An encoder of that name, not open yet: it opens with its first frame."""
        context = av.CodecContext.create(name, "w")
        assert isinstance(context, VideoCodecContext)  # noqa: S101 - the names are of video codecs
        self._canvas.prepare(context)
        rate = self._fps or _NOMINAL_FPS
        context.time_base = self._timeline.time_base
        context.framerate = rate
        context.max_b_frames = 0
        context.gop_size = max(1, round(rate * 600))  # key frames are set by time
        context.thread_count = library_threads()
        context.options = self._options(name)
        if self._settings.bitrate_kbps is not None:
            context.bit_rate = self._settings.bitrate_kbps * 1000
        return context

    def _options(self, name: str) -> dict[str, str]:
        settings = self._settings
        kind = name.partition("_")[2]
        if kind in _HARDWARE:
            options = dict(_HARDWARE[kind])
            if kind == "nvenc" and settings.bitrate_kbps is None:
                options |= {"rc": "vbr", "cq": str(settings.quality)}
            return options
        options = {"preset": self._preset, "tune": "zerolatency", "forced-idr": "1"}
        if settings.bitrate_kbps is None:
            options["crf"] = str(settings.quality)
        else:
            # One second's worth of buffer: the rate holds over a second, not over a film.
            options |= {
                "maxrate": f"{settings.bitrate_kbps}k",
                "bufsize": f"{settings.bitrate_kbps}k",
            }
        if name == "libx265":
            options["x265-params"] = "repeat-headers=1:bframes=0:log-level=error"
            if threads := library_threads():
                options["x265-params"] += f":pools={threads}"
        return options
