"""
The four contracts a pipeline is made of: `Source`, `Segmenter`, `Matting` and `Sink`.

`tests/contract/` holds one suite for each, run over every implementation and every fake.
Unless a method says otherwise, an object is used by one thread at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from streamer.config import SourceConfig
from streamer.controls import Controls
from streamer.frame import Alpha, Frame, Grab, Image, Matte, StreamInfo
from streamer.packets import AudioPacket


class Source(Protocol):
    """
    Where frames come from.

    Call `open` once, `read` until `EndOfStream`, and `close` always (also after a failed `open`; a
    second `close` does nothing). One thread calls all three: the capture thread, or for a live
    source that is reconnected a thread of its own, which is abandoned if a call does not return.
    After any `SourceError` but `CorruptFrame` the source is closed, and another one is made.
    """

    @property
    def name(self) -> str:
        """Its name in messages; free of credentials. Known before `open`."""
        ...

    def open(self) -> StreamInfo:
        """
        Make it ready to read.

        Raises:
            SourceWaiting: a live source sends data, but no picture can be decoded yet, as before
                its first key frame. The connection stands: call again, or close.
            SourceError: it cannot be opened. Returns or raises within 10 s.
        """
        ...

    def read(self, out: Image) -> Grab:
        """
        Write the next frame into *out*.

        Args:
            out: (height, width, 3) uint8, C-contiguous, as the latest `StreamInfo` says;
                undefined after an exception.

        Raises:
            EndOfStream: there are no more frames, now and at every later call.
            FormatChanged: the next frame has another size; call again with a matching *out*.
            CorruptFrame: one frame was lost; call again for the next.
            SourceWaiting: a live source sends data, but no first picture yet: call again.
            SourceTimeout: a live source sent nothing within its time-out.
            SourceLost: it ended before it should have.
        """
        ...

    def close(self) -> None:
        """Release the device, file or connection; a `read` then raises SourceLost. Never raises."""
        ...


@runtime_checkable
class AdjustableSource(Source, Protocol):
    """A source that can change some settings while it is read: its configuration's `LIVE_KEYS`."""

    def adjust(self, config: SourceConfig) -> None:
        """
        Switch to *config*, which differs from the present one in those settings only.

        Takes effect with a later `read`; a source that has ended stays ended. Thread-safe.
        """
        ...


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Which model really runs, and how; part of the run report."""

    name: str
    sha256: str
    precision: str
    """`fp32`, `fp16` or `int8`: the precision of the file's weights."""
    input_size: tuple[int, int]
    """(height, width) in pixels of the network's own input, the largest that it is run at."""
    providers: tuple[str, ...]
    """What runs it: onnxruntime's execution providers, best first, or `OpenVINO CPU`."""
    threads: int
    """Threads within an operator."""
    recurrent: bool = False
    """Its alpha depends on the pictures before; see `Segmenter.reset`."""


@dataclass(frozen=True, slots=True)
class ModelUse:
    """What a stream got of the device that its model runs on, which others may use too."""

    runs: int
    busy_s: float
    """Seconds that its runs took."""


class Segmenter(Protocol):
    """
    A model that estimates an alpha from one image, at one of several sizes of its input.

    For one thread at a time. Copying it raises TypeError: its arrays are bound to its session.
    """

    @property
    def info(self) -> ModelInfo:
        """Which model really runs."""
        ...

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """
        (height, width) of each network input that it is ready for, smallest first.

        `warm_up` may take some out, never the largest, which is `info.input_size`.
        """
        ...

    def warm_up(self) -> None:
        """
        Run each size once, so that the first `segment` is as fast as the others.

        Raises:
            SegmentError: the model does not run.
        """
        ...

    def segment(self, image: Image, out: Alpha, size: tuple[int, int] | None = None) -> None:
        """
        Estimate the foreground alpha of one image into *out*.

        Args:
            image: (H, W, 3) uint8 BGR; borrowed. May be a view of a larger picture: the pixels of
                a row are packed, the rows may lie apart.
            out: (H, W) uint8, 0 background to 255 foreground; overwritten. May be such a view too.
            size: one of `sizes`, to which the image is stretched; the largest when None.

        Raises:
            SegmentError: inference failed; *out* is undefined.

        Not thread-safe. Allocates nothing of a frame's size after the first call of a size.
        """
        ...

    def reset(self) -> None:
        """
        Forget the pictures before: the next one has nothing to do with them.

        Does nothing where `info.recurrent` is false. A recurrent model runs at each picture's own
        size, unless `segment` is given one, and resets itself when that size changes.
        """
        ...

    def close(self) -> None:
        """Release the model's memory. A second call does nothing."""
        ...


