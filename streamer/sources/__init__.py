"""
Where frames come from: camera, RTSP, file, pictures, or generated.

`make_source` turns a configuration into a `Source`. The module of a source is imported only when
one is made.
"""

from __future__ import annotations

from collections.abc import Sequence

from streamer.config import Region, SourceBase, SourceConfig, made_by
from streamer.protocols import Source

__all__ = ["make_source"]


def make_source(config: SourceConfig, crop: Sequence[Region] = ()) -> Source:
    """
    Make the source that *config* describes, without opening it.

    Args:
        config: the options of one kind of source.
        crop: only the box around these regions is delivered; empty for whole frames.

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
