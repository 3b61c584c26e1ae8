"""Raw pictures, one after the other, for other programs: to stdout or a named pipe."""

from __future__ import annotations

import logging
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Literal, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.compositing import Picture, Pixels, SinkComposer
from streamer.config import PipeSinkConfig
from streamer.core.clock import Clock, SystemClock
from streamer.frame import Frame, Matte, Stamp, StreamInfo
from streamer.sinks.making import Making
from streamer.sinks.pipe_end import PipeEnd
from streamer.sinks.shared.cadence import Cadence
from streamer.sinks.shared.canvas import Canvas
from streamer.sinks.shared.fitting import Fitting

PipeFormat = Literal["rgba", "bgr", "gray", "y4m"]
FpsMode = Literal["cfr", "passthrough"]

_log = logging.getLogger(__name__)

_NOMINAL_FPS = Fraction(25)
"""The rate where the source names none."""
_MOST_FPS = 240
"""FFmpeg reports more for files that name no rate, such as browsers write."""
_LONGEST_S, _LONGEST_LIVE_S = 60, 10
"""Longest time that a picture is repeated for: of a file, of a live stream."""
_FRAME = b"FRAME\n"


_PIXELS: dict[PipeFormat, Pixels] = {"rgba": "bgra", "bgr": "bgr", "gray": "gray", "y4m": "bgr"}


def make(config: PipeSinkConfig, making: Making) -> PipeSink:
    """The sink that *config* asks for; see `Making`."""
    end = PipeEnd(config.path, config.wait_s)
    composer = making.composer(config, _PIXELS[config.format])
    return PipeSink(end, composer, config.format, config.fps_mode)