class Matting(Protocol):
    """
    How frames get their mattes: by the model alone, or with the help of their neighbours.

    A matting that looks ahead holds frames until it has seen later ones: each call returns the
    mattes that are ready by then. No frame is skipped, and the order is kept.
    """

    @property
    def info(self) -> ModelInfo | None:
        """The model that runs, or None where there is none."""
        ...

    @property
    def delay(self) -> int:
        """Most frames held after a call; 0: no look-ahead, each matte comes at once. Constant."""
        ...

    def warm_up(self) -> None:
        """Load and run what is needed. Raises ModelError."""
        ...

    def matte(self, frame: Frame, alpha: Alpha) -> Sequence[Matte]:
        """
        Take the next frame, and return the mattes that are ready, oldest first.

        For a live stream, return one matte a call rather than several at once, which would have to
        wait for room in the sinks' queues.

        Args:
            frame: frames come in order. At a new `stamp.epoch` forget the frames before; none is
                held then. Never a stand-by frame.
            alpha: (H, W) uint8, where the frame's alpha is written.

        Both are borrowed until the frame's matte is returned, which has *alpha* and the frame's
        own stamp.

        Raises:
            SegmentError: a matte could not be made; the alphas of this frame and of all that are
                held are undefined and must not be shown.
            ConfigError: the settings do not fit the frame; the alphas are undefined too.
        """
        ...

    def flush(self) -> Sequence[Matte]:
        """
        Return the mattes of all held frames, in order, without waiting for later frames.

        Called at the end, before the first frame of an epoch and before a stand-by frame.

        Raises:
            SegmentError: as `matte`.
        """
        ...

    def statistics(self) -> dict[str, Any]:
        """How mattes are made and at what cost, as plain JSON values. Thread-safe."""
        ...

    def close(self) -> None:
        """Release the model; held frames are not read any more. A second call does nothing."""
        ...


@runtime_checkable
class PacedMatting(Protocol):
    """A matting that leaves out frames of a live stream when it cannot keep up."""

    def keeps(self, waiting: int, now_s: float) -> bool:
        """
        Whether the next frame gets a matte; asked before each. If not, the frame is dropped.

        Args:
            waiting: frames that wait in the ring, plus mattes in the shortest sink queue.
            now_s: monotonic seconds.
        """
        ...


class Sink(Protocol):
    """
    Where mattes go.

    Call `open` once, `write` for each frame in order, and `close` once if `open` was called, also
    after a failure: it finishes what can be finished. One thread calls all, the sink's own.
    """

    @property
    def name(self) -> str:
        """Its name in messages and reports: its type."""
        ...

    def open(self, info: StreamInfo) -> None:
        """
        Make ready for a stream.

        Raises:
            SinkError: it cannot be written.
        """
        ...

    def write(self, frame: Frame, matte: Matte) -> None:
        """
        Take one frame and its matte; both are borrowed until the call returns.

        The size may change from one frame to the next, with the stamp's epoch. A frame whose stamp
        says `standby` is a card or the last picture again: the source is away or paused.

        Raises:
            SinkError: it could not be written.
            StopRequested: the user wants the stream to end.
        """
        ...

    def close(self) -> None:
        """
        Finish and release.

        Raises:
            SinkError: it could not be finished.
        """
        ...

    def statistics(self) -> dict[str, Any]:
        """What was written, as plain JSON values. Thread-safe."""
        ...


@runtime_checkable
class AudioSink(Sink, Protocol):
    """A sink that also takes the source's encoded audio, described by `StreamInfo.audio`."""

    def write_audio(self, packet: AudioPacket) -> None:
        """
        Take one packet. Packets come in order, none later than the frame that was written last,
        except at the very end.

        Raises:
            SinkError: it could not be written.
        """
        ...


@runtime_checkable
class EarlySink(Sink, Protocol):
    """A sink that prepares before the source is open, so that mistakes show at once."""

    def prepare(self) -> None:
        """
        Check or claim what it needs, such as an address. Called once, by the sink's own thread.

        `close` follows, whether or not `open` does.

        Raises:
            SinkError: it cannot be had.
        """
        ...


@runtime_checkable
class ProgressingSink(Sink, Protocol):
    """A sink whose calls may take long: it counts as stuck only while it makes no progress."""

    @property
    def progress_ns(self) -> int:
        """`time.monotonic_ns()` when something was last written; 0 before. Thread-safe."""
        ...


@runtime_checkable
class TriggeredSink(Sink, Protocol):
    """A sink that can take a frame when it is told to."""

    def trigger(self) -> bool:
        """Take the next frame, if it is set up to wait for triggers; returns that. Thread-safe."""
        ...


@runtime_checkable
class SwitchedSink(Sink, Protocol):
    """A sink that can be switched off and on while the stream goes on."""

    @property
    def on(self) -> bool:
        """Whether it takes frames."""
        ...

    def switch(self, on: bool) -> None:
        """Take frames from the next one on (true), or no more (false). Thread-safe."""
        ...


@runtime_checkable
class ControlledSink(Sink, Protocol):
    """A sink from which a user steers the stream."""

    def control(self, controls: Controls) -> None:
        """Give it the *controls* of the stream; called before `open`."""
        ...


@runtime_checkable
class WindowSink(Sink, Protocol):
    """A sink with a window, which only the main thread may touch; `Pipeline.run` hosts it there."""

    @property
    def paused(self) -> bool:
        """Whether the picture is held: a file waits, a live stream goes on unseen."""
        ...

    def pump(self) -> None:
        """
        Serve the window's events; called at least every 30 ms while no frame comes.

        Raises:
            StopRequested: the window was closed or a key asked for the end.
        """
        ...
