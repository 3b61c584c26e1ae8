"""A recording that is switched on and off while the stream runs, each time into a new file."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from streamer.config import RecordSinkConfig
from streamer.errors import ConfigError, SinkError
from streamer.frame import Frame, Matte, StreamInfo
from streamer.packets import AudioPacket
from streamer.protocols import AudioSink
from streamer.sinks.making import Making
from streamer.sinks.recording.record import RecordSink, make_recording

_log = logging.getLogger(__name__)


def make(config: RecordSinkConfig, making: Making) -> SwitchedRecord:
    """The sink that *config* asks for; see `Making`."""
    return SwitchedRecord(partial(_recording, config, making), on=config.from_start)


def _recording(config: RecordSinkConfig, making: Making, number: int) -> RecordSink:
    """The recording of that *number*, named by the time in its path, or else by the number."""
    # The first is made before there is a stream.
    if number > 1 and making.current is not None:
        making = replace(making, settings=making.current())
    timed = "{start" in config.path
    numbered = str(Path(config.path).with_stem(f"{Path(config.path).stem}-{number}"))
    made = make_recording(config, making, config.path if number == 1 or timed else numbered)
    if number > 1 and timed and Path(made.statistics()["path"]).exists():
        # An earlier one has the same time in its path, such as the same second or day.
        made.close()
        made = make_recording(config, making, numbered)
    return made


class SwitchedRecord:
    """
    Hands frames and audio to a recording of its own, or to none.

    Where a later recording cannot be opened, that is logged, and the stream goes on.

    Args:
        make: makes the recording of that number, from 1, not yet open.
        on: record from the first frame on.

    Raises:
        ConfigError: what *make* raises for the first.
    """

    name = "record"

    def __init__(self, make: Callable[[int], AudioSink], *, on: bool = True) -> None:
        self._make = make
        self._next = 1
        self._sink = make(1)
        self._wanted = on
        self._ends = self._ended = 0
        """Number of switch-offs, now and at the last frame: if they differ, start a new file."""
        self._opened = False
        self._finished = False
        self._info: StreamInfo | None = None
        self._told: tuple[AudioSink, dict[str, float]] = (self._sink, {})
        """The latest recording, and the summed numbers of those before it: replaced together."""

    @property
    def on(self) -> bool:
        """Whether frames are recorded, from the next one on."""
        return self._wanted

    def switch(self, on: bool) -> None:
        """Begin a recording with the next frame, or finish it then. Thread-safe."""
        self._wanted = on
        self._ends += not on

    def open(self, info: StreamInfo) -> None:
        """Open the first recording, if it is on. Raises SinkError."""
        self._info, self._ended = info, self._ends
        if self._wanted:
            self._opened = True
            self._next += 1
            self._sink.open(info)

    def write(self, frame: Frame, matte: Matte) -> None:
        """Record one frame, where that is wanted. Raises SinkError."""
        ends, wanted = self._ends, self._wanted
        if self._ended != ends:
            self._ended = ends
            self.close()
        if wanted and not self._opened:
            self._begin()
        elif not wanted:
            self.close()
        if self._opened:
            self._sink.write(frame, matte)

    def write_audio(self, packet: AudioPacket) -> None:
        """Record one packet, where that is wanted. Raises SinkError."""
        if self._opened:
            self._sink.write_audio(packet)

    def close(self) -> None:
        """Finish the recording. Safe to call twice. Raises SinkError."""
        if not self._finished:
            self._finished, self._opened = True, False
            self._sink.close()

    def statistics(self) -> dict[str, Any]:
        """Those of all recordings together, and whether one is `recording`. Thread-safe."""
        sink, earlier_ones = self._told
        said = sink.statistics()
        for name, earlier in earlier_ones.items():
            said[name] += earlier
        path = said["path"] if said["frames"] else None
        return {**said, "path": path, "recording": self._opened}

    def _begin(self) -> None:
        """Begin another recording; where that fails, log it and switch off."""
        assert self._info is not None  # noqa: S101 - written after open
        number, self._next = self._next, self._next + 1
        try:
            sink = self._make(number)
        except ConfigError as error:
            self._refuse(error)
            return
        try:
            sink.open(self._info)
        except SinkError as error:
            sink.close()
            self._refuse(error)
            return
        self.close()
        last, before = self._sink.statistics(), self._told[1]
        earlier = {
            name: before.get(name, 0) + value
            for name, value in last.items()
            if isinstance(value, int | float)
        }
        self._sink, self._told = sink, (sink, earlier)
        self._opened, self._finished = True, False
        _log.info("recording: %s", sink.statistics()["path"])

    def _refuse(self, error: Exception) -> None:
        self._wanted = False
        _log.warning("not recorded: %s", error)
