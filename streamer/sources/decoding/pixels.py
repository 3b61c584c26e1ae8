"""The shape of a video's pixels, and the size of its pictures once these are square."""

from __future__ import annotations

from fractions import Fraction

from av.video.stream import VideoStream

_MOST_ASPECT = 4
"""Pixels that are longer than that are a mistake of the encoder; the longest in use are 32:11."""
_MOST_PX = 16384
"""No side is made longer than that to make pixels square."""


class PixelAspect:
    """
    The pixel aspect (width by height) of each frame; PyAV tells only the decoder's latest.

    The container's aspect goes before the codec's, until the codec's changes.
    """

    def __init__(self, stream: VideoStream) -> None:
        self._context = stream.codec_context
        self._now = stream.sample_aspect_ratio
        self._told = self._context.sample_aspect_ratio
        self._before = self._now
        self._since: int | None = None

    def follow(self, pts: int | None) -> None:
        """Note that the packet of *pts* was decoded; frames before it keep their aspect."""
        told = self._context.sample_aspect_ratio
        if not told or told == self._told:
            return
        if self._told or not self._now:
            self._before, self._now, self._since = self._now, told, pts
        self._told = told

    def at(self, pts: int | None) -> Fraction | None:
        """The aspect of the frame at *pts*; None if unknown."""
        late = pts is not None and self._since is not None and pts < self._since
        return self._before if late else self._now


def square_size(width: int, height: int, aspect: Fraction | None) -> tuple[int, int]:
    """
    (width, height) of a picture whose pixels are made square: the shorter way of a pixel is
    enlarged, to an even number, so that no detail is lost. An *aspect* out of reason is ignored.
    """
    if aspect is None or aspect == 1 or not Fraction(1, _MOST_ASPECT) <= aspect <= _MOST_ASPECT:
        return width, height
    if aspect > 1:
        wider = _grown(width, aspect)
        return (wider, height) if wider <= _MOST_PX else (width, height)
    higher = _grown(height, 1 / aspect)
    return (width, higher) if higher <= _MOST_PX else (width, height)


def _grown(side: int, factor: Fraction) -> int:
    return side if side * (factor - 1) < 1 else 2 * round(side * factor / 2)
