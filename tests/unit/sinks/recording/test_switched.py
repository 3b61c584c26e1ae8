"""A recording is switched on and off while the stream goes on."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import FrameType

import av
import pytest

from streamer.compositing import Composer
from streamer.errors import ConfigError, SinkError
from streamer.packets import AudioPacket
from streamer.protocols import AudioSink, SwitchedSink
from streamer.sinks import RecordSink, SwitchedRecord
from tests.fakes import FakeSink
from tests.media import sound
from tests.unit.sinks.scene import shot, stream_info


class FakeRecording(FakeSink):
    """Keeps its number and the audio, too."""

    def __init__(self, number: int, **other) -> None:
        super().__init__("record", **other)
        self.number = number
        self.audio: list[int] = []

    def write_audio(self, packet: AudioPacket) -> None:
        self.audio.append(packet.pts)

    def statistics(self) -> dict:
        said = {"type": "record", "path": f"{self.number}.mp4"}
        return said | {"frames": len(self.indices), "seconds": 0.5 * len(self.indices)}


class Maker:
    """Makes fake recordings; *refuses* is raised as they are made or, a SinkError, as they open."""

    def __init__(self) -> None:
        self.made: list[FakeRecording] = []
        self.refuses: Exception | None = None

    def __call__(self, number: int) -> FakeRecording:
        if isinstance(self.refuses, ConfigError):
            raise self.refuses

        def on_open(info: object) -> None:
            if self.refuses is not None:
                raise self.refuses

        self.made.append(FakeRecording(number, on_open=on_open))
        return self.made[-1]


def write(sink: SwitchedRecord, first: int, last: int) -> None:
    for index in range(first, last):
        sink.write(*shot(index))


def test_it_is_a_sink_with_audio_that_can_be_switched():
    sink = SwitchedRecord(Maker())
    assert isinstance(sink, AudioSink)
    assert isinstance(sink, SwitchedSink)


def test_each_time_it_is_on_is_a_recording_of_its_own():
    make = Maker()
    sink = SwitchedRecord(make)
    sink.open(stream_info())
    write(sink, 0, 3)
    sink.switch(on=False)
    write(sink, 3, 6)
    assert make.made[0].closed == 1
    sink.switch(on=True)
    write(sink, 6, 8)
    said = sink.statistics()
    sink.close()
    sink.close()
    opened = [recording for recording in make.made if recording.opened]
    assert [recording.number for recording in opened] == [1, 2]
    assert [recording.indices for recording in opened] == [[0, 1, 2], [6, 7]]
    assert all(recording.closed == 1 for recording in opened)
    assert said == {
        "type": "record",
        "path": "2.mp4",
        "frames": 5,
        "seconds": 2.5,
        "recording": True,
    }
    assert not sink.statistics()["recording"]


def test_one_that_begins_later_begins_at_0_with_its_audio(tmp_path: Path):
    track, packets = sound.aac(3.0, (0.5, 1.5, 2.5))
    sink = SwitchedRecord(lambda number: RecordSink(tmp_path / "a.mp4", Composer()), on=False)
    sink.open(replace(stream_info(), audio=track))
    for index in range(90):
        if index == 30:
            sink.switch(on=True)
        sink.write(*shot(index))
        while packets and packets[0].pts * track.time_base <= Fraction(index, 30):
            sink.write_audio(packets.pop(0))
    sink.close()
    assert sound.heard_s(str(tmp_path / "a.mp4")) == pytest.approx([0.5, 1.5], abs=0.03)
    with av.open(str(tmp_path / "a.mp4")) as film:
        assert next(film.decode(video=0)).pts == 0
        assert film.streams.video[0].frames in (0, 60)


def test_one_that_is_never_on_leaves_nothing():
    make = Maker()
    sink = SwitchedRecord(make, on=False)
    sink.open(stream_info())
    write(sink, 0, 3)
    sink.close()
    assert [recording.opened for recording in make.made] == [0]
    assert sink.statistics()["path"] is None


@pytest.mark.parametrize(
    "error", [SinkError("a.mp4: exists already"), ConfigError("beach.jpg: no such file")]
)
def test_one_that_cannot_begin_later_is_off_again_and_the_stream_goes_on(
    error: Exception, caplog: pytest.LogCaptureFixture
):
    make = Maker()
    sink = SwitchedRecord(make)
    sink.open(stream_info())
    write(sink, 0, 1)
    sink.switch(on=False)
    write(sink, 1, 2)
    make.refuses = error
    sink.switch(on=True)
    write(sink, 2, 4)
    assert not sink.on
    assert f"not recorded: {error}" in caplog.text
    make.refuses = None
    sink.switch(on=True)
    write(sink, 4, 5)
    assert sink.on
    assert make.made[-1].number == 3
    assert sink.statistics()["frames"] == 2


def test_the_first_that_cannot_begin_ends_the_run_as_without_a_switch():
    make = Maker()
    make.refuses = SinkError("a.mp4: exists already")
    with pytest.raises(SinkError, match="exists already"):
        SwitchedRecord(make).open(stream_info())


def test_the_files_hold_what_was_recorded(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    def make(number: int) -> RecordSink:
        return RecordSink(tmp_path / f"{number}.mp4", Composer("cutout"))

    sink = SwitchedRecord(make, on=False)
    sink.open(stream_info())
    with caplog.at_level(logging.INFO):
        for first, on in ((0, True), (12, False), (15, True), (20, False), (23, False)):
            sink.switch(on=on)
            write(sink, first, first + 5)
    sink.close()
    times = []
    for number in (1, 2):
        with av.open(str(tmp_path / f"{number}.mp4")) as film:
            times.append([round(frame.time * 30) for frame in film.decode(video=0)])
    assert times == [[0, 1, 2, 3, 4]] * 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.mp4", "2.mp4"]
    assert f"recording: {tmp_path / '2.mp4'}" in caplog.text


def test_off_and_on_before_the_first_frame_is_the_first_recording():
    make = Maker()
    sink = SwitchedRecord(make)
    sink.switch(on=False)
    sink.switch(on=True)
    sink.open(stream_info())
    write(sink, 2, 4)
    sink.close()
    assert [recording.indices for recording in make.made] == [[2, 3]]
    assert [stamp.pts for stamp in make.made[0].stamps] == [2, 3], "in the source's time"


def test_off_and_on_again_between_two_frames_is_another_recording():
    make = Maker()
    sink = SwitchedRecord(make)
    sink.open(stream_info())
    write(sink, 0, 3)
    sink.switch(on=False)
    sink.switch(on=True)
    write(sink, 3, 5)
    sink.close()
    assert [recording.indices for recording in make.made] == [[0, 1, 2], [3, 4]]
    assert [recording.closed for recording in make.made] == [1, 1]


def test_a_recording_that_is_over_is_never_counted_twice():
    """Whatever line the other thread is at when the numbers are asked for."""
    sink = SwitchedRecord(Maker())
    sink.open(stream_info())
    write(sink, 0, 3)
    sink.switch(on=False)
    sink.switch(on=True)
    seen: list[int] = []

    def look(frame: FrameType, event: str, argument: object) -> Callable[..., object] | None:
        if frame.f_code.co_name != "_begin":
            return None
        seen.append(sink.statistics()["frames"])
        return look

    before = sys.gettrace()
    sys.settrace(look)
    try:
        write(sink, 3, 4)
    finally:
        sys.settrace(before)
    assert len(seen) > 10
    assert set(seen) == {3}
    assert sink.statistics()["frames"] == 4
    sink.close()
