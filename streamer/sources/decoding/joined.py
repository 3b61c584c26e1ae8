"""
One clock for a file whose own clock may leap: transport streams that were joined, or lost a part.

Formats that FFmpeg marks with AVFMT_TS_DISCONT begin a new clock wherever another recording was
appended. All tracks of such a part are moved by one amount, so that it follows on the part before
and picture and sound stay together; FFmpeg's own `ts_discontinuity_detect` (fftools/ffmpeg_demux.c)
has the same limits for what a leap is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

if TYPE_CHECKING:
    TrackPacket = Packet[VideoStream] | Packet[AudioStream]

_DISCONTINUOUS = 0x0200
"""AVFMT_TS_DISCONT (libavformat/avformat.h)."""
_BACK_S = Fraction(1, 10)
"""Packets that are late by more have another clock, …"""
_FAR_BACK_S = Fraction(1)
"""…and in formats whose clock is not expected to leap, by more than this."""
_FORWARD_S = 10
"""Packets that leap further have another clock, unless the other track has come as far."""
_HELD_S = 2
"""Seconds of a track that wait for the other track's first packet by the new clock."""
_APART_S = 1
"""How far from each other in time the packets of two tracks may be in a file."""
_MOST_SHIFTS = 8
"""How many earlier clocks a track may come back to."""


def may_leap(container: InputContainer) -> bool:
    """Whether *container* is of a format whose clock may begin anew within a file."""
    return bool(container.format.flags & _DISCONTINUOUS)


def on_one_clock(
    packets: Iterable[TrackPacket], step_s: Fraction, *, forward: bool = True
) -> Iterator[TrackPacket]:
    """
    The same *packets* with timestamps that go on where their clock leaps.

    At a leap, packets of the new clock are held until every track has come to it, or for 2 s.
    Then all of them are moved by one amount: the smallest at which no track overlaps with its own
    part before.

    Args:
        packets: of one container, in the order of the file; changed in place.
        step_s: seconds of a packet that does not say how long it is.
        forward: whether the format's clock may leap at all (`may_leap`). In other formats, a step
            back by more than 1 s begins a new clock, and a leap forward is always meant.
    """
    clock = _Clock(step_s, forward=forward)
    for packet in packets:
        yield from clock.take(packet)


@dataclass(slots=True)
class _Track:
    """How far one track has come, in its own units, after the shift."""

    time_base: Fraction
    shift: int = 0
    last: int = 0
    due: int = 0
    end: int | None = None

    def seconds(self, units: int) -> Fraction:
        return units * self.time_base

    def units(self, seconds: Fraction) -> int:
        return round(seconds / self.time_base)


