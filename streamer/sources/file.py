"""
A video file, in any container and codec that FFmpeg reads, with its own timestamps.

The options that limit it (start, duration, rate, speed, loop) count in the file's own time. The
capture stage keeps the pace of a `realtime` file.
"""

from __future__ import annotations

import math
import time
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
from av.video.frame import VideoFrame

from streamer.config import FileSourceConfig, SourceConfig
from streamer.errors import (
    CorruptFrame,
    EndOfStream,
    FormatChanged,
    SourceError,
    SourceLost,
    SourceNotFound,
    SourceTimeout,
    SourceUnsupported,
    redact,
)
from streamer.frame import Grab, Image, StreamInfo
from streamer.packets import AudioPacket
from streamer.sources.animated import AnimationReader, is_played_here
from streamer.sources.decoding import Timeline, Upright, VideoReader, exact, now_s, wants
from streamer.sources.decoding.ffmpeg_errors import translate_open, translate_read

_STILL = (".heic", ".heif", ".hif")
"""Suffixes of pictures of which FFmpeg would show one tile only."""
_OPEN_S = 9.0
_OPTIONS = {"merge_pmt_versions": "1"}
"""Each part of a joined transport stream may number the same track differently."""
_SKIM_S = 3.0
"""How long to read on to `start_s` where the clock may leap; after that, seek by that clock."""
_HALF = Fraction(1, 2)
"""A container may have rounded a timestamp by this many of its units."""
_LEADS_S = (0, 2, 10)
"""Seconds before `start_s` to seek to: some containers land on a key frame that is too late."""

Reader = VideoReader | AnimationReader


