"""
Where frames come from: camera, RTSP, file, pictures, or generated.

`make_source` is the way from a configuration to a `Source`; what each one needs is imported
only when it is made.
"""

from __future__ import annotations

from collections.abc import Sequence

from streamer.config import Region, SourceBase, SourceConfig, made_by
from streamer.protocols import Source

__all__ = ["make_source"]


def make_source(config: SourceConfig, crop: Sequence[Region] = ()) -> Source:
    """
    The source that *config* describes, not opened yet.

    Args:
        config: what is wanted.
        crop: regions: only the box around them is delivered, where there are any.

    Raises:
        TypeError: *config* is no source's configuration.

    Touches no file, device or network.
    """
    if crop:
        from streamer.sources.cropped import CroppedSource

        return CroppedSource(make_source(config), crop)
    if not isinstance(config, SourceBase):
        raise TypeError(f"a {type(config).__name__} is no source's configuration")
    source: Source = made_by(config)(config)
    return source