class _Clock:
    def __init__(self, step_s: Fraction, *, forward: bool) -> None:
        self._step_s = step_s
        self._forward = forward
        self._back_s = _BACK_S if forward else _FAR_BACK_S
        self._tracks: dict[int, _Track] = {}
        self._shifts_s = [Fraction(0)]
        self._held: list[TrackPacket] = []
        self._ahead: dict[int, _Track] = {}
        """The tracks of held packets, by the new clock."""

    def take(self, packet: TrackPacket) -> Iterator[TrackPacket]:
        """Take *packet*; yield the packets that may be handed on now."""
        index, dts = packet.stream.index, _decoded_at(packet)
        if packet.is_discard:  # hidden by an edit list, at times of no meaning
            yield packet
            return
        if dts is None:  # the end of a track, or a packet without a time
            if not packet.size or index in self._ahead:
                yield from self._settle()
            yield packet
            return
        ahead = self._ahead.get(index)
        if ahead is not None:
            if self._follows(ahead, dts):
                yield from self._hold(ahead, packet, dts)
                return
            yield from self._settle()
        track = self._tracks.get(index)
        if track is None:
            track = self._tracks[index] = _Track(packet.time_base)
            self._pass(track, packet, dts)
            yield packet
            return
        # In other formats only key frames may: frames decoded out of order may have only a PTS.
        may_leap = self._forward or packet.is_keyframe
        if may_leap and not self._follows(track, dts + track.shift, self._others_s(index)):
            known = self._known(track, dts, self._others_s(index))
            if known is None:
                ahead = self._ahead[index] = _Track(packet.time_base)
                yield from self._hold(ahead, packet, dts)
                return
            track.shift = known
        self._pass(track, packet, dts)
        yield packet

    def _follows(self, track: _Track, at: int, others_s: Fraction | None = None) -> bool:
        """Whether a packet with the decoding time *at* continues the track."""
        if at < track.last:
            return track.seconds(track.last - at) <= self._back_s
        if not self._forward or at <= track.due or track.seconds(at - track.due) <= _FORWARD_S:
            return True
        return others_s is not None and track.seconds(at) - others_s <= _FORWARD_S

    def _others_s(self, index: int) -> Fraction | None:
        """How far the furthest other track has come."""
        others = (t.seconds(t.due) for i, t in self._tracks.items() if i != index)
        return max(others, default=None)

    def _known(self, track: _Track, dts: int, others_s: Fraction | None) -> int | None:
        """The shift of the earlier clock that *dts* belongs to; None if its clock is new."""
        fitting = []
        for shift_s in self._shifts_s:
            shift = track.units(shift_s)
            at = dts + shift
            if track.seconds(track.last - at) > self._back_s:
                continue
            if others_s is None:
                near = abs(track.seconds(at - track.due)) <= _APART_S
            else:
                near = -_APART_S <= track.seconds(at) - others_s <= _FORWARD_S
            if near:
                fitting.append((abs(at - track.due), shift))
        return min(fitting)[1] if fitting else None

    def _hold(self, ahead: _Track, packet: TrackPacket, dts: int) -> Iterator[TrackPacket]:
        """Keep *packet* until it is known where its part begins."""
        self._held.append(packet)
        ahead.last, ahead.due = dts, dts + self._duration(ahead, packet)
        first = next(p for p in self._held if p.stream.index == packet.stream.index)
        long = ahead.seconds(dts - (_decoded_at(first) or 0)) > _HELD_S
        if long or self._ahead.keys() == self._tracks.keys():
            yield from self._settle()

    def _settle(self) -> Iterator[TrackPacket]:
        """Hand on the held packets, moved to follow on what came before."""
        if not self._held:
            return
        shift_s = max(map(self._lack_s, self._ahead))
        self._shifts_s = [*self._shifts_s[1 - _MOST_SHIFTS :], shift_s]
        for index in self._ahead:
            track = self._tracks[index]
            track.shift = track.units(shift_s)
        held, self._held = self._held, []
        self._ahead.clear()
        for packet in held:
            self._pass(self._tracks[packet.stream.index], packet, _decoded_at(packet) or 0)
        yield from held

    def _lack_s(self, index: int) -> Fraction:
        """The shift that lets a track's held packets begin where its earlier ones ended."""
        track = self._tracks[index]
        shown = [_shown_at(p) for p in self._held if p.stream.index == index]
        return track.seconds((track.end or 0) - min(at for at in shown if at is not None))

    def _pass(self, track: _Track, packet: TrackPacket, dts: int) -> None:
        """Shift *packet* with its track, and note how far the track has come."""
        duration = self._duration(track, packet)
        shown = _shown_at(packet)
        if track.shift:
            if packet.pts is not None:
                packet.pts += track.shift
            if packet.dts is not None:
                packet.dts += track.shift
        track.last = dts + track.shift
        track.due = track.last + duration
        end = (dts if shown is None else shown) + track.shift + duration
        track.end = end if track.end is None else max(track.end, end)

    def _duration(self, track: _Track, packet: TrackPacket) -> int:
        return packet.duration or track.units(self._step_s)


def _decoded_at(packet: TrackPacket) -> int | None:
    return packet.pts if packet.dts is None else packet.dts


def _shown_at(packet: TrackPacket) -> int | None:
    return packet.dts if packet.pts is None else packet.pts
