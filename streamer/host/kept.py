"""
One stream that is kept running: started again, after growing pauses, when it has failed, and
changed as its configuration changes.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Literal

from streamer.config import Config, RestartConfig
from streamer.core.backoff import Backoff
from streamer.core.clock import Clock
from streamer.core.metrics import Metrics
from streamer.errors import ConfigError, MissingDependency, StageFailed
from streamer.events import StreamEnded, StreamFailed, Tell
from streamer.host.change import Change, Work
from streamer.host.status import EarlierRuns, StreamStatus
from streamer.stream import Stream

logger = logging.getLogger("streamer.host")

KeptState = Literal["starting", "running", "waiting", "ended", "failed"]
"""
`starting`: its model is being loaded; `running`: it has threads; `waiting`: it failed and will be
started again; `ended`: its source ended, or a stop was wanted; `failed`: it failed for good.
"""

MakeStream = Callable[[Config, Metrics], Stream]
"""Makes a stream that counts into the given metrics; may take long. Raises StreamerError."""

_NS = 1_000_000_000
_MOST_STUCK = 4
"""With so many earlier runs stuck in calls that never return, the stream stays down."""


class KeptStream:
    """
    One stream of a host, over all of its runs.

    Args:
        config: what it is.
        make: makes it.
        restart: when it is started again; None: its first failure is its last.
        clock: for the pauses.
        tell: told when it fails and when it ends.

    For the host's thread; `status` and `stream` are for any.
    """

    def __init__(
        self,
        config: Config,
        make: MakeStream,
        restart: RestartConfig | None,
        clock: Clock,
        tell: Tell,
    ) -> None:
        self.config = config
        self.state: KeptState = "starting"
        self.stream: Stream | None = None
        self.failure: BaseException | None = None
        """What ended the latest run, or kept it from starting; None once the next one works."""
        self.restarts = 0
        self._make = make
        self._restart = restart
        self._clock = clock
        self._tell = tell
        self.metrics = Metrics()
        self._stopping = self._aborted = False
        self._made: Stream | None = None
        self._changed = False
        """The configuration is another than that of the latest run."""
        self._starting: Work[Stream] | None = None
        self._change: Change | None = None
        self._wanted: Config | None = None
        """What it is to become once the change that is under way is over."""
        self._successor: Stream | None = None
        """Takes over when the present run has ended."""
        self._backoff = Backoff(*((restart.first_s, restart.max_s) if restart else (1.0, 1.0)))
        self._attempts = 0
        self._due_ns = 0
        self._began_ns = 0
        self._earlier = EarlierRuns()
        self._changing = threading.Lock()
        """Held where `stream` and `_earlier` change together, so that no run counts twice."""
        self._left: list[Stream] = []
        """Earlier runs, some of whose threads may be stuck."""

    @property
    def over(self) -> bool:
        """Whether nothing more comes of it."""
        return self.state in ("ended", "failed")

    @property
    def abandoned(self) -> tuple[str, ...]:
        """Its threads that are stuck, by stage; they keep the process alive."""
        runs = [*self._left, *([self.stream] if self.stream is not None else [])]
        stuck = [stage for run in runs for stage in run.abandoned]
        return (*stuck, *(("loading",) if self.loading and self.over else ()))

    @property
    def loading(self) -> bool:
        """Whether a thread makes another run of it, or changes the present one."""
        under_way = (self._starting, self._change)
        return any(work is not None and not work.done for work in under_way)

    @property
    def _is_idle(self) -> bool:
        """Whether it has not begun yet."""
        return self.state == "starting" and self._starting is None and self._made is None

    def prepare(self) -> None:
        """
        Make the stream in this thread; `tend` starts it. One that is kept running does not raise.

        Raises:
            StreamerError: it cannot be made, and is not to be tried again.
        """
        try:
            self._made = self._make(self.config, self.metrics)
        except Exception as error:
            self._failed(error)
            if self._restart is None:
                raise

    def tend(self) -> bool:
        """See to it for a moment; false when nothing more comes of it."""
        self._take_change()
        if self.state == "starting" and self._made is not None:
            stream, self._made = self._made, None
            self._run(stream)
        elif self.state == "starting":
            self._take_started()
        elif self.state == "running":
            self._watch()
        elif self.state == "waiting" and self._clock.now_ns() >= self._due_ns:
            self._start_beside()
        return not self.over or (self.loading and not self._aborted)

    def stop(self) -> None:
        """End it: what waits is worked off. It is not started again."""
        self._stopping = True
        if self.state == "running" and self.stream is not None:
            self.stream.stop()
        elif self.state == "waiting" or self._is_idle:
            self._end()

    def begin(self) -> None:
        """Make the stream in a thread of its own, and start it: one that joins others."""
        if self._is_idle and not self._stopping:
            self._start_beside()

    def change(self, config: Config) -> None:
        """
        Make the stream what *config* says: while it runs if that is possible, else by another run,
        which takes over once it is loaded. If it cannot be had, everything stays as it was.
        """
        if self._change is not None:
            self._wanted = config
        elif self.state == "running" and self.stream is not None and self._successor is None:
            make = partial(self._make, config, self.metrics)
            self._change = Change(self.stream, self.config, config, make)
        else:
            self.config, self._changed = config, True
            if self.state != "starting" and self._successor is None:
                self._start_beside()

    def abort(self) -> None:
        """End it at once, as after an exception."""
        self._aborted = True
        self.stop()
        if self.state == "running" and self.stream is not None:
            self.stream.abort()
        elif self.state == "starting":
            if self._made is not None:
                _discard(self._made)
            self._end()

    def status(self) -> StreamStatus:
        """How it is."""
        with self._changing:
            stream, earlier = self.stream, self._earlier
        status = None
        if stream is not None:
            status = earlier.added_to(stream.status(), self._clock.now_ns())
        why = str(self.failure) if self.failure is not None else None
        return StreamStatus(self.config.name, self.state, self.restarts, why, status)

    def _run(self, stream: Stream) -> None:
        if self._stopping:
            _discard(stream)
            self._end()
            return
        self.state = "running"
        earlier = self._earlier
        if self.stream is not None:
            earlier = earlier.and_run(self.stream.status(), self._clock.now_ns())
            self._left = [run for run in (*self._left, self.stream) if run.statistics().running]
        with self._changing:
            self.stream, self._earlier = stream, earlier
        self._began_ns = self._clock.now_ns()
        stream.begin()

    def _watch(self) -> None:
        """See to a run; note its end."""
        stream = self.stream
        assert stream is not None  # noqa: S101 - that is what running means
        healthy_s = self._restart.healthy_s if self._restart else 0.0
        if (
            stream.ready
            and self.failure is not None
            and self._clock.now_ns() - self._began_ns >= healthy_s * _NS
        ):
            self.failure, self._attempts = None, 0
            self._backoff.reset()
        if stream.tend():
            return
        if self._successor is not None:
            successor, self._successor = self._successor, None
            self._run(successor)
        elif stream.failure is None or self._stopping:
            self.failure = stream.failure
            self._end()
        else:
            self._failed(stream.failure)

    def _end(self) -> None:
        self.state = "ended"
        if self._restart is not None:
            self._tell(StreamEnded(str(self.failure) if self.failure is not None else ""))

    def _failed(self, error: BaseException) -> None:
        """Note a failure, and when to try again."""
        self.failure = error
        self._attempts += 1
        most = self._restart.max_attempts if self._restart is not None else 0
        stuck = len(self._left) >= _MOST_STUCK
        if self._stopping or stuck or (most is not None and self._attempts > most):
            self.state = "failed"
            if self._restart is not None:
                why = f"{error}; {_MOST_STUCK} earlier runs are stuck" if stuck else str(error)
                self._tell(StreamFailed(why, None))
            return
        pause_s = self._backoff.pause_s(slowly=_is_hopeless(error))
        self.state, self._due_ns = "waiting", self._clock.now_ns() + int(pause_s * _NS)
        self._tell(StreamFailed(str(error), pause_s))

    def _start_beside(self) -> None:
        """Make the stream in a thread of its own: the others are seen to meanwhile."""
        self.state = "starting"
        config = self.config
        if self.stream is not None and not self._changed:
            config = self.stream.config  # with what its users have changed
        self._changed = False
        self._starting = Work(partial(self._make, config, self.metrics), config.name, "starting")

    def _take_started(self) -> None:
        starting = self._starting
        if starting is None or not starting.done:
            return
        self._starting = None
        if self._changed and not self._stopping:
            if starting.result is not None:
                _discard(starting.result)
            self._start_beside()
        elif starting.failure is not None:
            self._failed(starting.failure)
        elif starting.result is not None:
            self.restarts += self.stream is not None
            self._run(starting.result)

    def _take_change(self) -> None:
        """Go on where a change that was under way has ended."""
        change = self._change
        if change is None or not change.done:
            return
        self._change = None
        wanted, self._wanted = self._wanted, None
        if change.failure is not None:
            why = f"stays as it was: {change.failure}"
            logger.error("%s: %s", self.config.name, why, extra={"stream": self.config.name})
        else:
            self.config = change.wanted
        if (successor := change.result) is not None:
            if self.state == "running" and self.stream is not None and not self._stopping:
                self._successor = successor
                self.stream.stop()
            else:
                _discard(successor)
                self._changed = True
        if wanted is not None and not self._stopping:
            self.change(wanted)


def _is_hopeless(error: BaseException) -> bool:
    """Whether only a person can mend it."""
    cause = error.__cause__ if isinstance(error, StageFailed) else error
    return isinstance(cause, ConfigError | MissingDependency)


def _discard(stream: Stream) -> None:
    """Close a stream that was never started."""
    with suppress(Exception), stream:
        pass
