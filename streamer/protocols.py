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

    `open` once, `read` until `EndOfStream`, `close` always (also after a failed `open`; twice is
    once). `open`, `read` and `close` are called by one thread: the capture thread, or for a live
    source that is reconnected one of its own, which nobody waits for if a call does not return.
    After any `SourceError` but `CorruptFrame` it is closed, and another one made.
    """

    @property
    def name(self) -> str:
        """How it is called in messages; free of credentials. Known before `open`."""
        ...

    def open(self) -> StreamInfo:
        """
        Make it ready to read.

        Raises:
            SourceWaiting: a live source sends, and no picture can be made of it yet, as before its
                first key frame. The connection stands: call again, or close.
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
            SourceWaiting: a live source sends, and its first picture is yet to come: call again.
            SourceTimeout: a live source sent nothing within its time-out.
            SourceLost: it ended before it should have.
        """
        ...

    def close(self) -> None:
        """Release the device, file or connection; a `read` then raises SourceLost. Never raises."""
        ...


@runtime_checkable
class AdjustableSource(Source, Protocol):
    """A source of which some settings may change while it is read: its configuration's `LIVE`."""

    def adjust(self, config: SourceConfig) -> None:
        """
        Go over to *config*, which differs from the present one in those settings only.

        Takes effect with a later `read`; what has ended stays so. Thread-safe.
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
    """What it makes of a picture depends on those before; see `Segmenter.reset`."""


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
            image: (H, W, 3) uint8 BGR; borrowed. May be a part of a larger picture: its rows
                apart, their pixels packed.
            out: (H, W) uint8, 0 background to 255 foreground; overwritten. Likewise.
            size: one of `sizes`, to which the image is stretched; the largest when None.

        Raises:
            SegmentError: inference failed; *out* is undefined.

        Not thread-safe. Allocates nothing of a frame's size after the first call of a size.
        """
        ...

    def reset(self) -> None:
        """
        Forget the pictures before: the next one has nothing to do with them.

        Does nothing where `info.recurrent` is false. One that is recurrent takes each picture at
        its own size, unless it is told one, and forgets by itself when that changes.
        """
        ...

    def close(self) -> None:
        """Release the model's memory. Twice is once."""
        ...


class Matting(Protocol):
    """
    How frames get their mattes: by the model alone, or with the help of their neighbours.

    One that looks ahead holds frames until it has seen what comes after them: each call returns
    the mattes that are ready, of whichever frames; none is skipped and their order is kept.
    """

    @property
    def info(self) -> ModelInfo | None:
        """The model that runs, or None where there is none."""
        ...

    @property
    def delay(self) -> int:
        """Frames that it holds at most after a call; 0: each matte comes back at once. Fixed."""
        ...

    def warm_up(self) -> None:
        """Load and run what is needed. Raises ModelError."""
        ...

    def matte(self, frame: Frame, alpha: Alpha) -> Sequence[Matte]:
        """
        Take the next frame, and return the mattes that are ready, oldest first.

        Of a live stream better one at each call than several at some: these wait for the sinks.

        Args:
            frame: frames come in order; a new `stamp.epoch` means nothing before it counts, and
                then none is held. Never a stand-by frame.
            alpha: (H, W) uint8, where the frame's alpha is written.

        Both are borrowed until the frame's matte is returned: its alpha is *alpha*, its stamp the
        frame's own.

        Raises:
            SegmentError: a matte could not be made; the alphas of this frame and of all that are
                held are undefined and must not be shown.
            ConfigError: what is asked for does not fit the frame; likewise.
        """
        ...

    def flush(self) -> Sequence[Matte]:
        """
        The mattes of all frames that are held, in order, as nothing comes after them.

        Called at the end, before the first frame of an epoch and before a stand-by frame.

        Raises:
            SegmentError: as `matte`.
        """
        ...

    def statistics(self) -> dict[str, Any]:
        """How mattes are made and what that took, as plain JSON values. Thread-safe."""
        ...

    def close(self) -> None:
        """Release the model; frames that are held are read no more. Twice is once."""
        ...


@runtime_checkable
class PacedMatting(Protocol):
    """A matting that does less of a live stream where there is too much to do."""

    def keeps(self, waiting: int, now_s: float) -> bool:
        """
        Asked before each frame: whether it is to get a matte; if not, it is left out.

        Args:
            waiting: frames behind it, and mattes that wait for the sink that is the quickest.
            now_s: monotonic seconds.
        """
        ...


class Sink(Protocol):
    """
    Where mattes go.

    `open` once, `write` for each frame in order, `close` once if `open` was called, also after a
    failure: it finishes what can be finished. All are called by one thread, the sink's own.
    """

    @property
    def name(self) -> str:
        """How it is called in messages and reports: its type."""
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
        says `standby` is a card or the last picture again, for the source is away.

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
    """A sink that takes the source's audio too, as it was encoded; `StreamInfo.audio` says how."""

    def write_audio(self, packet: AudioPacket) -> None:
        """
        Take one packet, in order; never of a later time than the frame that was written last,
        but for those at the very end.

        Raises:
            SinkError: it could not be written.
        """
        ...


@runtime_checkable
class EarlySink(Sink, Protocol):
    """A sink that takes what it can before the source is open: mistakes are told at once."""

    def prepare(self) -> None:
        """
        Take an address or a name; called once, by the sink's own thread, before `open`.

        `close` follows, whether or not `open` does.

        Raises:
            SinkError: it cannot be had.
        """
        ...


@runtime_checkable
class ProgressingSink(Sink, Protocol):
    """A sink whose one call may take long: it is stuck only where nothing is got on with."""

    @property
    def progress_ns(self) -> int:
        """`time.monotonic_ns()` when something was last written; 0 before. Thread-safe."""
        ...


@runtime_checkable
class TriggeredSink(Sink, Protocol):
    """A sink that can take a frame when it is told to."""

    def trigger(self) -> bool:
        """Take the next frame, if it is made to wait for this; whether it is. Thread-safe."""
        ...


@runtime_checkable
class SwitchedSink(Sink, Protocol):
    """A sink that can be switched off and on while the stream goes on."""

    @property
    def on(self) -> bool:
        """Whether it takes frames."""
        ...

    def switch(self, on: bool) -> None:
        """Take frames from the next one on, or none any more. Thread-safe."""
        ...


@runtime_checkable
class ControlledSink(Sink, Protocol):
    """A sink by which a user steers the stream."""

    def control(self, controls: Controls) -> None:
        """Let it steer *controls* from here on; before `open`."""
        ...


@runtime_checkable
class WindowSink(Sink, Protocol):
    """A sink with a window, which only the main thread may touch; `Pipeline.run` hosts it there."""

    @property
    def paused(self) -> bool:
        """The picture is held: a file waits, a live stream goes on unseen."""
        ...

    def pump(self) -> None:
        """
        Serve the window's events; called at least every 30 ms while no frame comes.

        Raises:
            StopRequested: the window was closed or a key asked for the end.
        """
        ...
