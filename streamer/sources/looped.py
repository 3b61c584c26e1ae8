"""A video file as a background: it loops for ever, in time with the stream."""

from __future__ import annotations

import logging

import numpy as np

from streamer.config import FileSourceConfig
from streamer.core.clock import Clock, SystemClock
from streamer.errors import CorruptFrame, EndOfStream, FormatChanged, SourceError
from streamer.frame import Image
from streamer.sources.file import FileSource

_log = logging.getLogger(__name__)

_MOST_NS = 40_000_000
"""How long a call may decode. If the video has not caught up by then, it runs late."""
_SLACK_S = 0.001
"""A picture that is due within this time is shown: times are sums of rounded ones."""


class LoopedVideo:
    """
    Gives the picture of a video that is due. The video begins with the first call.

    A picture is held until the next is due, and pictures whose time is over are skipped. Slow
    decoding makes the video late, never the stream. If the file goes bad, its latest picture
    stays, and a warning is logged.

    Args:
        path: in any container and codec that FFmpeg reads.
        clock: what decoding is timed with.

    Raises:
        SourceError: the file is missing or has no video. It stays open only from the first call on.

    Not thread-safe. Allocates when the video's size is new.
    """

    def __init__(self, path: str, *, clock: Clock | None = None) -> None:
        config = FileSourceConfig(type="file", path=path, loop=True, audio=False)
        self._source = FileSource(config)
        try:
            info = self._source.open()
        finally:
            self._source.close()
        # A source opens once: this one at the first picture, by the thread that closes it.
        self._source = FileSource(config)
        self._clock = clock or SystemClock()
        self._size = (info.height, info.width)
        self._shown: Image = np.zeros((*self._size, 3), np.uint8)
        self._coming: Image = self._shown.copy()
        self._begun = False
        self._due_s: float | None = None
        self._origin_s = 0.0

    def __call__(self, pts_s: float) -> Image:
        """
        The picture that is due.

        Args:
            pts_s: the stream's time in seconds; does not go back.

        Returns:
            (h, w, 3) uint8 BGR of the video's own size; borrowed until the next call.
        """
        if not self._begun:
            self._begin(pts_s)
        deadline_ns = self._clock.now_ns() + _MOST_NS
        while self._due_s is not None and self._due_s <= pts_s + _SLACK_S:
            self._shown, self._coming = self._coming, self._shown
            self._read()
            if self._clock.now_ns() > deadline_ns:
                if self._due_s is not None and self._due_s < pts_s:
                    self._set_due(pts_s)
                break
        return self._shown

    def close(self) -> None:
        """Release the file; the latest picture stays. Idempotent; never raises."""
        self._begun = True
        self._due_s = None
        self._source.close()

    def _begin(self, pts_s: float) -> None:
        """Open the file, and make its first picture due at *pts_s*."""
        self._begun = True
        try:
            self._source.open()
        except SourceError as error:
            self._stand_still(error)
            return
        self._read()
        self._set_due(pts_s)

    def _read(self) -> None:
        """Decode the next picture, and learn when it is due."""
        while True:
            # The picture that was shown before may be of another size.
            if self._coming.shape[:2] != self._size:
                self._coming = np.empty((*self._size, 3), np.uint8)
            try:
                grab = self._source.read(self._coming)
            except FormatChanged as change:
                self._size = (change.info.height, change.info.width)
            except CorruptFrame:
                continue
            except (SourceError, EndOfStream) as error:
                self._stand_still(error)
                return
            else:
                self._due_s = float(grab.pts * grab.time_base) + self._origin_s
                return

    def _set_due(self, pts_s: float) -> None:
        """Make the next picture due at *pts_s*, and move all later ones by as much."""
        if self._due_s is not None:
            self._origin_s += pts_s - self._due_s
            self._due_s = pts_s

    def _stand_still(self, error: Exception) -> None:
        _log.warning("the background stands still: %s", str(error) or "it has no picture")
        self._due_s = None
        self._source.close()
