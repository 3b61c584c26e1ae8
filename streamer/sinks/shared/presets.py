"""How fast x264 and x265 are to be where nobody says."""

from __future__ import annotations

from streamer.core.cores import core_count

FEW_CORES = 4
"""On so many or fewer, matting in time leaves too little for encoding well."""
_FAST = "ultrafast"
_SMALL = "veryfast"


def preset_of(asked: str, *, live: bool, cores: int | None = None) -> str:
    """
    The encoder's preset.

    Args:
        asked: one of its presets, or `auto`.
        live: frames are lost where encoding them takes long.
        cores: how many there are; counted when None.

    On two cores x264's `veryfast` takes more of them than tracked matting does, and frames are lost
    for it. `ultrafast` takes 0.4 of that; a cutout beside its mask is 1.6 to 1.7 times as large,
    a picture full of detail up to four times.
    """
    if asked != "auto":
        return asked
    few = (cores or core_count()) <= FEW_CORES
    return _FAST if live and few else _SMALL
