"""Interlaced frames of a bar that moves, and FFmpeg's own judgement of pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import av
import numpy as np
from av.filter import Graph

WIDTH, HEIGHT = 192, 144


def moment(number: int) -> np.ndarray:
    """(H, W) of a bright bar that moves by six pixels from each field to the next."""
    picture = np.full((HEIGHT, WIDTH), 60, np.uint8)
    left = 8 + number * 6 % (WIDTH - 60)
    picture[20:-20, left : left + 40] = 200
    return picture


def woven(count: int, *, top_first: bool = True) -> Iterator[np.ndarray]:
    """Each of two moments, half of the rows from either."""
    for number in range(count):
        picture = moment(2 * number).copy()
        rows = slice(1 if top_first else 0, None, 2)
        picture[rows] = moment(2 * number + 1)[rows]
        yield picture


def flagged(greys: Iterable[np.ndarray], order: str = "tff") -> Iterator[av.VideoFrame]:
    """*greys* as frames that say which field comes first, or `prog`."""
    graph = Graph()
    buffer = graph.add_buffer(
        width=WIDTH, height=HEIGHT, format=av.VideoFormat("yuv420p"), time_base="1/25"
    )
    graph.link_nodes(buffer, graph.add("setfield", order), graph.add("buffersink")).configure()
    for number, grey in enumerate(greys):
        frame = av.VideoFrame.from_ndarray(grey, format="gray").reformat(format="yuv420p")
        frame.pts = number
        graph.vpush(frame)
        yield graph.vpull()


def verdicts(shown: Iterable[np.ndarray]) -> list[str]:
    """What FFmpeg's `idet` takes each picture for."""
    graph = Graph()
    buffer = graph.add_buffer(
        width=WIDTH, height=HEIGHT, format=av.VideoFormat("bgr24"), time_base="1/25"
    )
    graph.link_nodes(
        buffer,
        graph.add("format", "pix_fmts=gray"),
        graph.add("idet"),
        graph.add("buffersink"),
    ).configure()
    said = []

    def take() -> None:
        while True:
            try:
                said.append(graph.vpull().metadata["lavfi.idet.single.current_frame"])
            except (av.BlockingIOError, av.EOFError):
                return

    for number, picture in enumerate(shown):
        frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
        frame.pts = number
        graph.vpush(frame)
        take()
    graph.vpush(None)
    take()
    return said
