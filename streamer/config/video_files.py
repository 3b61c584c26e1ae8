"""Which video codec goes into which file, and which hold an alpha. Plain facts, for validation."""

from __future__ import annotations

from pathlib import PurePath
from typing import Literal

VideoFileCodec = Literal["h264", "prores4444", "vp9", "av1", "ffv1", "png", "webp", "gif"]

CODECS_OF: dict[str, tuple[VideoFileCodec, ...]] = {
    ".mp4": ("h264", "av1"),
    ".mov": ("prores4444", "png", "h264"),
    ".webm": ("vp9", "av1"),
    ".mkv": ("ffv1", "prores4444", "vp9", "av1", "h264"),
    ".webp": ("webp",),
    ".gif": ("gif",),
}
"""The codecs that files of each suffix can hold, the default first."""

WITH_CRF: tuple[VideoFileCodec, ...] = ("h264", "vp9", "av1")
"""The codecs whose quality is a constant rate factor."""

WITHOUT_ALPHA: tuple[VideoFileCodec, ...] = ("h264", "av1")
"""The codecs that hold no alpha. In a GIF it is all or nothing."""


def codec_of(path: str, asked: VideoFileCodec | Literal["auto"]) -> VideoFileCodec:
    """
    The codec for the file at *path*.

    Raises:
        ValueError: no video goes into such a file, or the codec asked for does not; the message
            says what does.
    """
    suffix = PurePath(path).suffix
    codecs = CODECS_OF.get(suffix.lower())
    if codecs is None:
        known = " ".join(CODECS_OF)
        raise ValueError(f"path: {suffix or 'no suffix'} is no video file: use one of {known}")
    if asked == "auto":
        return codecs[0]
    if asked not in codecs:
        fitting = " or ".join(suffix for suffix, held in CODECS_OF.items() if asked in held)
        raise ValueError(
            f"codec: {asked} does not go into {suffix}, which holds {' or '.join(codecs)}: "
            f"name the file {fitting}"
        )
    return asked
