"""
What a broadcast keeps: a seat for each reader, and the pictures that they copy from.

Plain state, guarded by the broadcast's lock.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import numpy as np

from streamer.errors import CorruptFrame, SourceWaiting
from streamer.frame import Grab, Image, StreamInfo
from streamer.packets import AudioPacket

_MOST_AUDIO = 1024
"""Packets that wait for one reader, some 20 s of sound; the oldest are lost."""


class Seat:
    """
    One reader's place at a broadcast.

    Args:
        stall_s: seconds without a frame after which the reader takes the source for lost.
    """

    def __init__(self, stall_s: float) -> None:
        self.stall_s = stall_s
        self.info: StreamInfo | None = None
        """As the reader was told last."""
        self.seen = 0
        """Number of the latest frame that it had, or that came before it."""
        self.notice: CorruptFrame | SourceWaiting | None = None
        """Raised by its next call."""
        self.out: Image | None = None
        """Its array, while it waits in `read`."""
        self.lent = False
        """The source writes into `out`: `read` must not return."""
        self.grab: Grab | None = None
        """Of the frame that was written into `out`."""
        self.ended = False
        """The reader has had the sound after the last frame."""
        self._audio: deque[AudioPacket] = deque(maxlen=_MOST_AUDIO)

    def raise_notice(self) -> None:
        """Tell the reader what is to be told before the next frame."""
        notice, self.notice = self.notice, None
        if notice is not None:
            raise notice

    def hear(self, audio: tuple[AudioPacket, ...]) -> None:
        """Keep sound for the reader."""
        self._audio.extend(audio)

    def take_audio(self) -> tuple[AudioPacket, ...]:
        """All the sound that came since the reader's frame before."""
        audio = tuple(self._audio)
        self._audio.clear()
        return audio

    def take(self, grab: Grab) -> Grab:
        """The *grab* of a frame, with the reader's own sound."""
        audio = self.take_audio()
        return grab if grab.audio == audio else replace(grab, audio=audio)


class Picture:
    """A frame that readers copy from, and its description."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.image: Image = np.empty(shape, np.uint8)
        self.grab: Grab | None = None
        self.number = 0
        self.copied_by = 0
        """How many readers copy it at this moment."""


class Pictures:
    """
    As many pictures as are needed: two, and one for each reader that copies for long.

    Attributes:
        front: the newest, which readers copy from.
    """

    def __init__(self) -> None:
        self.front: Picture | None = None
        self._all: list[Picture] = []

    def unused(self, shape: tuple[int, int, int]) -> Picture:
        """One that nobody looks at, to be written to."""
        self._all = [picture for picture in self._all if picture.image.shape == shape]
        for picture in self._all:
            if picture is not self.front and not picture.copied_by:
                return picture
        self._all.append(Picture(shape))
        return self._all[-1]

    def forget(self) -> None:
        """Free the memory."""
        self.front = None
        self._all.clear()
