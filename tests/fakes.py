"""Hand-written parts for pipelines in tests; each passes its contract's suite."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from streamer.config import PreprocessConfig, Settings
from streamer.core.clock import Clock, SystemClock
from streamer.core.copying import Uncopyable
from streamer.errors import EndOfStream, SegmentError, SourceLost
from streamer.frame import Alpha, Frame, Grab, Image, Matte, Stamp, StreamInfo
from streamer.preprocessing import Regional
from streamer.protocols import Matting, ModelInfo


class FakeSource:
    """
    Frames whose every pixel is their number modulo 251.

    Args:
        frames: how many; None for no end.
        live: whether it behaves as live.
        period_s: real seconds between frames, for a live one.
        events: what is raised in place of the read of that number, once.
        on_open, on_read: called first, to block or to raise.
        pts: the timestamp of the frame of that number, in 25ths of a second.
        clock: what tells when a frame was captured.
    """

    def __init__(
        self,
        frames: int | None = 10,
        *,
        live: bool = False,
        period_s: float = 0.0,
        size: tuple[int, int] = (64, 48),
        events: dict[int, Exception] | None = None,
        on_open: Callable[[], Any] = lambda: None,
        on_read: Callable[[int], Any] = lambda number: None,
        pts: Callable[[int], int] = lambda number: number,
        clock: Clock | None = None,
    ) -> None:
        self.name = "fake"
        self.closed = False
        self.fps = Fraction(25)
        self._frames = frames
        self._live = live
        self._period_s = period_s
        self._width, self._height = size
        self._events = dict(events or {})
        self._on_open = on_open
        self._on_read = on_read
        self._pts = pts
        self._clock = clock or SystemClock()
        self._read = 0

    def open(self) -> StreamInfo:
        self._on_open()
        return StreamInfo(
            "fake",
            self._width,
            self._height,
            self.fps,
            Fraction(1, 25),
            live=self._live,
            frames=self._frames,
        )

    def read(self, out: Image) -> Grab:
        if self.closed:
            raise SourceLost("fake: is not open")
        number = self._read
        self._on_read(number)
        if number in self._events:
            raise self._events.pop(number)
        if number == self._frames:
            raise EndOfStream
        if self._period_s:
            time.sleep(self._period_s)
        out.fill(number % 251)
        self._read += 1
        return Grab(self._pts(number), Fraction(1, 25), self._clock.now_ns())

    def close(self) -> None:
        self.closed = True


class FakeSegmenter(Uncopyable):
    """
    The alpha is the image's blue, at whatever size.

    Args:
        on_segment: called first, to wait or to raise.
        sides: of its square sizes.
        recurrent: says so; its alpha is the same.
    """

    def __init__(
        self,
        on_segment: Callable[[Image], Any] = lambda image: None,
        *,
        sides: tuple[int, ...] = (64,),
        recurrent: bool = False,
    ) -> None:
        self.sizes = tuple((side, side) for side in sorted(sides))
        self.info = ModelInfo(
            "fake", "0" * 64, "fp32", self.sizes[-1], ("CPUExecutionProvider",), 1, recurrent
        )
        self.resets = 0
        self.asked: list[tuple[int, int]] = []
        self.closed = False
        self._on_segment = on_segment

    def warm_up(self) -> None:
        pass

    def segment(self, image: Image, out: Alpha, size: tuple[int, int] | None = None) -> None:
        if size is not None and size not in self.sizes:
            raise ValueError(f"not ready for {size}, only for {self.sizes}")
        if self.closed:
            raise SegmentError("fake: the model is closed")
        self._on_segment(image)
        self.asked.append(size or self.sizes[-1])
        np.copyto(out, image[:, :, 0])

    def reset(self) -> None:
        self.resets += 1

    def close(self) -> None:
        self.closed = True


class FakeMatting:
    """
    A matting that looks ahead; the alpha is the image's blue, as it is when the matte is returned.

    Args:
        delay: how many frames it holds.
        in_bursts: return nothing until one more than *delay* are held, and then all.
        on_matte, on_flush: called first with the frames held, to block or to raise.
    """

    info = None

    def __init__(
        self,
        delay: int = 0,
        *,
        in_bursts: bool = False,
        on_matte: Callable[[int], Any] = lambda held: None,
        on_flush: Callable[[int], Any] = lambda held: None,
    ) -> None:
        self.delay = delay
        self.closed = False
        self.flushed: list[list[int]] = []
        self._in_bursts = in_bursts
        self._on_matte = on_matte
        self._on_flush = on_flush
        self._held: deque[tuple[Frame, Alpha]] = deque()

    def warm_up(self) -> None:
        pass

    def matte(self, frame: Frame, alpha: Alpha) -> list[Matte]:
        epochs = {held.stamp.epoch for held, _ in self._held}
        assert epochs <= {frame.stamp.epoch}, "was not flushed before an epoch"
        assert not frame.stamp.standby
        self._held.append((frame, alpha))
        self._on_matte(len(self._held))
        if len(self._held) <= self.delay:
            return []
        return self._give(len(self._held) if self._in_bursts else 1)

    def flush(self) -> list[Matte]:
        self.flushed.append([frame.stamp.index for frame, _ in self._held])
        self._on_flush(len(self._held))
        return self._give(len(self._held))

    def _give(self, how_many: int) -> list[Matte]:
        mattes = []
        for frame, alpha in (self._held.popleft() for _ in range(how_many)):
            np.copyto(alpha, frame.image[:, :, 0])
            mattes.append(Matte(alpha, frame.stamp, "inferred"))
        return mattes

    def statistics(self) -> dict[str, Any]:
        return {"mode": "fake", "delay_frames": self.delay}

    def close(self) -> None:
        self._held.clear()
        self.closed = True


class Within(Regional):
    """
    Regions of interest without a stream: its frames come without settings.

    Attributes:
        roi: what the next frame's settings say; to be assigned to.
    """

    def __init__(self, matting: Matting, roi: Any = None) -> None:
        super().__init__(matting)
        self.roi = roi

    @property
    def roi(self) -> Any:
        return self._settings.preprocess.roi

    @roi.setter
    def roi(self, roi: Any) -> None:
        self._settings = Settings(preprocess=PreprocessConfig(roi=roi))

    def matte(self, frame: Frame, alpha: Alpha) -> Sequence[Matte]:
        return super().matte(replace(frame, settings=self._settings), alpha)


class FakeSink:
    """Keeps what it was given, as plain values; *on_…* are called first, to block or to raise."""

    def __init__(
        self,
        name: str = "fake",
        *,
        on_open: Callable[[StreamInfo], Any] = lambda info: None,
        on_write: Callable[[Frame], Any] = lambda frame: None,
        on_close: Callable[[], Any] = lambda: None,
    ) -> None:
        self.name = name
        self.indices: list[int] = []
        self.pictures: list[int] = []
        self.alphas: list[int] = []
        self.epochs: list[int] = []
        self.stamps: list[Stamp] = []
        self.origins: list[str] = []
        self.numbers: list[int] = []
        self.opened = 0
        self.closed = 0
        self.threads: set[str] = set()
        self._on_open = on_open
        self._on_write = on_write
        self._on_close = on_close

    def open(self, info: StreamInfo) -> None:
        self.opened += 1
        self._on_open(info)

    def write(self, frame: Frame, matte: Matte) -> None:
        assert frame.stamp == matte.stamp
        self._on_write(frame)
        self.threads.add(threading.current_thread().name)
        self.indices.append(frame.stamp.index)
        self.pictures.append(int(frame.image[0, 0, 0]))
        self.alphas.append(int(matte.alpha[0, 0]))
        self.epochs.append(frame.stamp.epoch)
        self.stamps.append(frame.stamp)
        self.origins.append(matte.origin)
        self.numbers.append(frame.settings.number if frame.settings else 0)

    def close(self) -> None:
        self.closed += 1
        self._on_close()

    def statistics(self) -> dict[str, Any]:
        return {"type": self.name, "frames": len(self.indices)}


class FakeWindow(FakeSink):
    """A sink that needs the main thread."""

    def __init__(self, *, on_pump: Callable[[], Any] = lambda: None, **other: Any) -> None:
        super().__init__("window", **other)
        self.paused = False
        self.pumped = 0
        self._on_pump = on_pump

    def pump(self) -> None:
        self.pumped += 1
        self._on_pump()


class FakeClock:
    """Time that moves only by waiting."""

    def __init__(self) -> None:
        self._now_ns = 1_000_000_000
        self.waits: list[float] = []

    def now_ns(self) -> int:
        return self._now_ns

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        self.waits.append(timeout_s)
        self.pass_s(timeout_s)
        return event.is_set()

    def pass_s(self, seconds: float) -> None:
        self._now_ns += int(seconds * 1e9)