class FileSource:
    """One video file. Timestamps are the file's, divided by `speed`; a loop continues them."""

    def __init__(self, config: FileSourceConfig) -> None:
        self._config = config
        self._name = redact(config.path) if "://" in config.path else Path(config.path).name
        self._speed = exact(config.speed)
        self._start_s = exact(config.start_s)
        self._duration_s = None if config.duration_s is None else exact(config.duration_s)
        self._fps = None if config.fps is None else exact(config.fps)
        self._offset = 0
        self._reader: Reader | None = None
        self._upright = Upright(self._name)
        self._pending: VideoFrame | None = None
        self._ended: type[EndOfStream] | SourceError | None = None
        self._delivered = 0
        self._heard: list[AudioPacket] = []

    def __repr__(self) -> str:
        return f"FileSource({self._name})"

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return self._name

    def open(self) -> StreamInfo:
        """
        Open the file and decode the first frame, which says the size.

        Raises:
            SourceNotFound: no such file, or not ours to read.
            SourceUnsupported: no video in it, or none from `start_s` on.
        """
        self._check_path()
        deadline_s = now_s() + _OPEN_S
        reader = self._begin_pass()
        self._timeline = Timeline(reader.time_base, reader.rate)
        try:
            while self._pending is None:
                if now_s() > deadline_s:
                    raise SourceTimeout(
                        f"{self._name}: found no frame at start_s {self._config.start_s:g} in "
                        f"{_OPEN_S:g} s: start earlier"
                    )
                try:
                    self._pending = self._step(reader)
                except CorruptFrame:
                    continue
        except EOFError:
            raise self._empty() from None
        except av.FFmpegError as error:
            raise translate_read(error, self._name) from error
        self._size = self._shown_size(self._pending)
        return self._info()

    def read(self, out: Image) -> Grab:
        """Write the next frame into *out*; see `Source.read`."""
        frame = self._next_frame()
        size = self._shown_size(frame)
        if size != self._size:
            self._pending, self._size = frame, size
            raise FormatChanged(self._info())
        wants(self._size, out)
        self._pending = None
        self._upright.write(frame, out)
        self._delivered += 1
        pts = self._timeline.place(None if frame.pts is None else frame.pts + self._offset)
        audio, self._heard = tuple(self._heard), []
        return Grab(pts, self._time_base, time.monotonic_ns(), audio)

    def adjust(self, config: SourceConfig) -> None:
        """Apply `loop` of *config* when the file next ends. Thread-safe."""
        assert isinstance(config, FileSourceConfig)  # noqa: S101 - the kind it was made with
        self._config = config

    def close(self) -> None:
        """Close the file. Never raises."""
        if self._reader is not None:
            self._reader.close()
        self._reader = None
        self._pending = None

    def _check_path(self) -> None:
        if "://" in self._config.path:
            raise SourceNotFound(f"{self._name}: is a URL: use `type: rtsp` for a stream")
        path = Path(self._config.path)
        if path.suffix.lower() in _STILL:
            raise SourceUnsupported(f"{path}: is a picture: use `type: images` for it")
        if path.is_dir():
            raise SourceUnsupported(f"{path}: is a folder: use `type: images` for its pictures")
        if not path.exists():
            raise SourceNotFound(f"{path}: no such file")

    def _begin_pass(self) -> Reader:
        """Open the file at its start, or at the key frame before `start_s`."""
        reader = self._opened()
        if not self._start_s or self._start is None:
            return reader
        if reader.leaps:
            target = self._start + math.floor(self._start_s / reader.time_base)
            if reader.skim(target, now_s() + _SKIM_S):
                return reader
        for lead_s in _LEADS_S:
            if self._start_s < lead_s:
                break
            target = self._start + math.floor((self._start_s - lead_s) / reader.time_base)
            reader.seek(target)
            if self._is_before_start(reader):
                return reader
            reader = self._opened()
        return self._opened()

    def _is_before_start(self, reader: Reader) -> bool:
        """Whether the next frame is at or before `start_s`. That frame is put back."""
        while True:
            try:
                frame = reader.step()
            except CorruptFrame:
                continue
            except (EOFError, av.FFmpegError):
                return False
            if frame is not None:
                reader.put_back(frame)
                if frame.pts is None or self._start is None:
                    return False
                return (frame.pts - self._start - 1) * reader.time_base <= self._start_s

    def _opened(self) -> Reader:
        if self._reader is not None:
            self._reader.close()
        reader = self._animation() or self._video()
        self._reader = reader
        self._time_base = reader.time_base / self._speed
        self._read = 0
        self._slot = -1
        self._natural = Timeline(reader.time_base, reader.rate)
        self._start = reader.begins
        return reader

    def _animation(self) -> AnimationReader | None:
        path = self._config.path
        return AnimationReader(path, self._name) if is_played_here(path) else None

    def _video(self) -> VideoReader:
        try:
            # Without `file:`, FFmpeg would take a colon in the name for the end of a protocol.
            container = av.open(
                f"file:{self._config.path}", "r", options=_OPTIONS, metadata_errors="replace"
            )
        except av.FFmpegError as error:
            raise translate_open(error, self._name) from error
        # The audio is copied as it is, so it fits only at normal speed.
        return VideoReader(
            container,
            self._name,
            audio=self._config.audio and self._speed == 1,
            deinterlace=self._config.deinterlace,
        )

    def _shown_size(self, frame: VideoFrame) -> tuple[int, int]:
        assert self._reader is not None  # noqa: S101 - called while open
        return self._upright.size(frame, self._reader.aspect(frame))

    def _next_frame(self) -> VideoFrame:
        if self._reader is None:
            raise SourceLost(f"{self._name}: is not open")
        if self._ended is EndOfStream:
            raise EndOfStream
        if isinstance(self._ended, SourceError):
            raise type(self._ended)(str(self._ended))
        while self._pending is None:
            try:
                self._pending = self._step(self._reader)
            except EOFError:
                self._finish_pass(None)
            except av.FFmpegError as error:
                self._finish_pass(error)
        return self._pending

    def _step(self, reader: Reader) -> VideoFrame | None:
        """Read once; the frame, if there is one to deliver. Raises EOFError after `duration_s`."""
        frame = reader.step()
        if frame is None:
            self._listen(reader)
            return None
        self._read += 1
        pts = frame.pts if frame.pts is not None else self._natural.next
        self._natural.place(pts)
        if self._start is None:
            self._start = pts
        since_s = (pts - self._start + _HALF) * reader.time_base - self._start_s
        if since_s < 0:
            return None
        if self._duration_s is not None and since_s >= self._duration_s:
            self._hear_out(reader)
            raise EOFError
        if self._fps is not None:
            slot = math.floor(since_s * self._fps)
            if slot <= self._slot:
                return None
            self._slot = slot
        return frame

    def _hear_out(self, reader: Reader) -> None:
        """Read on for the audio that is stored later in the file than the frames of its time."""
        if self._start is None or self._duration_s is None:
            return
        with suppress(av.FFmpegError):
            reader.hear(self._start * reader.time_base + self._start_s + self._duration_s)
        self._listen(reader)

    def _listen(self, reader: Reader) -> None:
        """Keep the audio of the part that is delivered, on the frames' timeline."""
        track = reader.audio
        if track is None or self._start is None:
            return
        begin_s = self._start * reader.time_base + self._start_s
        end_s = None if self._duration_s is None else begin_s + self._duration_s
        offset = round(self._offset * reader.time_base / track.time_base)
        for packet in reader.take_audio():
            at_s = packet.pts * track.time_base
            if at_s >= begin_s and (end_s is None or at_s < end_s):
                self._heard.append(AudioPacket(packet.data, packet.pts + offset))

    def _finish_pass(self, error: av.FFmpegError | None) -> None:
        """Begin the next loop; or raise EndOfStream, or the error that ended the file."""
        reader = self._reader
        assert reader is not None  # noqa: S101 - called while reading
        lost = self._cut_short(reader, error)
        if lost is not None:
            self._ended = lost
            raise lost from error
        if not self._config.loop or not self._read:
            self._ended = EndOfStream
            audio, self._heard = tuple(self._heard), []
            raise EndOfStream(audio)
        start = self._start or 0
        # The last frame may last longer than the others.
        end = max(self._natural.next, reader.end)
        length = end - start - round(self._start_s / reader.time_base)
        if self._duration_s is not None:
            length = min(length, round(self._duration_s / reader.time_base))
        self._offset += max(1, length)
        self._begin_pass()

    def _cut_short(self, reader: Reader, error: av.FFmpegError | None) -> SourceError | None:
        """The error if less came than the container promised; None if it ended as it should."""
        broken = None if error is None else translate_read(error, self._name)
        config = self._config
        if config.start_s or config.duration_s or config.fps or config.loop or self._offset:
            return broken
        lack = reader.lack(self._delivered, failed=error is not None)
        return broken if lack is None else SourceLost(f"{self._name} {lack}")

    def _empty(self) -> SourceError:
        if self._config.start_s and self._read:
            end_s = float(self._natural.next - (self._start or 0)) * float(self._time_base)
            return SourceUnsupported(
                f"{self._name}: start_s {self._config.start_s:g} is past its end at "
                f"{end_s * self._config.speed:.1f} s"
            )
        return SourceUnsupported(f"{self._name}: not one frame of its video could be decoded")

    def _info(self) -> StreamInfo:
        reader, config = self._reader, self._config
        assert reader is not None  # noqa: S101 - called while open
        rate = reader.rate
        if rate is not None and self._fps is not None:
            rate = min(rate, self._fps)
        limited = config.loop or config.start_s or config.duration_s or config.fps
        return StreamInfo(
            self._name,
            *self._size,
            fps=None if rate is None else rate * self._speed,
            time_base=self._time_base,
            live=config.realtime,
            paced=config.realtime,
            frames=None if limited else reader.frames,
            audio=reader.audio,
        )
