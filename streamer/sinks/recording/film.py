"""
An open video file: encoded pictures, with the audio of their source.

MP4, MOV, MKV and WebM are written second by second: a process that is killed loses at most the
second it was in. A WebP is written as a whole at its end.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import av
from av.container import OutputContainer
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from streamer.compositing import Picture
from streamer.core.cores import library_threads
from streamer.core.cpu import no_real_time
from streamer.frame import Stamp
from streamer.packets import AudioPacket, AudioTrack
from streamer.serving.muxing import CopiedStream, add_audio
from streamer.sinks.recording.formats import Container, Encoding
from streamer.sinks.recording.leaps import Leaps
from streamer.sinks.recording.length import tell_length
from streamer.sinks.recording.palette import Palette
from streamer.sinks.recording.recoder import Recoder
from streamer.sinks.shared.canvas import Canvas
from streamer.sinks.shared.timeline import Timeline

_KEY_S = 1
_NOMINAL_FPS = Fraction(25)
"""The rate that the encoder is told where the source names none; only timestamps matter."""


@dataclass(frozen=True, slots=True)
class FilmKind:
    """The container and the encoding of a film."""

    container: Container
    encoding: Encoding
    crf: int | None
    """Constant rate factor; the encoding's own when None."""
    preset: str

    def options(self, *, has_alpha: bool) -> dict[str, str]:
        """The encoder's options, for pictures with an alpha or without."""
        encoding = self.encoding
        crf = self.crf
        if crf is None:
            crf = encoding.crf_with_alpha if has_alpha else encoding.crf
        crf = max(crf, encoding.least_crf)
        settings = {"crf": str(crf), "preset": self.preset}
        own = {name: settings[name] for name in encoding.takes}
        return {**encoding.options, **own}


