"""Frames through H.264 and back, in memory."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator

import av
import numpy as np

from streamer.frame import Image


def encode(pictures: Iterable[Image], width: int, height: int, fps: int, bitrate: int) -> bytes:
    """
    Compress as a camera does, without reordered frames; one thread, so always the same bytes.

    Args:
        pictures: (height, width, 3) uint8 BGR, even sides.
        width: pixels.
        height: pixels.
        fps: frames per second.
        bitrate: bits per second.
    """
    film = io.BytesIO()
    with av.open(film, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.bit_rate = bitrate
        stream.thread_count = 1
        stream.options = {"preset": "veryfast", "tune": "zerolatency", "g": str(2 * fps)}
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode(None))
    return film.getvalue()


def decode(film: bytes) -> Iterator[Image]:
    """The frames of *film*, (height, width, 3) uint8 BGR, one after the other."""
    with av.open(io.BytesIO(film), "r") as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="bgr24").astype(np.uint8, copy=False)
