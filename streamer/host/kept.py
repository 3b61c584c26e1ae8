"""
One stream that is kept running: started again, after growing pauses, when it has failed, and
changed as its configuration changes.
"""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Literal

from streamer.config import Config, RestartConfig
from streamer.core.backoff import Backoff
from streamer.core.clock import Clock
from streamer.core.metrics import Metrics
from streamer.errors import ConfigError, MissingDependency, StageFailed
from streamer.events import StreamEnded, StreamFailed, Tell
from streamer.host.change import Change, MakeStream, Work
from streamer.host.status import EarlierRuns, StreamStatus
from streamer.stream import Stream

logger = logging.getLogger("streamer.host")

KeptState = Literal["starting", "running", "waiting", "stopped", "ended", "failed"]
"""
`starting`: its model is being loaded; `running`: it has threads; `waiting`: it failed and will be
started again; `stopped`: a user stopped it and may start it again; `ended`: its source ended, or
the host stops; `failed`: it failed for good.
"""

_NS = 1_000_000_000
_YOUNG_S = 10
"""Within which a failure is one of the start: an output that cannot be opened shows late."""
_MOST_STUCK = 4
"""With so many earlier runs stuck in calls that never return, the stream stays down."""


@dataclass(frozen=True, eq=False, slots=True)
class _Wish:
    """What users want of a stream: that it is up, or that it stays down."""

    up: bool
    begins: bool = True
    """Whether it may run; otherwise it is only loaded."""
    by_user: bool = False
    """Whether a user has started it."""