class Film:
    """
    An open file with its encoder. Raises what PyAV raises.

    Args:
        path: the file, which is overwritten.
        kind: its container and encoding.
        first: the first picture, which says the size, and whether there is an alpha.
        stamp: of the first picture. It is at 0, and the file's date is when it was captured.
        fps: nominal rate, or None.
        audio: the sound to record: copied, or re-encoded where the container does not hold its
            codec; None for no sound.

    Raises:
        ValueError: *first* has an alpha, and the codec holds none; or it is too
            small for the codec.
    """

    def __init__(
        self,
        path: Path,
        kind: FilmKind,
        first: Picture,
        stamp: Stamp,
        fps: Fraction | None,
        audio: AudioTrack | None,
    ) -> None:
        self.size = (first.shape[1], first.shape[0])
        encoding = kind.encoding
        has_alpha = first.shape[2] == 4
        pixels = encoding.alpha if has_alpha else encoding.opaque
        if pixels is None:
            raise ValueError(f"{encoding.encoder} holds no alpha")
        time_base = stamp.time_base
        self._timeline = Timeline(time_base, fps)
        self._canvas = Canvas(
            *self.size,
            drawn="bgra" if has_alpha else "bgr",
            given="bgra" if encoding.palette else pixels,
        )
        least = encoding.least_side
        if min(self._canvas.width, self._canvas.height) < least:
            raise ValueError(f"{encoding.encoder} wants pictures of {least}x{least} at least")
        self._palette = Palette(self.size, time_base) if encoding.palette else None
        self._next_key_s: Fraction | None = None
        self._next_s: Fraction | None = None
        self._least_s = encoding.least_s
        rate = min(fps or _NOMINAL_FPS, encoding.most_fps)
        self._audio_base = Fraction(1) if audio is None else audio.time_base
        self._leaps = None if audio is None else Leaps(self._audio_base)
        self._recoder: Recoder | None = None
        if audio is not None and audio.codec not in kind.container.audio:
            assert kind.container.recoded is not None  # noqa: S101 - callers know
            self._recoder = Recoder(audio, kind.container.recoded)
            audio = self._recoder.track
        # Otherwise SVT-AV1 prints a banner on stderr; 1 is for errors only.
        os.environ.setdefault("SVT_LOG", "1")
        self._container: OutputContainer = av.open(
            f"file:{path}", "w", format=kind.container.muxer, options=dict(kind.container.options)
        )
        self._container.metadata["creation_time"] = _wall_clock(stamp)
        stream = self._container.add_stream(
            encoding.encoder,
            rate=rate,
            options=kind.options(has_alpha=has_alpha),
        )
        assert isinstance(stream, VideoStream)  # noqa: S101 - the encoders are of video
        self._stream = stream
        self._stream.time_base = time_base
        encoder = self._stream.codec_context
        self._canvas.prepare(encoder)
        encoder.pix_fmt = pixels
        encoder.time_base = time_base
        encoder.max_b_frames = 0
        encoder.thread_count = library_threads()
        encoder.gop_size = 100_000  # key frames are set by time
        self._path = path
        # What a pipe has taken cannot be changed later.
        self._length_told = not path.is_file() or kind.container.length_told
        self._audio: CopiedStream | None = None
        if audio is not None:
            self._audio = CopiedStream(add_audio(self._container, audio), audio)

    @property
    def seconds(self) -> float:
        """From the first frame's beginning to the last one's end."""
        return self._timeline.seconds

    def add(self, picture: Picture, stamp: Stamp) -> bool:
        """
        Encode and write one picture, with as many channels as the first.

        Returns:
            Whether it was written: one that comes too soon after the one before is left out.
        """
        pts = self._timeline.place(stamp)
        second = pts * self._timeline.time_base
        if self._next_s is not None and second < self._next_s:
            return False
        self._next_s = second + self._least_s
        frame = self._canvas.frame(picture)
        frame.pts, frame.time_base = pts, self._timeline.time_base
        frame.duration = self._length
        frame.pict_type = PictureType.NONE
        if self._next_key_s is None or second >= self._next_key_s:
            frame.pict_type = PictureType.I
            self._next_key_s = second + _KEY_S
        with no_real_time():
            self._encode(frame)
        return True

    @property
    def _length(self) -> int:
        """Duration of a picture, in units of the timeline."""
        return max(self._timeline.step, math.ceil(self._least_s / self._timeline.time_base))

    def add_audio(self, packet: AudioPacket) -> None:
        """Write one packet of audio; those from before the first picture are left out."""
        if self._leaps is not None:
            self._take_audio(self._leaps.feed(packet))

    def _take_audio(self, packets: Sequence[AudioPacket]) -> None:
        for packet in packets:
            pts = self._timeline.moved(packet.pts, self._audio_base)
            if pts is not None:
                moved = AudioPacket(packet.data, pts)
                self._write_audio([moved] if self._recoder is None else self._recoder.feed(moved))

    def _write_audio(self, packets: Sequence[AudioPacket]) -> None:
        for packet in packets:
            # The first samples that an encoder adds lie before the first picture.
            if self._audio is not None and packet.pts >= 0:
                self._container.mux(self._audio.packet(packet.data, packet.pts, key=True))

    def finish(self) -> None:
        """Flush the encoders, and finish the file."""
        if self._leaps is not None:
            self._take_audio(self._leaps.finish())
        if self._recoder is not None:
            self._write_audio(self._recoder.finish())
        self._encode(None)
        self._container.close()
        self._tell_length()

    def abandon(self) -> bool:
        """Close the file after a failure; return whether its end could be written."""
        with suppress(av.FFmpegError, OSError, ValueError):
            # SVT-AV1 complains when it is not told the end.
            self._stream.encode(None)
        with suppress(av.FFmpegError, OSError, ValueError):
            self._container.close()
            self._tell_length()
            return True
        return False

    def _tell_length(self) -> None:
        """Write the length into the finished header, where the muxer does not."""
        if not self._length_told:
            heard_s = 0.0 if self._audio is None else float(self._audio.end_s)
            tell_length(self._path, max(self.seconds, heard_s))

    def _encode(self, frame: VideoFrame | None) -> None:
        """Encode *frame*, and write the packets that are ready; None flushes the encoder."""
        if self._palette is not None:
            for ready in self._palette.frames(frame):
                packets = self._stream.encode(ready)
                for packet in packets:
                    packet.duration = self._length  # which the filters lose
                self._container.mux(packets)
        if self._palette is None or frame is None:
            self._container.mux(self._stream.encode(frame))


def has_pictures(path: Path) -> bool:
    """Whether the video file at *path* holds any picture."""
    try:
        with av.open(f"file:{path}", "r") as film:
            return any(packet.size for packet in film.demux(video=0))
    except (av.FFmpegError, OSError, IndexError):
        return False


def _wall_clock(stamp: Stamp) -> str:
    """When the frame of *stamp* was captured, in FFmpeg's format."""
    since = timedelta(microseconds=(time.monotonic_ns() - stamp.captured_ns) // 1000)
    return (datetime.now(UTC) - since).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
