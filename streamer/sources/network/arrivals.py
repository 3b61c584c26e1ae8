"""The frames of an open connection as they arrive, and the error when none does."""

from __future__ import annotations

import logging
import time

import av
from av.video.frame import VideoFrame

from streamer.errors import (
    CorruptFrame,
    SourceError,
    SourceLost,
    SourceTimeout,
    SourceUnsupported,
    SourceWaiting,
)
from streamer.sources.decoding import VideoReader, now_s
from streamer.sources.decoding.ffmpeg_errors import translate_read

_LONG_S = 3.0
"""Seconds without a first picture after which the log says so."""
_PATIENCE_S = 300.0
"""How long a connection may send without a picture; few streams have rarer key frames."""

logger = logging.getLogger(__name__)


class Arrivals:
    """
    The frames of a live stream, each as it arrives. Not thread-safe.

    Packets before the first key frame cannot be decoded; they are skipped without an error.

    Args:
        reader: just opened; the caller closes it.
        name: how the stream is called in messages.
        silence_s: seconds without video after which the stream is lost.
        step_s: seconds after which a single read ends without data.
        resumes: whether the connection can be read on after such a read.

    Attributes:
        arrived_ns: `time.monotonic_ns()` when the latest frame arrived.
    """

    def __init__(
        self, reader: VideoReader, name: str, *, silence_s: float, step_s: float, resumes: bool
    ) -> None:
        self.arrived_ns = 0
        self._reader = reader
        self._name = name
        self._silence_s = silence_s
        self._step_s = step_s
        self._resumes = resumes
        self._since_s = self._heard_s = now_s()
        self._seen = False
        self._warned = False
        self._lost: SourceError | None = None

    def next(self, turn_s: float) -> VideoFrame:
        """
        Wait for the next frame. For the first one, no read begins after *turn_s*; a later one may
        take as long as the silence that counts as a loss.

        Raises:
            SourceWaiting: *turn_s* is over, and the stream sends.
            SourceTimeout: it is silent, or sends nothing that can be decoded.
            SourceLost: it ended; every later call raises this again.
            CorruptFrame: one frame was lost.
        """
        began_s = now_s()
        while self._lost is None:
            if now_s() - began_s > (self._silence_s if self._seen else turn_s):
                raise self._without_picture()
            frame = self._step()
            if frame is not None:
                return frame
        raise type(self._lost)(str(self._lost))

    def _step(self) -> VideoFrame | None:
        """Read once: a frame, or None if there was none or the stream is lost."""
        began_s, packets = now_s(), self._reader.packets
        try:
            frame = self._reader.step()
        except CorruptFrame:
            self._heard_s = now_s()
            # Joined between key frames, the first packets refer to what we never saw.
            if self._seen:
                raise
            return None
        except EOFError:
            # PyAV's own av.EOFError is an EOFError too.
            silent = now_s() - began_s >= 0.9 * self._step_s
            self._lost = self._silent() if silent else self._gone()
            return None
        except av.ExitError:
            # A read without data; the silence may not be long enough yet to count as a loss.
            if self._resumes and now_s() - self._heard_s < self._silence_s:
                self._reader.resume()
            else:
                self._lost = self._silent()
            return None
        except av.FFmpegError as error:
            self._lost = translate_read(error, self._name, now_s() - began_s, self._step_s)
            if isinstance(error, av.InvalidDataError) and not self._seen:
                self._lost = self._unreadable(self._lost)
            return None
        if self._reader.packets > packets:
            self._heard_s = now_s()
        elif frame is None and now_s() - self._heard_s > self._silence_s:
            self._lost = self._silent()  # sound alone is no sign of life
        if frame is not None:
            self._came(frame)
        return frame

    def _came(self, frame: VideoFrame) -> None:
        self.arrived_ns = time.monotonic_ns()
        if not self._seen:
            self._seen = True
            self._reader.forget_audio(before=frame.pts)

    def _without_picture(self) -> SourceError:
        """The error for a connection that sends, but gave no picture in time."""
        waited_s = now_s() - self._since_s
        if self._seen or waited_s > _PATIENCE_S:
            return SourceTimeout(f"{self._name}: sends, but no frame came whole in time")
        if waited_s > _LONG_S and not self._warned:
            self._warned = True
            logger.warning("%s: sends, and is waited for until its next key frame", self._name)
        return SourceWaiting(f"{self._name}: sends, but its first key frame is yet to come")

    def _unreadable(self, lost: SourceError) -> SourceError:
        """The error to raise instead of *lost* if the connection never gave a picture."""
        if isinstance(lost, SourceTimeout):
            return lost
        return SourceUnsupported(
            f"{self._name}: sends what cannot be read as video (MJPEG has to mark its parts as "
            "image/jpeg)"
        )

    def _silent(self) -> SourceError:
        return SourceTimeout(f"{self._name}: sent nothing for {self._silence_s:.4g} s")

    def _gone(self) -> SourceError:
        return SourceLost(f"{self._name}: the server ended the stream")
