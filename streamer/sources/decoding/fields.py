"""Interlaced frames made whole by FFmpeg's `bwdif`: one picture for each frame."""

from __future__ import annotations

import av
from av.filter import Graph
from av.video.frame import VideoFrame

from streamer.config import Deinterlace


class Deinterlacer:
    """
    Makes progressive frames of interlaced ones; others go through as they are.

    A frame that goes through the filter comes out when the next one is put in. Until the first
    interlaced one nothing is filtered, and nothing is delayed. Not thread-safe.

    Args:
        mode: `auto`: frames that are flagged as interlaced; `on`: all; `off`: none.
    """

    def __init__(self, mode: Deinterlace) -> None:
        self._mode = mode
        self._graph: Graph | None = None
        self._kind: tuple[str, int, int] | None = None

    def put(self, frame: VideoFrame) -> list[VideoFrame]:
        """The frames that are ready once *frame* is put in, in order."""
        if self._mode == "off":
            return [frame]
        ready: list[VideoFrame] = []
        if self._graph is not None:
            kind = (frame.format.name, frame.width, frame.height)
            if kind == self._kind:
                return self._filtered(self._graph, frame)
            ready = self.finish()
        if self._mode == "auto" and not frame.interlaced_frame:
            return [*ready, frame]
        try:
            self._graph = self._built(frame)
        except (av.FFmpegError, ValueError):  # It is too small, or of a layout that has no fields.
            return [*ready, frame]
        self._kind = (frame.format.name, frame.width, frame.height)
        return [*ready, *self._filtered(self._graph, frame)]

    def finish(self) -> list[VideoFrame]:
        """The frames that are still in the filter; the next frame starts a new one."""
        graph, self._graph = self._graph, None
        return [] if graph is None else self._filtered(graph, None)

    def clear(self) -> None:
        """Forget the frames in the filter, as after a seek."""
        self._graph = None

    def _built(self, frame: VideoFrame) -> Graph:
        self._time_base = frame.time_base
        graph = Graph()
        graph.threads = 1
        which = "all" if self._mode == "on" else "interlaced"
        source = graph.add(
            "buffer",
            video_size=f"{frame.width}x{frame.height}",
            pix_fmt=frame.format.name,
            time_base=str(frame.time_base),
        )
        graph.link_nodes(
            source,
            graph.add("bwdif", f"mode=send_frame:parity=auto:deint={which}"),
            graph.add("buffersink"),
        ).configure()
        return graph

    def _filtered(self, graph: Graph, frame: VideoFrame | None) -> list[VideoFrame]:
        graph.vpush(frame)
        ready: list[VideoFrame] = []
        while True:
            try:
                whole = graph.vpull()
            except (av.BlockingIOError, av.EOFError):
                return ready
            # The filter counts in half the unit, for it could give two pictures for each frame.
            if whole.pts is not None:
                whole.pts //= 2
            whole.time_base = self._time_base
            ready.append(whole)
