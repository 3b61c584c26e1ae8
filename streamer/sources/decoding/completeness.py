"""Whether a file gave all that its container promises, to detect files that were cut short."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from av.video.stream import VideoStream

if TYPE_CHECKING:
    from streamer.sources.decoding.reader import VideoReader

_MISSING_PART = 20
"""A lack of up to one part in this many is a rounding, not a file cut short…"""
_MISSING_FEW = 2
"""…and so is a lack of so many packets, …"""
_MISSING_S = Fraction(1, 2)
"""…or of so many seconds."""


def shown_frames(stream: VideoStream) -> int | None:
    """How many frames of *stream* are to be shown; None where its container does not say."""
    if not stream.frames or not _is_quicktime(stream):
        return stream.frames or None
    index = stream.index_entries
    if len(index) == stream.frames and not index[0].is_discard and not index[-1].is_discard:
        return stream.frames
    return sum(not entry.is_discard for entry in index) or None


def shortfall(reader: VideoReader, delivered: int, *, failed: bool) -> str | None:
    """
    What a file lacks, as words to put after its name.

    Args:
        reader: at its end.
        delivered: how many frames it gave.
        failed: it ended by an error.

    Returns:
        The words, or None if all came that the container promises, but for roundings.
    """
    suspect = reader.cut or failed
    promised = _promised(reader.stream)
    missing = promised - _came(reader)
    if missing > (0 if suspect else max(_MISSING_FEW, promised // _MISSING_PART)):
        frames = shown_frames(reader.stream)
        return f"ends early: {delivered} of {frames} frames: the file is incomplete"
    # Matroska counts no frames and says how long each stream is.
    written_s = _clock_s(reader.stream.metadata.get("DURATION", ""))
    end_s = reader.end * reader.time_base
    if written_s - end_s > (0 if suspect else max(_MISSING_S, written_s / _MISSING_PART)):
        return (
            f"ends early: {delivered} frames, {float(end_s):.1f} of {float(written_s):.1f} s: "
            "the file is incomplete"
        )
    return None


def _promised(stream: VideoStream) -> int:
    """
    How many packets the container says it has for *stream*; 0 where it does not say.

    The edit list of a QuickTime file may hide some. FFmpeg's index has only those that are shown,
    and those that they are decoded from.
    """
    if stream.frames and _is_quicktime(stream):
        return min(stream.frames, len(stream.index_entries))
    return stream.frames


def _came(reader: VideoReader) -> int:
    """How many of the promised packets came. AVI also counts those that a longer frame skips."""
    is_avi = reader.stream.container.format.name == "avi"
    return max(reader.packets, reader.end) if is_avi else reader.packets


def _is_quicktime(stream: VideoStream) -> bool:
    return "mp4" in stream.container.format.name.split(",")


def _clock_s(text: str) -> Fraction:
    """Seconds of Matroska's `00:00:04.000000000`; 0 for anything else."""
    try:
        hours, minutes, seconds = text.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds)
    except ValueError:
        return Fraction(0)
