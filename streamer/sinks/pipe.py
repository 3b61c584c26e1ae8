"""Raw pictures, one after the other, for other programs: to stdout or a named pipe."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any, Literal, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.compositing import Composer, Picture
from streamer.frame import Frame, Matte, StreamInfo
from streamer.sinks.canvas import Canvas
from streamer.sinks.fitting import Fitting
from streamer.sinks.pipe_end import PipeEnd

PipeFormat = Literal["rgba", "bgr", "gray", "y4m"]

_NOMINAL_FPS = Fraction(25)
"""What Y4M says where the source names no rate."""
_FRAME = b"FRAME\n"


class PipeSink:
    """
    Writes the composed picture of each frame, all in the size of the first; a picture of another
    size is scaled into it. Pictures have no times: a reader counts them.

    Args:
        end: where they go; owned.
        composer: makes the picture, with the pixels that the format needs: BGRA for `rgba`, grey
            for `gray`, BGR for the others.
        pixels: the format.
    """

    name = "pipe"

    def __init__(self, end: PipeEnd, composer: Composer, pixels: PipeFormat) -> None:
        self._end = end
        self._composer = composer
        self._pixels: PipeFormat = pixels
        self._fps: Fraction | None = None
        self._serial: _Serial | None = None
        self._frames = 0
        self._bytes = 0

    def prepare(self) -> None:
        """
        Look whether there is a pipe, before the source is opened.

        Raises:
            SinkError: a terminal, or no pipe.
        """
        self._end.check()

    def open(self, info: StreamInfo) -> None:
        """
        Open the pipe; waits a while for its reader.

        Raises:
            SinkError: it cannot be opened, or has no reader.
        """
        self._fps = info.fps
        self._end.open()

    def write(self, frame: Frame, matte: Matte) -> None:
        """
        Write one picture; *frame* and *matte* are borrowed until this returns.

        Raises:
            SinkError: it could not be written.
            StopRequested: the reader is gone.
        """
        picture = self._composer.compose(
            frame.image, matte.alpha, card=matte.is_card, pts_s=frame.stamp.pts_s
        )
        if self._serial is None:
            self._serial = _SERIALS[self._pixels](picture, self._fps)
            self._put(self._serial.header)
        self._put(self._serial.data(picture))
        self._frames += 1

    def _put(self, data: bytes | memoryview) -> None:
        self._end.write(memoryview(data))
        self._bytes += len(data)

    def close(self) -> None:
        """Close the pipe: the reader sees its end. Twice is once."""
        self._composer.close()
        self._end.close()

    def statistics(self) -> dict[str, Any]:
        """`{type, path, format, frames, bytes}`. Thread-safe."""
        return {
            "type": self.name,
            "path": self._end.name,
            "format": self._pixels,
            "frames": self._frames,
            "bytes": self._bytes,
        }


class _Serial(Protocol):
    """Pictures as bytes."""

    header: bytes
    """What comes before the first."""

    def data(self, picture: Picture) -> memoryview:
        """The bytes of *picture*, valid until the next call."""
        ...


class _Raw:
    """The pixels as they are, row by row."""

    header = b""

    def __init__(self, first: Picture, fps: Fraction | None) -> None:
        self._fitting = Fitting(np.empty(first.shape, np.uint8))

    def data(self, picture: Picture) -> memoryview:
        self._fitting.draw(picture)
        return self._fitting.out.data.cast("B")


class _Rgba(_Raw):
    """Red first."""

    def __init__(self, first: Picture, fps: Fraction | None) -> None:
        super().__init__(first, fps)
        self._rgba: Picture = np.empty(first.shape, np.uint8)

    def data(self, picture: Picture) -> memoryview:
        super().data(picture)
        cv2.cvtColor(self._fitting.out, cv2.COLOR_BGRA2RGBA, dst=self._rgba)
        return self._rgba.data.cast("B")


class _Y4m:
    """YUV4MPEG2, as mjpegtools' yuv4mpeg(5) has it: 4:2:0, BT.709 with limited range."""

    def __init__(self, first: Picture, fps: Fraction | None) -> None:
        self._canvas = Canvas(first.shape[1], first.shape[0])
        width, height = self._canvas.width, self._canvas.height
        rate = fps or _NOMINAL_FPS
        self.header = (
            f"YUV4MPEG2 W{width} H{height} F{rate.numerator}:{rate.denominator} Ip A1:1 "
            "C420jpeg XCOLORRANGE=LIMITED\n"
        ).encode()
        self._frame: NDArray[np.uint8] = np.empty(len(_FRAME) + width * height * 3 // 2, np.uint8)
        self._frame[: len(_FRAME)] = np.frombuffer(_FRAME, np.uint8)

    def data(self, picture: Picture) -> memoryview:
        begin = len(_FRAME)
        for plane in self._canvas.frame(picture).planes:
            end = begin + plane.width * plane.height
            rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
            out = self._frame[begin:end].reshape(plane.height, plane.width)
            np.copyto(out, rows[: plane.height, : plane.width])
            begin = end
        return self._frame.data


_SERIALS: dict[PipeFormat, Callable[[Picture, Fraction | None], _Serial]] = {
    "rgba": _Rgba,
    "bgr": _Raw,
    "gray": _Raw,
    "y4m": _Y4m,
}
