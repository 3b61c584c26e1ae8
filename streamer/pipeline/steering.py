"""What may be asked of a stream while it runs: pauses, speed, cameras, recordings, other models."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from streamer.errors import ConfigError
from streamer.frame import StreamInfo
from streamer.pipeline.playback import Playback
from streamer.pipeline.switching import LoadMatting, Switching
from streamer.protocols import Sink, SwitchedSink, TriggeredSink


class Steering:
    """
    The part of a `Pipeline` that is used while it runs.

    Args:
        name: the source's, for messages.
        sinks: all of them.
        playback: looked at by the capture stage.
        switching: looked at by the matting stage.
        info: what the source is; None before it is open.
        can_release: the source is one that is connected again.

    Any thread may call any of it.
    """

    def __init__(
        self,
        name: str,
        sinks: Sequence[Sink],
        playback: Playback,
        switching: Switching,
        info: Callable[[], StreamInfo | None],
        *,
        can_release: bool,
    ) -> None:
        self._name = name
        self._triggered = [sink for sink in sinks if isinstance(sink, TriggeredSink)]
        self._switched = [sink for sink in sinks if isinstance(sink, SwitchedSink)]
        self._playback = playback
        self._switching = switching
        self._said = info
        self._can_release = can_release

    @property
    def paused(self) -> bool:
        """Whether `pause` was called, and `resume` was not."""
        return self._playback.paused

    def pause(self) -> None:
        """
        Hold the stream: no more frames come.

        A file and a folder wait. A live source is read on, so that it is fresh afterwards, and its
        frames are thrown away; its last picture with its matte goes to the sinks five times a
        second, so that relays stay alive.
        """
        self._playback.paused = True

    def resume(self) -> None:
        """End a pause."""
        self._playback.paused = False

    @property
    def speed(self) -> float:
        """How much faster than its timestamps a paced source is delivered."""
        return self._playback.speed

    def set_speed(self, speed: float) -> None:
        """
        Deliver a paced source (`realtime: true`) faster or slower from now on.

        Args:
            speed: 2 is twice as fast. The timestamps stay the source's own.

        Raises:
            ValueError: it is not a positive number.
            ConfigError: the source is not open yet, or has no pace.
        """
        if not 0 < speed < math.inf:
            raise ValueError(f"speed: {speed} is not a positive number")
        info = self._said()
        if info is None:
            raise ConfigError(f"{self._name}: is not open yet: a speed comes too early")
        if not info.paced:
            reason = "it comes live" if info.live else "it is read as fast as it is worked on"
            raise ConfigError(
                f"{info.name}: has no pace that could change: {reason}; "
                "a file or folder with source.realtime: true has one"
            )
        self._playback.speed = speed

    @property
    def released(self) -> bool:
        """Whether `release` was called, and `acquire` was not."""
        return self._playback.connection == "released"

    def release(self) -> None:
        """
        Close the camera, so that another program may have it; the sinks get stand-by frames.

        It is closed when `statistics().source.state` is `released`, within a second if its driver
        answers.

        Raises:
            ConfigError: the source is no camera and no RTSP stream.
        """
        self._require_connection()
        self._playback.release()

    def acquire(self) -> None:
        """Open the camera again after `release`; it is tried again as after a loss."""
        self._playback.acquire()

    def reopen(self) -> None:
        """
        Reopen the camera with its current settings. One that is released stays closed, and takes
        them when it is acquired.

        Raises as `release`.
        """
        self._require_connection()
        self._playback.reopen()

    def trigger(self) -> int:
        """Tell every sink that waits for it to take its next frame; how many there are."""
        return sum([sink.trigger() for sink in self._triggered])

    @property
    def recording(self) -> bool:
        """Whether any recording that can be switched is on."""
        return any(sink.on for sink in self._switched)

    def record(self, on: bool) -> None:
        """
        Switch the recordings on or off, from their next frame on; on begins a new file each.

        Raises:
            ConfigError: there is none.
        """
        if not self._switched:
            raise ConfigError("sinks: there is no recording to switch: add one of type record")
        for sink in self._switched:
            sink.switch(on)

    def use(self, load: LoadMatting) -> Future[None]:
        """
        Put another matting in the place of the one that runs, which goes on meanwhile.

        Args:
            load: makes it, in a thread of its own; it is warmed up there and owned from then on.

        Returns:
            Done when it is in its place, before some frame, and the old one is closed. Where it
            cannot be loaded, that is its failure and is logged, and the old one stays.

        Raises:
            RuntimeError: the source is not open yet, the stream has ended, or another one is still
                on its way.
        """
        if self._said() is None:
            raise RuntimeError("the source is not open yet")
        return self._switching.begin(load)

    def _require_connection(self) -> None:
        """Raise ConfigError unless the source is one that is connected again."""
        if not self._can_release:
            raise ConfigError(
                f"{self._name}: cannot be released: only cameras and RTSP streams can"
            )
