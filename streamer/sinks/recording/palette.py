"""Pictures of at most 256 colours, as GIF has them."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av
from av.filter import Graph
from av.video.frame import VideoFrame


class Palette:
    """
    Gives each picture its own best palette, of which one entry is transparent.

    Alpha becomes all or nothing: a pixel shows where it is 128 or more. Raises what PyAV raises.

    Args:
        size: (width, height) in pixels.
        time_base: of the frames' timestamps.
    """

    def __init__(self, size: tuple[int, int], time_base: Fraction) -> None:
        self._time_base = time_base
        self._graph = graph = Graph()
        source = graph.add_buffer(
            width=size[0], height=size[1], format=av.VideoFormat("bgra"), time_base=time_base
        )
        split = graph.add("split")
        learn = graph.add("palettegen", "reserve_transparent=1:stats_mode=single")
        # A pattern that does not depend on the neighbours: what stands still does not shimmer.
        use = graph.add("paletteuse", "new=1:alpha_threshold=128:dither=bayer:bayer_scale=4")
        source.link_to(split)
        split.link_to(use, 0, 0)
        split.link_to(learn, 1, 0)
        learn.link_to(use, 0, 1)
        use.link_to(graph.add("buffersink"))
        graph.configure()

    def frames(self, frame: VideoFrame | None) -> Iterator[VideoFrame]:
        """Take a frame in BGRA, and yield those that are ready; None flushes the rest."""
        self._graph.push(frame)
        while True:
            try:
                ready = self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            assert isinstance(ready, VideoFrame)  # noqa: S101 - the graph has no audio
            ready.time_base = self._time_base
            yield ready
