"""
A camera or server that speaks RTSP, read with PyAV: live, with time-outs, without credentials
in any text.
"""

from __future__ import annotations

import time
from fractions import Fraction

import av
from av.video.frame import VideoFrame

from streamer.config.models import RtspSourceConfig
from streamer.errors import (
    CorruptFrame,
    FormatChanged,
    SourceError,
    SourceLost,
    SourceTimeout,
    redact,
)
from streamer.frame import Grab, Image, StreamInfo
from streamer.sources.decoding import (
    Timeline,
    Upright,
    VideoReader,
    now_s,
    translate_open,
    translate_read,
    wants,
)

_OPEN_S = 9.5


class RtspSource:
    """One RTSP stream's video. One connection: reconnecting is the capture stage's business."""

    def __init__(self, config: RtspSourceConfig) -> None:
        self._config = config
        self._name = redact(config.url.get_secret_value())
        self._reader: VideoReader | None = None
        self._upright = Upright()
        self._pending: VideoFrame | None = None
        self._arrived_ns = 0
        self._seen = False
        self._lost: SourceError | None = None

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
            SourceNotFound: refused, unknown host, 401, 404: the message says which.
            SourceTimeout: no answer, or no frame; within 10 s in all.
            SourceUnsupported: the answer is no video.
        """
        started_s = now_s()
        timeout_s = self._config.open_timeout_s
        try:
            container = av.open(
                self._config.url.get_secret_value(),
                timeout=(timeout_s, min(self._config.read_timeout_s, _OPEN_S - timeout_s)),
                options={
                    "rtsp_transport": self._config.transport,
                    "allowed_media_types": "video",
                    "fflags": "nobuffer",
                    "flags": "low_delay",
                },
            )
        except av.FFmpegError as error:
            # Without its cause: FFmpeg's own text has the URL with its password.
            raise translate_open(error, self._name, now_s() - started_s, timeout_s) from None
        self._reader = VideoReader(container, self._name)
        self._timeline = Timeline(self._reader.time_base, self._reader.rate)
        self._origin_ns = time.monotonic_ns()
        context = self._reader.stream.codec_context
        if context.width and context.height:
            self._size = (context.width, context.height)
        else:
            left_s = max(_OPEN_S - (now_s() - started_s), 0.1)
            self._pending = self._next_frame(min(self._config.read_timeout_s, left_s))
            self._size = Upright.size(self._pending)
        return self._info()

    def read(self, out: Image) -> Grab:
        """Write the newest frame that arrived into *out*; see `Source.read`."""
        if self._reader is None:
            raise SourceLost(f"{self._name}: is not open")
        if self._lost is not None:
            raise type(self._lost)(str(self._lost))
        frame = self._pending or self._next_frame(self._config.read_timeout_s)
        if Upright.size(frame) != self._size:
            self._pending, self._size = frame, Upright.size(frame)
            raise FormatChanged(self._info())
        wants(self._size, out)
        self._pending = None
        self._upright.write(frame, out)
        return Grab(self._place(frame.pts), self._reader.time_base, self._arrived_ns)

    def close(self) -> None:
        """Hang up. Never raises."""
        if self._reader is not None:
            self._reader.close()
        self._reader = None
        self._pending = None

    def _info(self) -> StreamInfo:
        assert self._reader is not None  # noqa: S101 - called while open
        width, height = self._size
        return StreamInfo(
            self._name, width, height, self._reader.rate, self._reader.time_base, live=True
        )

    def _next_frame(self, timeout_s: float) -> VideoFrame:
        assert self._reader is not None  # noqa: S101 - called while open
        started_s = now_s()
        try:
            while True:
                try:
                    frame = self._reader.step()
                except CorruptFrame:
                    # Joined between key frames, the first packets refer to what we never saw.
                    if self._seen:
                        raise
                    frame = None
                if frame is not None:
                    self._arrived_ns = time.monotonic_ns()
                    self._seen = True
                    return frame
                if now_s() - started_s > timeout_s:
                    raise SourceTimeout(f"{self._name}: no frame within {timeout_s:g} s")
        except EOFError:
            # What PyAV raises itself, av.EOFError, is an EOFError too.
            elapsed_s = now_s() - started_s
            self._lost = (
                SourceTimeout(f"{self._name}: sent nothing for {timeout_s:g} s")
                if elapsed_s >= 0.9 * timeout_s
                else SourceLost(f"{self._name}: the server ended the stream")
            )
        except av.FFmpegError as error:
            self._lost = translate_read(error, self._name, now_s() - started_s, timeout_s)
        raise self._lost from None

    def _place(self, pts: int | None) -> int:
        if pts is None:
            assert self._reader is not None  # noqa: S101 - called while open
            passed_s = Fraction(self._arrived_ns - self._origin_ns, 1_000_000_000)
            pts = round(passed_s / self._reader.time_base)
        return self._timeline.place(pts)
