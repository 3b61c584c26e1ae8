"""A source that delivers only the box around the regions of interest of another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from streamer.config import Region, SourceConfig
from streamer.core.boxes import Box
from streamer.errors import FormatChanged
from streamer.frame import Grab, Image, StreamInfo
from streamer.preprocessing import box_around, places_in
from streamer.protocols import AdjustableSource, Source


class CroppedSource:
    """
    Another source's frames, cropped to the box around *regions*.

    Args:
        source: gives the full frames; owned from here on and closed with this.
        regions: in fractions of its frames or in pixels; at least one.
    """

    def __init__(self, source: Source, regions: Sequence[Region]) -> None:
        self._source = source
        self._regions = regions
        self._box = Box(0, 0, 1, 1)
        self._full: Image = np.empty((1, 1, 3), np.uint8)

    def __repr__(self) -> str:
        return f"CroppedSource({self._source!r})"

    @property
    def name(self) -> str:
        """The name of the source that is cropped."""
        return self._source.name

    def open(self) -> StreamInfo:
        """
        Open the source; the size is the box's.

        Raises:
            SourceError: it cannot be opened.
            ConfigError: a region is outside of its frames.
        """
        return self._cropped(self._source.open())

    def read(self, out: Image) -> Grab:
        """Write the box of the next frame into *out*; see `Source.read`."""
        if out.shape != (self._box.height, self._box.width, 3):
            raise ValueError(
                f"an array of {out.shape} for a box of {self._box.width}x{self._box.height}"
            )
        try:
            grab = self._source.read(self._full)
        except FormatChanged as change:
            raise FormatChanged(self._cropped(change.info)) from None
        np.copyto(out, self._full[self._box.slices])
        return grab

    def adjust(self, config: SourceConfig) -> None:
        """Pass *config* on to the source; see `AdjustableSource.adjust`."""
        assert isinstance(self._source, AdjustableSource)  # noqa: S101 - callers know
        self._source.adjust(config)

    def close(self) -> None:
        """Close the source. Never raises."""
        self._source.close()

    def _cropped(self, info: StreamInfo) -> StreamInfo:
        """Prepare for frames as *info* says; return the info of the cropped ones."""
        self._box = box_around(places_in(self._regions, info.width, info.height))
        self._full = np.empty((info.height, info.width, 3), np.uint8)
        return replace(info, width=self._box.width, height=self._box.height)
