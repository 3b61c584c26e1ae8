"""What waits for a publisher's child: packets, up to a limit."""

from __future__ import annotations

import threading
from collections import deque
from fractions import Fraction

from streamer.packets import AudioPacket, AudioTrack, VideoPacket, VideoTrack
from streamer.serving.publishing.wire import AUDIO, VIDEO, pack


class Outbox:
    """
    Packets on their way to the child, in order of arrival, bounded in number and bytes.

    Until `open` it drops everything. Then it begins at a key frame, whose time becomes 0 for both
    tracks; earlier audio is dropped. When full, it drops all that it holds and waits for the next
    key frame. Every packet that was put is either taken or counted as dropped.

    Thread-safe; nothing here waits.
    """

    def __init__(
        self, video: VideoTrack, audio: AudioTrack | None, packets: int, size: int
    ) -> None:
        """At most *packets*, of *size* bytes together, may wait."""
        self._lock = threading.Lock()
        self._video_base = video.time_base
        self._audio_base = audio.time_base if audio is not None else None
        self._limits = packets, size
        self._waiting: deque[VideoPacket | AudioPacket] = deque()
        self._size = 0
        self._dropped = 0
        self._opened = False
        self._wants_key = True
        self._requested = False
        self._origin_s: Fraction | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def dropped(self) -> int:
        """Packets that were put and will never be taken; those waiting do not count."""
        return self._dropped

    def open(self) -> None:
        """Request a key frame, and take packets from it on."""
        with self._lock:
            self._clear()
            self._origin_s = None
            self._opened = True

    def shut(self) -> None:
        """Drop what waits, and all that comes until `open`."""
        with self._lock:
            self._clear()
            self._opened = self._requested = False

    def seal(self) -> None:
        """Take no more, and keep what waits."""
        with self._lock:
            self._opened = self._requested = False

    def put(self, packet: VideoPacket | AudioPacket) -> bool:
        """Take *packet*, or drop it; true when it is the first one waiting."""
        with self._lock:
            if not self._opened or not self._fits_in(packet):
                self._dropped += 1
                return False
            packets, size = self._limits
            if len(self._waiting) >= packets or self._size + len(packet.data) > size:
                self._clear()
                if not self._fits_in(packet):
                    self._dropped += 1
                    return False
            if isinstance(packet, VideoPacket):
                self._wants_key = self._requested = False
            self._waiting.append(packet)
            self._size += len(packet.data)
            return len(self._waiting) == 1

    def take(self) -> bytes | None:
        """The next packet as a message, its time counted from the first key frame; or None."""
        with self._lock:
            while self._waiting:
                packet = self._waiting.popleft()
                self._size -= len(packet.data)
                if isinstance(packet, VideoPacket):
                    if self._origin_s is None:
                        self._origin_s = packet.pts * self._video_base
                    pts = packet.pts - round(self._origin_s / self._video_base)
                    return pack(VIDEO, packet.data, pts, packet.key)
                if self._origin_s is not None and self._audio_base is not None:
                    pts = packet.pts - round(self._origin_s / self._audio_base)
                    if pts >= 0:
                        return pack(AUDIO, packet.data, pts, key=True)
                self._dropped += 1
            return None

    def take_key_request(self) -> bool:
        """Whether to ask for a key frame now; true once for each need."""
        with self._lock:
            requested, self._requested = self._requested, False
            return requested

    def _fits_in(self, packet: VideoPacket | AudioPacket) -> bool:
        if isinstance(packet, VideoPacket):
            return packet.key or not self._wants_key
        # Audio goes on while a key frame is waited for, unless there was none yet.
        begun = self._origin_s is not None or not self._wants_key
        return begun and self._audio_base is not None

    def _clear(self) -> None:
        self._dropped += len(self._waiting)
        self._waiting.clear()
        self._size = 0
        self._wants_key = self._requested = True
