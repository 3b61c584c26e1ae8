"""
Corrects audio timestamps: a single leap is an error of the source, one that lasts is a gap.

If a wrong time were believed, there would be no sound until the film reaches it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from streamer.packets import AudioPacket

_FAR_S = Fraction(3, 10)
"""Seconds: a packet farther from its due time leaps; no packet is so long."""


class Leaps:
    """
    Believes a packet that leaps only once the next one is nearer to it than to those before.

    Otherwise the packet is placed where those before end, or left out if there are none. A packet
    that leaps is held until the next comes, and so is the first one. Not thread-safe.

    Args:
        time_base: seconds in one unit of the packets' `pts`.
    """

    def __init__(self, time_base: Fraction) -> None:
        self._far = _FAR_S / time_base
        self._last: int | None = None
        self._step = 0
        self._held: AudioPacket | None = None

    def feed(self, packet: AudioPacket) -> Sequence[AudioPacket]:
        """Take *packet*; return those whose times are certain now, in the order that they came."""
        ready = self._settle(packet.pts)
        if self._last is None or abs(packet.pts - self._due) > self._far:
            self._held = packet
            return ready
        if packet.pts > self._last:
            self._step = packet.pts - self._last
        return [*ready, self._pass(packet)]

    def finish(self) -> Sequence[AudioPacket]:
        """The packet that is still held, placed where those before end."""
        held, self._held = self._held, None
        if held is None or self._last is None:
            return [] if held is None else [held]
        return [replace(held, pts=self._due)]

    @property
    def _due(self) -> int:
        """Where the next packet belongs if nothing leaps."""
        return (self._last or 0) + self._step

    def _settle(self, following: int) -> Sequence[AudioPacket]:
        """Decide about the held packet, now that the next one is at *following*."""
        held, self._held = self._held, None
        if held is None:
            return []
        if self._last is None:
            return [] if held.pts - following > self._far else [self._pass(held)]
        if abs(following - self._due) < abs(following - held.pts):
            held = replace(held, pts=self._due)
        return [self._pass(held)]

    def _pass(self, packet: AudioPacket) -> AudioPacket:
        self._last = packet.pts
        return packet
