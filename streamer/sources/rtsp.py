"""
A camera or server that speaks RTSP, read with PyAV: live, with time-outs, without credentials
in any text.
"""

from __future__ import annotations

import socket
import time
from fractions import Fraction
from functools import partial
from urllib.parse import quote, urlsplit

import av
from av.video.frame import VideoFrame
from pydantic import SecretStr

from streamer.config import RtspSourceConfig
from streamer.errors import (
    CorruptFrame,
    FormatChanged,
    SourceError,
    SourceLost,
    SourceTimeout,
    SourceTlsError,
    redact,
)
from streamer.frame import Grab, Image, StreamInfo
from streamer.packets import AudioPacket
from streamer.sources.decoding import Timeline, VideoReader, exact, now_s, wants
from streamer.sources.ffmpeg_errors import translate_connect, translate_read
from streamer.sources.thinning import Thinning
from streamer.sources.upright import Upright
from streamer.tls import authorities

_OPEN_S = 9.8
"""No step of opening is begun that might end after so many seconds."""


class RtspSource:
    """One RTSP stream's video. One connection: reconnecting is the capture stage's business."""

    def __init__(self, config: RtspSourceConfig) -> None:
        self._config = config
        self._name = redact(config.url.get_secret_value())
        self._reader: VideoReader | None = None
        self._upright = Upright(self._name)
        self._pending: tuple[VideoFrame, int] | None = None
        self._thinning = Thinning(config.max_fps)
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
            SourceAuthError: 401 or 403.
            SourceNotFound: 404, or an unknown host.
            SourceRefused: nobody takes the connection, or the server refuses.
            SourceTlsError: the server's certificate is not trusted.
            SourceTimeout: no answer, or no frame; within 10 s in all.
            SourceUnsupported: the answer is no video.
        """
        started_s = now_s()
        timeout_s = self._config.open_timeout_s
        read_s = min(self._config.read_timeout_s, _OPEN_S - timeout_s)
        url, options = self._url(), self._options()
        try:
            # What a camera calls itself may be in any encoding.
            container = av.open(
                url, timeout=(timeout_s, read_s), options=options, metadata_errors="replace"
            )
        except av.FFmpegError as error:
            # Without its cause: FFmpeg's own text has the URL with its password.
            raise translate_connect(
                error,
                self._name,
                now_s() - started_s,
                timeout_s,
                secure=self._secure,
                knows_host=partial(_has_address, self._name),
            ) from None
        self._reader = VideoReader(
            container,
            self._name,
            audio=self._config.audio,
            deinterlace=self._config.deinterlace,
            live=True,
        )
        self._timeline = Timeline(self._reader.time_base, self._reader.rate)
        self._origin_ns = time.monotonic_ns()
        announced = self._reader.announced_size
        if announced is not None:
            self._size = announced
        else:
            # A server that does not say the size: the first frame does. Each step may take
            # `read_s`, so that none may begin later than that before the end.
            self._pending = self._next_due(_OPEN_S - read_s - (now_s() - started_s), read_s)
            first = self._pending[0]
            self._size = self._upright.size(first, self._reader.aspect(first))
        return self._info()

    def read(self, out: Image) -> Grab:
        """Write the newest frame that arrived into *out*; see `Source.read`."""
        if self._reader is None:
            raise SourceLost(f"{self._name}: is not open")
        if self._lost is not None:
            raise type(self._lost)(str(self._lost))
        silence_s = self._config.read_timeout_s
        frame, pts = self._pending or self._next_due(silence_s, silence_s)
        size = self._upright.size(frame, self._reader.aspect(frame))
        if size != self._size:
            self._pending, self._size = (frame, pts), size
            raise FormatChanged(self._info())
        wants(self._size, out)
        self._pending = None
        self._upright.write(frame, out)
        return Grab(pts, self._reader.time_base, self._arrived_ns, self._audio(self._reader))

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
            self._name,
            width,
            height,
            self._rate(self._reader),
            self._reader.time_base,
            live=True,
            audio=self._reader.audio,
        )

    def _rate(self, reader: VideoReader) -> Fraction | None:
        """Frames per second that are delivered, as far as the server says."""
        if reader.rate is None or self._config.max_fps is None:
            return reader.rate
        return min(reader.rate, exact(self._config.max_fps))

    def _audio(self, reader: VideoReader) -> tuple[AudioPacket, ...]:
        """What came beside the video, moved as that was."""
        packets = reader.take_audio()
        if reader.audio is None or not self._timeline.offset:
            return tuple(packets)
        offset = round(self._timeline.offset * reader.time_base / reader.audio.time_base)
        return tuple(AudioPacket(packet.data, packet.pts + offset) for packet in packets)

    def _url(self) -> str:
        """The URL with the configured credentials."""
        url, user = self._config.url.get_secret_value(), self._config.username
        if user is None:
            return url
        scheme, _, rest = url.partition("://")
        password = self._config.password or SecretStr("")
        quoted = (quote(word.get_secret_value(), safe="") for word in (user, password))
        return f"{scheme}://{':'.join(quoted)}@{rest}"

    @property
    def _secure(self) -> bool:
        return self._name.lower().startswith("rtsps:")

    def _options(self) -> dict[str, str]:
        options = {
            "rtsp_transport": self._config.transport,
            "allowed_media_types": "video+audio" if self._config.audio else "video",
            "fflags": "nobuffer",
            "flags": "low_delay",
            # FFmpeg would wait for 20 frames to guess a rate, and throw them away.
            "fpsprobesize": "3",
        }
        if self._config.audio:
            # Or it would listen for 5 s to sound that is announced and does not come.
            options["analyzeduration"] = "500000"
        if self._secure and self._config.tls_verify:
            options["tls_verify"] = "1"
            try:
                options["ca_file"] = authorities(self._config.tls_ca)
            except FileNotFoundError as error:
                raise SourceTlsError(f"{self._name}: {error}") from None
        return options

    def _next_due(self, timeout_s: float, silence_s: float) -> tuple[VideoFrame, int]:
        """
        The next frame to take, with its timestamp; those before it, for `max_fps`, cost no
        conversion. *timeout_s* is for each.
        """
        assert self._reader is not None  # noqa: S101 - called while open
        while True:
            frame = self._next_frame(timeout_s, silence_s)
            pts = self._place(frame.pts)
            if self._thinning.takes(float(pts * self._reader.time_base)):
                return frame, pts

    def _next_frame(self, timeout_s: float, silence_s: float) -> VideoFrame:
        """The next frame; no step is begun after *timeout_s*, and one lasts *silence_s* at most."""
        assert self._reader is not None  # noqa: S101 - called while open
        started_s = now_s()
        while True:
            step_s = now_s()
            if step_s - started_s > timeout_s:
                raise SourceTimeout(f"{self._name}: sends, but no frame came whole in time")
            try:
                frame = self._reader.step()
            except CorruptFrame:
                # Joined between key frames, the first packets refer to what we never saw.
                if self._seen:
                    raise
                continue
            except EOFError:
                # What PyAV raises itself, av.EOFError, is an EOFError too.
                silent = now_s() - step_s >= 0.9 * silence_s
                self._lost = (
                    SourceTimeout(f"{self._name}: sent nothing for {silence_s:g} s")
                    if silent
                    else SourceLost(f"{self._name}: the server ended the stream")
                )
            except av.FFmpegError as error:
                self._lost = translate_read(error, self._name, now_s() - step_s, silence_s)
            else:
                if frame is not None:
                    self._arrived_ns = time.monotonic_ns()
                    self._seen = True
                    return frame
                continue
            raise self._lost from None

    def _place(self, pts: int | None) -> int:
        if pts is None:
            assert self._reader is not None  # noqa: S101 - called while open
            passed_s = Fraction(self._arrived_ns - self._origin_ns, 1_000_000_000)
            pts = round(passed_s / self._reader.time_base)
        return self._timeline.place(pts)


def _has_address(url: str) -> bool:
    """Whether the host's name in *url* has an address."""
    try:
        socket.getaddrinfo(urlsplit(url).hostname, None)
    except (OSError, ValueError):
        return False
    return True
