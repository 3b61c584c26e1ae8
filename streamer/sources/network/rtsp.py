"""
A camera or server that speaks RTSP or HTTP, read with PyAV: live, with time-outs, without
credentials in any text.
"""

from __future__ import annotations

import logging
import socket
import time
from fractions import Fraction
from functools import partial
from urllib.parse import urlsplit

import av
from av.container import InputContainer
from av.video.frame import VideoFrame

from streamer.config import RtspSourceConfig
from streamer.config.stream_urls import SECURE, scheme_of
from streamer.errors import FormatChanged, SourceError, SourceLost, public_url
from streamer.frame import Grab, Image, StreamInfo, slow_s
from streamer.packets import AudioPacket
from streamer.sources.decoding import Timeline, Upright, VideoReader, exact, now_s, wants
from streamer.sources.decoding.ffmpeg_errors import translate_connect
from streamer.sources.network.arrivals import Arrivals
from streamer.sources.network.pace import Pace
from streamer.sources.network.stream_options import (
    check_is_live,
    comes_in_bursts,
    has_times,
    is_rtsp,
    options_for,
    whole_url,
)
from streamer.sources.thinning import Thinning

_OPEN_S = 9.8
"""Seconds in which opening ends: no step begins that might take longer."""
_TURN_S = 0.25
"""How long one call waits for the first picture of a connection that sends."""
_PROMPT = 0.8
"""A frame that comes within this part of the frame interval was waiting in a buffer."""
_QUICK_FPS = 5
"""At lower rates no late frame is skipped: the next one may be far off."""
_CLOCK = Fraction(1, 90_000)
"""The time base of streams without timestamps of their own."""

logger = logging.getLogger(__name__)


