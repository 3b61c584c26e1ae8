"""
H.264 in fragmented MP4, with the audio of its source as that is.

A fragment is one second. Each is on the disk when the next begins, so a process that is killed
loses at most the fragment it was in.
"""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
from av.container import OutputContainer
from av.video.frame import PictureType
from av.video.stream import VideoStream

from streamer.frame import Image, Stamp
from streamer.muxing import CopiedStream, add_audio
from streamer.packets import AudioPacket, AudioTrack
from streamer.sinks.canvas import Canvas
from streamer.sinks.timeline import Timeline

_MUXER = {
    # frag_discont and no edit list keep a first timestamp that is not 0.
    "movflags": "frag_keyframe+empty_moov+default_base_moof+frag_discont",
    "use_editlist": "0",
    "avoid_negative_ts": "disabled",
    "flush_packets": "1",
    # Pictures wait no longer than this for an audio track that has fallen silent.
    "max_interleave_delta": "1000000",
}
AUDIO_CODECS = frozenset({"aac", "mp3", "opus"})
"""What MP4 holds as it is, of what cameras and files bring."""
_FRAGMENT_S = 1
_NOMINAL_FPS = Fraction(25)
"""What the encoder is told where the source names no rate; the timestamps are what counts."""


class Film:
    """
    An open MP4 with its encoder. Raises what PyAV raises.

    Args:
        path: the file, which is written over.
        size: (width, height) in pixels of the first picture.
        time_base: seconds in one unit of the timestamps.
        fps: nominal rate, or None.
        audio: what is recorded beside the pictures, as it is; None for nothing.
        options: x264's.
    """

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        time_base: Fraction,
        fps: Fraction | None,
        audio: AudioTrack | None,
        options: dict[str, str],
    ) -> None:
        self.size = size
        self._timeline = Timeline(time_base, fps)
        self._canvas = Canvas(*size)
        self._next_key_s: Fraction | None = None
        self._container: OutputContainer = av.open(
            f"file:{path}", "w", format="mp4", options=_MUXER
        )
        self._stream: VideoStream = self._container.add_stream(
            "libx264", rate=fps or _NOMINAL_FPS, options=options
        )
        self._stream.time_base = time_base
        encoder = self._stream.codec_context
        self._canvas.prepare(encoder)
        encoder.time_base = time_base
        encoder.max_b_frames = 0
        encoder.gop_size = 100_000  # key frames are set by time
        self._audio: CopiedStream | None = None
        if audio is not None:
            self._audio = CopiedStream(add_audio(self._container, audio), audio)

    @property
    def seconds(self) -> float:
        """From the first frame's beginning to the last one's end."""
        return self._timeline.seconds

    def add(self, picture: Image, stamp: Stamp) -> None:
        """Encode and write one picture."""
        frame = self._canvas.frame(picture)
        frame.pts = self._timeline.place(stamp)
        frame.time_base = self._timeline.time_base
        frame.duration = self._timeline.step
        second = frame.pts * self._timeline.time_base
        if self._next_key_s is None or second >= self._next_key_s:
            frame.pict_type = PictureType.I
            self._next_key_s = second + _FRAGMENT_S
        for packet in self._stream.encode(frame):
            self._container.mux(packet)

    def add_audio(self, packet: AudioPacket, time_base: Fraction) -> None:
        """Write one packet of audio; one from before the first picture is left out."""
        pts = self._timeline.moved(packet.pts, time_base)
        if self._audio is not None and pts is not None:
            self._container.mux(self._audio.packet(packet.data, pts, key=True))

    def finish(self) -> None:
        """Write what the encoder still holds, and the end."""
        for packet in self._stream.encode(None):
            self._container.mux(packet)
        self._container.close()

    def abandon(self) -> None:
        """Close the file, whatever becomes of its end."""
        with suppress(av.FFmpegError, OSError, ValueError):
            self._container.close()
