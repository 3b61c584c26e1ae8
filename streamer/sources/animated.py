"""Animated WebP and AVIF as a video: FFmpeg plays no WebP, and forgets the alpha of an AVIF."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from av.video.frame import VideoFrame

from streamer.packets import AudioPacket
from streamer.pictures import Photo, open_picture

_HEADER = 21
_ANIMATION = 0x02
"""The flag of a WebP's VP8X chunk (RFC 9649, 2.7)."""


def is_played_here(path: str | Path) -> bool:
    """Whether the file at *path* is an animation that `AnimationReader` plays."""
    try:
        with Path(path).open("rb") as file:
            header = file.read(_HEADER)
    except OSError:
        return False
    if header[4:12] == b"ftypavis":
        return True
    is_extended = header[:4] == b"RIFF" and header[8:16] == b"WEBPVP8X"
    return is_extended and len(header) == _HEADER and bool(header[20] & _ANIMATION)


class AnimationReader:
    """
    The pictures of one animation on black, with the methods of a `VideoReader`; no audio.

    Attributes:
        rate: pictures per second, from how long the first one lasts.
        end: where the latest picture ends, in units of `time_base`.

    Owns its file. Not thread-safe.
    """

    time_base = Fraction(1, 1000)
    audio = None
    leaps = False
    begins = 0

    def __init__(self, path: str, name: str) -> None:
        """
        Open the file and decode its first picture.

        Raises:
            SourceNotFound: no such file, or not ours to read.
            SourceUnsupported: it is damaged, or too large.
        """
        self._file = open_picture(path, name=name)
        self._pictures: Iterator[tuple[Photo, int, int]] = self._file.play()
        self._waiting: list[VideoFrame] = []
        self.frames: int | None = self._file.frames
        self.rate: Fraction | None = None
        self.end = 0
        try:
            self._waiting.append(self._next())
        except BaseException:
            self.close()
            raise
        self.rate = Fraction(1000, self.end)

    def step(self) -> VideoFrame:
        """
        Take the next picture.

        Raises:
            EOFError: there is nothing left.
            SourceUnsupported: the file is damaged from here on.
        """
        return self._waiting.pop() if self._waiting else self._next()

    def put_back(self, frame: VideoFrame) -> None:
        """Make *frame* the one that the next `step` takes."""
        self._waiting.append(frame)

    def aspect(self, frame: VideoFrame) -> Fraction | None:
        """Always None: pixels are square."""
        return None

    def seek(self, pts: int) -> None:
        """Do nothing: each picture is made from the one before, so none can be skipped."""

    def skim(self, pts: int, until_s: float) -> bool:
        """Do nothing, as `seek`; always false."""
        return False

    def hear(self, until_s: Fraction) -> None:
        """Do nothing: there is no audio."""

    def take_audio(self) -> list[AudioPacket]:
        """Always empty: there is no audio."""
        return []

    def lack(self, delivered: int, *, failed: bool) -> str | None:
        """Always None: `step` raises where the file is damaged."""
        return None

    def close(self) -> None:
        """Close the file. Never raises."""
        self._file.close()

    def _next(self) -> VideoFrame:
        following = next(self._pictures, None)
        if following is None:
            raise EOFError
        photo, at_ms, lasts_ms = following
        frame = VideoFrame.from_ndarray(photo.seen(), format="bgr24")
        frame.pts, frame.time_base = at_ms, self.time_base
        self.end = at_ms + lasts_ms
        return frame
