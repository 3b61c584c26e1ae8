"""Whether the source is there: its state, how often it came back, and how long it was away."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from streamer.core.clock import Clock
from streamer.events import SourceChanged, Tell, nobody
from streamer.frame import SourceState


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """A snapshot of a source's presence."""

    state: SourceState
    reconnects: int
    """How often frames came again after a loss."""
    away_s: float
    """Total seconds between the last frame before each loss and the first after it."""
    frame_age_s: float | None = None
    """Seconds since the capture of the newest frame; None before the first."""


class Presence:
    """
    Keeps one source's state and tells of each change once.

    Args:
        name: the source's name.
        clock: time.
        tell: told of each change.

    Written by the capture stage, read by any thread.
    """

    def __init__(self, name: str, clock: Clock, tell: Tell = nobody) -> None:
        self.name = name
        """The present source's name."""
        self._clock = clock
        self._tell = tell
        self._lock = threading.Lock()
        self._state: SourceState = "connecting"
        self._reconnects = 0
        self._away_ns = 0
        self._last_ns: int | None = None

    @property
    def state(self) -> SourceState:
        """What the source is doing."""
        return self._state

    @property
    def was_live(self) -> bool:
        """Whether there ever was a frame."""
        return self._last_ns is not None

    def came(self, captured_ns: int) -> None:
        """A frame came, captured at *captured_ns*."""
        with self._lock:
            last_ns, self._last_ns = self._last_ns, captured_ns
            if self._state == "live":
                return
            self._state, away_s = "live", None
            if last_ns is not None:
                self._reconnects += 1
                self._away_ns += max(0, captured_ns - last_ns)
                away_s = (captured_ns - last_ns) / 1e9
        self._tell(SourceChanged(self.name, "live", away_s=away_s))

    def went(self, state: SourceState, why: str) -> None:
        """It is `stalled` or `reconnecting`; only a change is told."""
        with self._lock:
            changed, self._state = self._state != state, state
        if changed:
            self._tell(SourceChanged(self.name, state, why))

    def released(self) -> None:
        """It was closed on request, until it is acquired again."""
        with self._lock:
            self._state = "released"
        self._tell(SourceChanged(self.name, "released"))

    def retries(self, name: str) -> None:
        """Begin an attempt with a source of this *name*; stalled or released: now reconnecting."""
        with self._lock:
            self.name = name
            changed = self._state in ("stalled", "released")
            if changed:
                self._state = "reconnecting"
        if changed:
            self._tell(SourceChanged(self.name, "reconnecting"))

    def ended(self) -> None:
        """The source has ended for good."""
        with self._lock:
            if self._state == "ended":
                return
            self._away_ns = self._away_until_now_ns()
            self._state = "ended"
        self._tell(SourceChanged(self.name, "ended"))

    def status(self) -> SourceStatus:
        """A snapshot."""
        with self._lock:
            away_s = round(self._away_until_now_ns() / 1e9, 3)
            age_s = None
            if self._last_ns is not None:
                age_s = max(0, self._clock.now_ns() - self._last_ns) / 1e9
            return SourceStatus(self._state, self._reconnects, away_s, age_s)

    def _away_until_now_ns(self) -> int:
        if self._last_ns is None or self._state not in ("stalled", "reconnecting", "released"):
            return self._away_ns
        return self._away_ns + max(0, self._clock.now_ns() - self._last_ns)