class KeptStream:
    """
    One stream of a host, over all of its runs.

    `tend` compares what it is with what it is to be, and goes one step at a time: at most one
    thread makes another run, or changes the present one.

    Args:
        config: what it is to be.
        make: makes it.
        restart: when it is started again; None: its first failure is its last.
        clock: for the pauses.
        begins: whether it runs once it is loaded; otherwise it waits for `begin`.
        tell: told when it fails and when it ends.

    Attributes:
        wanted: what it is to be.
        failure: what ended the latest run, or kept it from starting, until one has run well.
        restarts: how often it was started again after a failure.
        refusal: why it stayed as it was at the latest `change`; empty if it did not.
        stream: the present or latest run; None before the first.

    For the host's thread; `status`, `stream`, `stop`, `start` and `begin` are for any.
    """

    def __init__(
        self,
        config: Config,
        make: MakeStream,
        restart: RestartConfig | None,
        clock: Clock,
        tell: Tell,
        *,
        begins: bool = True,
    ) -> None:
        self.wanted = config
        self.state: KeptState = "starting"
        self.stream: Stream | None = None
        self.failure: BaseException | None = None
        self.restarts = 0
        self.refusal = ""
        self.metrics = Metrics()
        self._config: Config | None = None
        """What the present run is, but for what its users have changed."""
        self._made: tuple[Stream, Config] | None = None
        """The next run, which begins when the present one has ended, and what it is."""
        self._work: tuple[Work[Stream | None], Config] | None = None
        """What a thread is doing, and what the stream is to be by it."""
        self._make = make
        self._restart = restart
        self._clock = clock
        self._tell = tell
        self._stopping = self._aborted = False
        self._wish = self._heeded = _Wish(up=True, begins=begins)
        """The latest one of its users, and the latest that `tend` has seen."""
        self._halting = False
        """Whether the present run ends because of that."""
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
    def _is_young(self) -> bool:
        """Whether it is being started, or was a moment ago."""
        age_ns = self._clock.now_ns() - self._began_ns
        return self.state != "running" or age_ns < _YOUNG_S * _NS

    @property
    def prepared(self) -> bool:
        """Whether it is loaded, and waits for `begin`."""
        return self._made is not None and self.state == "starting"

    @property
    def taken(self) -> Config | None:
        """What its present or latest run was made as, by `change`; None before the first."""
        return self._config if self.stream is not None else None

    @property
    def loading(self) -> bool:
        """Whether a thread makes another run of it, or changes the present one."""
        return self._work is not None and not self._work[0].done

    @property
    def abandoned(self) -> tuple[str, ...]:
        """Its threads that are stuck, by stage; they keep the process alive."""
        runs = [*self._left, *([self.stream] if self.stream is not None else [])]
        stuck = [stage for run in runs for stage in run.abandoned]
        return (*stuck, *(("loading",) if self.loading and self.over else ()))

    def prepare(self) -> None:
        """
        Make the stream in this thread; `tend` starts it. One that is kept running does not raise.

        Raises:
            StreamerError: it cannot be made, and is not to be tried again.
        """
        try:
            self._made = self._make(self.wanted, self.metrics), self.wanted
        except Exception as error:
            self.fail(error)
            if self._restart is None:
                raise

    def change(self, config: Config) -> None:
        """
        Make the stream what *config* says: while it runs if that is possible, else by another run,
        which takes over once it is loaded. If it cannot be had, everything stays as it was.

        Nothing happens if that is what it is to be already. One that is stopped stays so.
        """
        if config == self.wanted:
            return
        self.wanted, self.refusal = config, ""
        if self.state in ("waiting", "ended", "failed"):
            self._begin_anew()

    def stop(self) -> None:
        """Soon end it, by working off what waits, and keep it down until `start`."""
        self._wish = _Wish(up=False, begins=self._wish.begins)

    def start(self) -> None:
        """Soon start it, if it is down for whatever reason. One that is prepared stays so."""
        self._wish = _Wish(up=True, begins=self._wish.begins, by_user=True)

    def begin(self) -> None:
        """Have it run, if it was only to be prepared."""
        self._wish = _Wish(up=self._wish.up)

    def tend(self) -> bool:
        """See to it for a moment; false when nothing more comes of it."""
        self._collect()
        if self.state == "running":
            self._watch()
        if self._stopping:
            if self.state == "starting" and not self.loading:
                self._end()
        elif not self._heed():
            self._halt()
        elif not self._work:
            self._go_on()
        return not self.over or (self.loading and not self._aborted)

    def end(self) -> None:
        """End it for good: what waits is worked off."""
        self._stopping = True
        if self.state == "running" and self.stream is not None:
            self.stream.stop()
        elif self.state in ("waiting", "stopped"):
            self._end()

    def abort(self) -> None:
        """End it at once, as after an exception."""
        self._aborted = True
        self.end()
        if self.state == "running" and self.stream is not None:
            self.stream.abort()
        elif self.state == "starting":
            self._end()

    def fail(self, error: BaseException) -> None:
        """Note a failure, and when to try again."""
        self.failure = error
        self._attempts += 1
        most = self._restart.max_attempts if self._restart is not None else 0
        stuck = len(self._left) >= _MOST_STUCK
        if self._restart is None and self._heeded.by_user and self._is_young and not self._stopping:
            # It would take the page along from which it was started; it can be tried again.
            self._wish = self._heeded = _Wish(up=False, begins=self._heeded.begins)
            self._end("stopped")
            return
        if self._stopping or stuck or (most is not None and self._attempts > most):
            self.state = "failed"
            if self._restart is not None:
                why = f"{error}; {_MOST_STUCK} earlier runs are stuck" if stuck else str(error)
                self._tell(StreamFailed(why, None))
            return
        pause_s = self._backoff.pause_s(slowly=_is_hopeless(error))
        self.state, self._due_ns = "waiting", self._clock.now_ns() + int(pause_s * _NS)
        self._tell(StreamFailed(str(error), pause_s))

    def status(self) -> StreamStatus:
        """How it is."""
        with self._changing:
            stream, earlier = self.stream, self._earlier
        status = None
        if stream is not None:
            status = earlier.added_to(stream.status(), self._clock.now_ns())
        why = str(self.failure) if self.failure is not None else None
        return StreamStatus(self.wanted.name, self.state, self.restarts, why, status)

    def _collect(self) -> None:
        """Take what a thread has brought about."""
        if self._work is None or not self._work[0].done:
            return
        (work, became), self._work = self._work, None
        if work.failure is not None and self.state == "running":
            name = self.wanted.name
            if self._heeded.up:
                logger.error("%s: stays as it was: %s", name, work.failure, extra={"stream": name})
            stays = self._heeded.up  # or the failure may be that it was stopped meanwhile
            if stays and self.wanted is became and self._config is not None:
                self.wanted, self.refusal = self._config, str(work.failure)
        elif work.failure is not None:
            if self.state == "starting" and self.wanted is became:
                self.fail(work.failure)
        elif work.result is None:
            self._config = became
        elif self._stopping or not self._heeded.up:
            _discard(work.result)
        else:
            self._made = work.result, became
            if self.state == "running" and self.stream is not None:
                self.stream.stop()

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
        if stream.tend() or self._work is not None:
            return
        if self._stopping:
            self.failure = stream.failure
            self._end()
        elif self._halting:
            self.failure = stream.failure
            self._end("stopped")
        elif self._made is not None or self.wanted is not self._config:
            self.state = "starting"
        elif stream.failure is None:
            self.failure = None
            self._end()
        else:
            self.fail(stream.failure)

    def _go_on(self) -> None:
        """Begin the next step towards what it is to be, if one is due."""
        if self._made is not None and self.state != "running":
            stream, config = self._made
            if config is not self.wanted:
                self._made = None
                _discard(stream)
            elif self._heeded.begins:
                self._made = None
                self._run(stream, config)
        elif self.state == "running" and self._made is None and self.wanted is not self._config:
            assert self.stream is not None  # noqa: S101 - that is what running means
            assert self._config is not None  # noqa: S101 - so is this
            make = partial(self._make, self.wanted, self.metrics)
            self._work = Change(self.stream, self._config, self.wanted, make), self.wanted
        elif self.state == "starting":
            self._start()
        elif self.state == "waiting" and self._clock.now_ns() >= self._due_ns:
            self.restarts += self.stream is not None
            self.state = "starting"
            self._start()

    def _heed(self) -> bool:
        """Take what its users want; false while it is to be down."""
        wish, before = self._wish, self._heeded
        self._heeded = wish
        is_down = self.state not in ("starting", "running")
        # A start may have come while the run was still being stopped.
        if wish.up and is_down and (wish is not before or self.state == "stopped"):
            self._begin_anew()
        return wish.up

    def _halt(self) -> None:
        """Go on towards being down."""
        if self.state == "running" and self.stream is not None:
            if not self._halting:
                self._halting = True
                self.stream.stop()
        elif self.state == "waiting" or (self.state == "starting" and not self.loading):
            self._end("stopped")

    def _begin_anew(self) -> None:
        """Be tried at once, as if it had never failed."""
        self.state, self.failure, self._attempts = "starting", None, 0

    def _start(self) -> None:
        """
        Make the next run in a thread: what its users have made of it, unless the file has changed
        since.
        """
        users = self.stream is not None and self.wanted is self._config
        config = self.stream.config if users and self.stream else self.wanted
        work = Work[Stream | None](
            partial(self._make, config, self.metrics), config.name, "starting"
        )
        self._work = work, self.wanted

    def _run(self, stream: Stream, config: Config) -> None:
        earlier = self._earlier
        if self.stream is not None:
            earlier = earlier.and_run(self.stream.status(), self._clock.now_ns())
            self._left = [run for run in (*self._left, self.stream) if run.statistics().running]
        with self._changing:
            self.stream, self._earlier = stream, earlier
        self.state, self._config, self._halting = "running", config, False
        self._began_ns = self._clock.now_ns()
        stream.begin()

    def _end(self, state: Literal["ended", "stopped"] = "ended") -> None:
        if self._made is not None:
            _discard(self._made[0])
            self._made = None
        before, self.state = self.state, state
        if state == "stopped" or (self._restart is not None and before != "stopped"):
            why = str(self.failure) if self.failure is not None else ""
            self._tell(StreamEnded(why, stopped=state == "stopped"))


def _is_hopeless(error: BaseException) -> bool:
    """Whether only a person can mend it."""
    cause = error.__cause__ if isinstance(error, StageFailed) else error
    return isinstance(cause, ConfigError | MissingDependency)


def _discard(stream: Stream) -> None:
    """Close a stream that was never started."""
    with suppress(Exception), stream:
        pass
