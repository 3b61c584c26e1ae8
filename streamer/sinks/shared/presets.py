"""The preset of x264 and x265 where the configuration leaves it open."""

from __future__ import annotations

from streamer.core.cores import core_count

FEW_CORES = 4
"""On so many or fewer, matting in time leaves too little for a slower preset."""
_FAST = "ultrafast"
_SMALL = "veryfast"


def preset_of(asked: str, *, live: bool, cores: int | None = None) -> str:
    """
    The encoder's preset.

    Args:
        asked: one of its presets, or `auto`.
        live: frames are dropped where encoding takes too long.
        cores: how many there are; counted when None.

    On two cores x264's `veryfast` takes more CPU time than tracked matting, so frames are dropped.
    `ultrafast` takes 0.4 of that; a cutout beside its mask is 1.6 to 1.7 times as large, a picture
    full of detail up to four times.
    """
    if asked != "auto":
        return asked
    few = (cores or core_count()) <= FEW_CORES
    return _FAST if live and few else _SMALL