class PipeSink:
    """
    Writes the composed picture of each frame, all in the size of the first; a picture of another
    size is scaled to fit. Raw pictures have no timestamps: a reader counts them. So they are
    repeated or left out to follow the source's clock: 20 s stay 20 s, whatever rate and drops.

    Args:
        end: where the pictures go; owned.
        composer: makes the picture, with the pixels that the format needs: BGRA for `rgba`, grey
            for `gray`, BGR for the others.
        pixels: the format.
        fps_mode: `cfr`, at the source's rate; or `passthrough`, each picture once.
        clock: time, for tests to pass in.
    """

    name = "pipe"

    def __init__(
        self,
        end: PipeEnd,
        composer: SinkComposer,
        pixels: PipeFormat,
        fps_mode: FpsMode = "cfr",
        clock: Clock | None = None,
    ) -> None:
        self._end = end
        self._composer = composer
        self._pixels: PipeFormat = pixels
        self._clock = clock or SystemClock()
        self._fps = _NOMINAL_FPS
        self._live = self._slow = False
        self._constant = fps_mode == "cfr"
        self._cadence: Cadence | None = None
        self._serial: _Serial | None = None
        self._last = memoryview(b"")
        self._frames = self._repeated = self._left_out = 0
        self._bytes = 0

    def prepare(self) -> None:
        """
        Check that there is a pipe, before the source is opened.

        Raises:
            SinkError: it is a terminal, or no pipe.
        """
        self._end.check()

    def open(self, info: StreamInfo) -> None:
        """
        Open the pipe; waits up to `wait_s` for its reader.

        Raises:
            SinkError: it cannot be opened, or has no reader.
        """
        self._live = info.live
        if info.fps is not None and (info.fps <= _MOST_FPS or not self._constant):
            self._fps = info.fps
        else:
            said = "the source names no rate: pictures are written as %s a second"
            _log.info("%s: " + said, self._end.name, _NOMINAL_FPS)
        self._end.open()

    def write(self, frame: Frame, matte: Matte) -> None:
        """
        Write one picture; *frame* and *matte* are borrowed until this returns.

        Raises:
            SinkError: it could not be written.
            StopRequested: the reader is gone.
        """
        ticks = self._ticks(frame.stamp)
        if not ticks:
            self._left_out += 1
            return
        picture = self._composer.picture_of(frame, matte)
        if self._serial is None:
            self._serial = _SERIALS[self._pixels](picture, self._fps)
            self._put(self._serial.header)
        self._repeat(ticks - 1)
        self._last = self._serial.data(picture)
        self._put(self._last)
        self._frames += 1

    def _ticks(self, stamp: Stamp) -> int:
        if not self._constant:
            return 1
        if self._cadence is None:
            longest_s = _LONGEST_LIVE_S if self._live else _LONGEST_S
            self._cadence = Cadence(self._fps, longest_s, stamp.time_base)
        lost = self._cadence.lost
        ticks = self._cadence.ticks(stamp)
        if self._cadence.lost > lost:
            gap_s = float(ticks / self._fps)
            _log.warning("%s: a gap in the pictures is cut to %g s", self._end.name, gap_s)
        return ticks

    def _repeat(self, times: int) -> None:
        """Write the last picture again; of a live stream for no longer than it is to be seen."""
        began_ns = self._clock.now_ns()
        for done in range(times):
            spent_s = (self._clock.now_ns() - began_ns) / 1e9
            if self._live and spent_s * self._fps > times and self._cadence is not None:
                # To go on would add to the lag each time.
                self._cadence.lose(times - done)
                self._tell_slowness()
                return
            self._put(self._last)
            self._repeated += 1

    def _tell_slowness(self) -> None:
        if not self._slow:
            self._slow = True
            said = "its reader is slower than the stream: it gets fewer pictures than their rate"
            _log.warning("%s: %s", self._end.name, said)

    def _put(self, data: bytes | memoryview) -> None:
        self._end.write(memoryview(data))
        self._bytes += len(data)

    @property
    def progress_ns(self) -> int:
        """As `ProgressingSink`: when the reader last took something."""
        return self._end.progress_ns

    def close(self) -> None:
        """Close the pipe: the reader sees its end. Safe to call twice."""
        self._composer.close()
        self._end.close()

    def statistics(self) -> dict[str, Any]:
        """`{type, path, format, frames, repeated, left_out, bytes}`. Thread-safe."""
        return {
            "type": self.name,
            "path": self._end.name,
            "format": self._pixels,
            "frames": self._frames,
            "repeated": self._repeated,
            "left_out": self._left_out,
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
    """Pixels as they are, row by row."""

    header = b""

    def __init__(self, first: Picture, fps: Fraction) -> None:
        self._fitting = Fitting(np.empty(first.shape, np.uint8))

    def data(self, picture: Picture) -> memoryview:
        self._fitting.draw(picture)
        return self._fitting.out.data.cast("B")


class _Rgba(_Raw):
    """Pixels with red first."""

    def __init__(self, first: Picture, fps: Fraction) -> None:
        super().__init__(first, fps)
        self._rgba: Picture = np.empty(first.shape, np.uint8)

    def data(self, picture: Picture) -> memoryview:
        super().data(picture)
        cv2.cvtColor(self._fitting.out, cv2.COLOR_BGRA2RGBA, dst=self._rgba)
        return self._rgba.data.cast("B")


class _Y4m:
    """YUV4MPEG2, as mjpegtools' yuv4mpeg(5) defines it: 4:2:0, BT.709 with limited range."""

    def __init__(self, first: Picture, fps: Fraction) -> None:
        self._canvas = Canvas(first.shape[1], first.shape[0])
        width, height = self._canvas.width, self._canvas.height
        self.header = (
            f"YUV4MPEG2 W{width} H{height} F{fps.numerator}:{fps.denominator} Ip A1:1 "
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


_SERIALS: dict[PipeFormat, Callable[[Picture, Fraction], _Serial]] = {
    "rgba": _Rgba,
    "bgr": _Raw,
    "gray": _Raw,
    "y4m": _Y4m,
}