class RtspSource:
    """One live stream's video. One connection: reconnecting is the capture stage's business."""

    def __init__(self, config: RtspSourceConfig) -> None:
        self._config = config
        self._name = public_url(config.url.get_secret_value().strip())
        self._reader: VideoReader | None = None
        self._frames: Arrivals | None = None
        self._upright = Upright(self._name)
        self._pending: tuple[VideoFrame, int] | None = None
        self._thinning = Thinning(config.max_fps)
        self._pace: Pace | None = None
        self._placed = False
        self._caught_up = False

    def __repr__(self) -> str:
        return f"RtspSource({self._name})"

    @property
    def name(self) -> str:
        """The URL without user and password."""
        return self._name

    def open(self) -> StreamInfo:
        """
        Connect, and learn the size of the picture.

        Raises:
            SourceAuthError: 401 or 403.
            SourceNotFound: 404, or an unknown host.
            SourceRefused: nobody takes the connection, or the server refuses.
            SourceTlsError: the server's certificate is not trusted.
            SourceWaiting: it sends, but the key frame that tells the size is yet to come.
            SourceTimeout: no answer, or no frame; within 10 s in all.
            SourceUnsupported: the answer is no video, or is not live.
        """
        turn_s = _TURN_S
        if self._reader is None:
            started_s = now_s()
            self._connect()
            # A step may take `_step_s`: none may begin later than that before the end.
            turn_s = _OPEN_S - self._step_s - (now_s() - started_s)
        assert self._reader is not None  # noqa: S101 - just connected
        announced = self._reader.announced_size
        if announced is not None:
            self._size = announced
        else:
            # A server that does not say the size: the first frame does.
            self._pending = self._next_due(turn_s)
            first = self._pending[0]
            self._size = self._upright.size(first, self._reader.aspect(first))
        return self._info()

    def read(self, out: Image) -> Grab:
        """Write the next frame into *out*; see `Source.read`."""
        if self._reader is None or self._frames is None:
            raise SourceLost(f"{self._name}: is not open")
        frame, pts = self._pending or self._next_due(_TURN_S)
        size = self._upright.size(frame, self._reader.aspect(frame))
        if size != self._size:
            self._pending, self._size = (frame, pts), size
            raise FormatChanged(self._info())
        wants(self._size, out)
        self._pending = None
        captured_ns = self._frames.arrived_ns
        if self._pace is not None:
            captured_ns = self._pace.wait(float(pts * self._time_base))
        self._upright.write(frame, out)
        return Grab(pts, self._time_base, captured_ns, self._audio(self._reader))

    def close(self) -> None:
        """Hang up. Never raises."""
        if self._reader is not None:
            self._reader.close()
        self._reader = self._frames = self._pending = None

    def _connect(self) -> None:
        """Open the connection, and note what it says of the stream."""
        timeout_s = self._config.open_timeout_s
        url = whole_url(self._config)
        # RTSP can be read on after a step without data; so a long silence is waited for in short
        # steps, and opening ends in time.
        self._step_s = self._config.read_timeout_s
        if is_rtsp(url):
            self._step_s = min(self._step_s, _OPEN_S - timeout_s)
        options = options_for(self._config, self._name)
        started_s = now_s()
        try:
            # What a camera calls itself may be in any encoding.
            container = av.open(
                url, timeout=(timeout_s, self._step_s), options=options, metadata_errors="replace"
            )
        except av.FFmpegError as error:
            # Without its cause: FFmpeg's own text has the URL with its password.
            raise translate_connect(
                error,
                self._name,
                now_s() - started_s,
                timeout_s,
                secure=scheme_of(url) in SECURE,
                knows_host=partial(_has_address, url),
            ) from None
        self._reader = self._checked(container)
        self._timed = has_times(container)
        self._time_base = self._reader.time_base if self._timed else _CLOCK
        self._timeline = Timeline(self._time_base, self._reader.rate)
        self._pace = Pace() if comes_in_bursts(container) else None
        self._silence_s = max(self._config.read_timeout_s, slow_s(self._fps))
        self._frames = Arrivals(
            self._reader,
            self._name,
            silence_s=self._silence_s,
            step_s=self._step_s,
            resumes=is_rtsp(url),
        )
        self._origin_ns = time.monotonic_ns()
        self._since_s = now_s()
        self._connected_s = self._since_s - started_s

    def _checked(self, container: InputContainer) -> VideoReader:
        try:
            check_is_live(container, self._name)
        except SourceError:
            container.close()
            raise
        secure = scheme_of(self._config.url.get_secret_value().strip()) in SECURE
        if comes_in_bursts(container) and secure and self._config.tls_verify:
            logger.warning(
                "%s: FFmpeg verifies the certificate for the playlist, and for no segment",
                self._name,
            )
        return VideoReader(
            container,
            self._name,
            audio=self._config.audio,
            deinterlace=self._config.deinterlace,
            live=True,
        )

    def _info(self) -> StreamInfo:
        assert self._reader is not None  # noqa: S101 - called while open
        width, height = self._size
        fps, most = self._fps, self._config.max_fps
        return StreamInfo(
            self._name,
            width,
            height,
            fps if fps is None or most is None else min(fps, exact(most)),
            self._time_base,
            live=True,
            audio=self._reader.audio,
        )

    @property
    def _fps(self) -> Fraction | None:
        """Frames per second, as far as the server says."""
        assert self._reader is not None  # noqa: S101 - called while open
        return self._reader.rate if self._timed else None

    def _audio(self, reader: VideoReader) -> tuple[AudioPacket, ...]:
        """The audio that came, each packet with the same offset as the frames of its clock."""
        packets = reader.take_audio()
        if reader.audio is None or not self._timeline.offset:
            return tuple(packets)
        units = reader.audio.time_base / self._time_base
        offsets = (self._timeline.offset_of(packet.pts * units) for packet in packets)
        return tuple(
            AudioPacket(packet.data, packet.pts + round(offset / units))
            for packet, offset in zip(packets, offsets, strict=True)
        )

    def _next_due(self, turn_s: float) -> tuple[VideoFrame, int]:
        """
        The next frame to take, with its timestamp. Frames that are skipped for `max_fps` cost no
        conversion.
        """
        assert self._frames is not None  # noqa: S101 - called while open
        while True:
            frame = self._frames.next(turn_s)
            if not self._caught_up:
                self._caught_up = True
                frame = self._newest(frame, self._frames)
            pts = self._place(frame.pts)
            if self._thinning.takes(float(pts * self._time_base)):
                return frame, pts

    def _newest(self, frame: VideoFrame, frames: Arrivals) -> VideoFrame:
        """
        The last of the frames that FFmpeg read while connecting, of which *frame* is the first.

        The earlier ones are late: stamped now, they would put the stream's clock ahead of ours.
        """
        fps = self._fps
        waited_s = now_s() - self._since_s
        if fps is None or fps < _QUICK_FPS or self._pace is not None or waited_s > _TURN_S:
            return frame
        first_pts, taken_s, took_s = frame.pts or 0, now_s(), 0.0
        until_pts = first_pts + self._connected_s / self._time_base
        while took_s < _PROMPT / fps and (frame.pts or 0) < until_pts:
            frame = frames.next(self._silence_s)
            taken_s, took_s = now_s(), now_s() - taken_s
        return frame

    def _place(self, pts: int | None) -> int:
        assert self._frames is not None  # noqa: S101 - called while open
        if pts is None and self._timed and not self._placed:
            pts = 0  # FFmpeg counts from the first packet, and loses that one's own time
        elif pts is None or not self._timed:
            passed_s = Fraction(self._frames.arrived_ns - self._origin_ns, 1_000_000_000)
            pts = round(passed_s / self._time_base)
        self._placed = True
        return self._timeline.place(pts)


def _has_address(url: str) -> bool:
    """Whether the host's name in *url* has an address."""
    try:
        socket.getaddrinfo(urlsplit(url).hostname, None)
    except (OSError, ValueError):
        return False
    return True
