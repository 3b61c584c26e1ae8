"""The sound of a source goes to the sinks after the frames whose time it has reached."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

from streamer.engine import Engine
from streamer.frame import Grab, Image, StreamInfo
from streamer.matting import EveryFrame
from streamer.packets import AudioPacket, AudioTrack
from tests.fakes import FakeSegmenter, FakeSink, FakeSource

TRACK = AudioTrack("aac", 48_000, 1, Fraction(1, 1000), b"..")


class Sounding(FakeSource):
    """Frames with packets at these milliseconds beside those of these numbers."""

    def __init__(self, sounds: dict[int, list[int]], **other: Any) -> None:
        super().__init__(**other)
        self._sounds = sounds

    def open(self) -> StreamInfo:
        return replace(super().open(), audio=TRACK)

    def read(self, out: Image) -> Grab:
        grab = super().read(out)
        packets = [AudioPacket(b"", ms) for ms in self._sounds.get(grab.pts, [])]
        return replace(grab, audio=tuple(packets))


class Listening(FakeSink):
    """Notes the milliseconds of each packet, and after which frame it came."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple[int, int]] = []

    def write_audio(self, packet: AudioPacket) -> None:
        self.heard.append((packet.pts, self.indices[-1]))


def heard(sounds: dict[int, list[int]], frames: int = 100) -> list[tuple[int, int]]:
    sink = Listening()
    source = Sounding(sounds, frames=frames)
    Engine(source, EveryFrame(FakeSegmenter()), [sink]).run()
    return sink.heard


def test_sound_waits_for_its_frame_however_early_it_comes():
    times = [40 * n for n in range(200)]
    came = heard({0: times})
    assert [ms for ms, _ in came] == times
    assert all(frame >= min(ms // 40, 99) for ms, frame in came)


def test_sound_of_another_clock_holds_up_none():
    sounds = {n: [40 * n] for n in range(100)}
    sounds[10] = [1_000_000, 1_000_020, 400]
    came = heard(sounds)
    assert [ms for ms, _ in came] == [40 * n for n in range(100)]
    assert all(frame - ms // 40 < 20 for ms, frame in came)
