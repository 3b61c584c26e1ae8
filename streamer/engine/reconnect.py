"""
Reconnecting: one attempt after another to get frames from a live source, with growing pauses.

While the source is away, stand-by frames keep the outputs going.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable

from streamer.config import ReconnectConfig
from streamer.core.backoff import Backoff
from streamer.core.clock import Clock
from streamer.engine.attempt import Attempt
from streamer.engine.capture import CaptureStage
from streamer.engine.playback import Playback
from streamer.engine.presence import Presence
from streamer.engine.ring import FrameRing
from streamer.errors import (
    SourceAuthError,
    SourceError,
    SourceNotFound,
    SourceTimeout,
    SourceUnsupported,
)
from streamer.frame import StreamInfo
from streamer.protocols import Source

logger = logging.getLogger("streamer.engine")

_OPEN_S = 10.0
_TICK_S = 0.05
_FAREWELL_S = 1.0
"""How long the end of a run waits for the last connections to close."""
_MOST_STUCK = 4
"""With so many threads stuck in a driver, no further one is started."""


class Reconnecting:
    """
    Makes attempts until the source ends, *stop* is set, or the policy allows no more.

    Args:
        first: the source of the first attempt.
        fresh: makes the source of each further attempt.
        policy: pauses and limits.
        stage: takes the frames.
        presence: told what the source is doing.
        opened: makes the ring when the first attempt has opened.
        clock: time, for the pauses.
        stop: ends all waiting, and the attempts.
        playback: says when the source is to be released.
        chance: see `Backoff`.
        open_s: seconds that opening may take.
    """

    def __init__(
        self,
        first: Source,
        fresh: Callable[[], Source],
        policy: ReconnectConfig,
        stage: CaptureStage,
        presence: Presence,
        opened: Callable[[StreamInfo], FrameRing],
        clock: Clock,
        stop: threading.Event,
        playback: Playback | None = None,
        *,
        chance: Callable[[], float] = random.random,
        open_s: float = _OPEN_S,
    ) -> None:
        self._next: Source | None = first
        self._fresh = fresh
        self._policy = policy
        self._stage = stage
        self._presence = presence
        self._opened = opened
        self._clock = clock
        self._stop = stop
        self._playback = playback or Playback()
        self._backoff = Backoff(policy.first_s, policy.max_s, chance)
        self._open_s = open_s
        self._ring: FrameRing | None = None
        self._attempts: list[Attempt] = []
        self._number = 0
        self._failed = 0
        self._let_go = False
        self._reasons: set[str] = set()

    def run(self) -> None:
        """
        Fill the ring; returns at the end of the source or after a stop.

        Raises:
            SourceError: the last attempt's, where the policy allows no further one.
        """
        try:
            while not self._stop.is_set():
                if self._is_let_go():
                    self._let_go = False
                    self._stay_away()
                    continue
                frames = self._stage.frames
                try:
                    if self._try_once():
                        return
                    self._let_go = True
                except SourceError as error:
                    if self._stop.is_set():
                        logger.info("while stopping, capture: %s", error)
                        return
                    if self._is_let_go():
                        continue
                    came = self._stage.frames > frames
                    self._wait(self._judge(error, came=came))
        finally:
            self._say_farewell()

    @property
    def left(self) -> tuple[str, ...]:
        """The attempts whose threads still live, such as `capture-3`."""
        return tuple(attempt.stage for attempt in self._attempts if attempt.alive)

    def _try_once(self) -> bool:
        """Make one attempt and take its frames; true if the source ended. Raises SourceError."""
        attempt = self._new_attempt()
        self._presence.retries(attempt.name)
        try:
            info = attempt.open()
            if self._ring is None:
                self._ring = self._opened(info)
            return self._stage.run(attempt, info, self._ring)
        finally:
            attempt.hang_up()

    def _is_let_go(self) -> bool:
        """Whether the current connection must be closed."""
        self._let_go |= self._playback.closes
        return self._let_go

    def _stay_away(self) -> None:
        """Leave the device closed, and keep the outputs going, until it is wanted again."""
        if self._attempts:
            self._attempts[-1].join(_FAREWELL_S)
        self._presence.released()
        while self._playback.closes and not self._stop.is_set():
            if self._playback.connection == "reopening":
                self._playback.reopened()
                return
            if self._ring is not None:
                self._stage.stand_in(self._ring)
            self._clock.wait(self._stop, _TICK_S)

    def _judge(self, error: SourceError, *, came: bool) -> float:
        """Seconds to wait after an attempt ended with *error*; raises that if it was the last."""
        self._failed = 0 if came else self._failed + 1
        if came and self._stage.fed_s >= self._policy.healthy_s:
            self._backoff.reset()
        if self._policy.max_attempts is not None and self._failed >= self._policy.max_attempts:
            raise error
        pause_s = self._backoff.pause_s(slowly=self._is_hopeless(error))
        why = f"{error}; next attempt in {pause_s:.1f} s"
        if came:
            self._reasons.clear()
            self._presence.went(
                "stalled" if isinstance(error, SourceTimeout) else "reconnecting", why
            )
        else:
            known = str(error) in self._reasons
            self._reasons.add(str(error))
            logger.log(logging.DEBUG if known else logging.WARNING, "%s", why)
        return pause_s

    def _is_hopeless(self, error: SourceError) -> bool:
        """
        Whether the failure will hardly go away by itself.

        `SourceNotFound` counts only before the first frame: later, the camera may be unplugged or
        the stream's publisher away.
        """
        if isinstance(error, SourceNotFound):
            return not self._presence.was_live
        return isinstance(error, SourceAuthError | SourceUnsupported)

    def _wait(self, pause_s: float) -> None:
        until_ns = self._clock.now_ns() + int(pause_s * 1e9)
        while (left_ns := until_ns - self._clock.now_ns()) > 0 and self._meanwhile():
            self._clock.wait(self._stop, min(left_ns / 1e9, _TICK_S))

    def _meanwhile(self) -> bool:
        """Keep the outputs going while no frames come; false when no frames are wanted any more."""
        away = self._presence.state in ("stalled", "reconnecting")
        if self._ring is not None and (away or self._playback.paused):
            self._stage.stand_in(self._ring)
        return not (self._is_let_go() or self._stop.is_set())

    def _say_farewell(self) -> None:
        """Give the last connections a moment to close properly."""
        until = time.monotonic() + _FAREWELL_S
        for attempt in self._attempts:
            attempt.join(max(0.0, until - time.monotonic()))

    def _new_attempt(self) -> Attempt:
        self._attempts = [attempt for attempt in self._attempts if attempt.alive]
        first, self._next = self._next, None
        source = self._fresh() if first is None or self._playback.outdated else first
        if len(self._attempts) >= _MOST_STUCK:
            raise SourceTimeout(
                f"{source.name}: {_MOST_STUCK} earlier attempts have not returned from its driver: "
                "unplug and replug the device, or restart its server"
            )
        self._number += 1
        attempt = Attempt(
            source,
            self._number,
            open_s=self._open_s,
            stall_s=self._policy.stall_s,
            meanwhile=self._meanwhile,
        )
        self._attempts.append(attempt)
        return attempt
