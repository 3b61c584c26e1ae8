"""
The streams of one process, by name.

They share models, devices, servers and cameras, and nothing else: each has its own threads, and one
that fails is started again while the others go on. The host's own thread only watches them, and
serves a window if there is one.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from streamer.config import BoxConfig, Config, load_box
from streamer.core.clock import Clock, SystemClock
from streamer.core.copying import Uncopyable
from streamer.core.metrics import Metrics, peak_rss_mb
from streamer.errors import ConfigError
from streamer.events import Events, Listener
from streamer.host.kept import KeptState, KeptStream
from streamer.host.status import HostStatus
from streamer.models import Progress
from streamer.serving.rtsp import RtspServers
from streamer.serving.views import View, Views
from streamer.sources.shared import SharedSources
from streamer.stream import Stream

logger = logging.getLogger("streamer.host")

_TICK_S = 0.01
_ALIVE_S = 10
"""Far more than seeing to all streams once takes."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a reload asked for."""

    box: BoxConfig
    prepared: frozenset[str]
    at_once: bool


class Host(Uncopyable):
    """
    Runs the streams of a configuration, such as that of a box of cameras.

    `Host.from_yaml("box.yaml").run()` is all it takes.

    Args:
        box: the streams, and how they are kept running.
        progress: told of the download of a model.
        servers: RTSP servers; None: those that all streams of this process share.
        clock: time, for tests to pass in.
        lasts: whether it goes on without any stream, until it is stopped.

    `run` is for one thread, the main thread if there is a window; all else is for any.
    `request_stop` may be called in a signal handler.
    """

    def __init__(
        self,
        box: BoxConfig,
        *,
        progress: Progress | None = None,
        servers: RtspServers | None = None,
        clock: Clock | None = None,
        lasts: bool = False,
    ) -> None:
        self._box = box
        self._lasts = lasts
        self._progress = progress
        self._servers = servers
        self._clock = clock or SystemClock()
        self._sources = SharedSources()
        self._views = Views()
        self._events = Events(logs=False)
        self._stop_wanted = False
        self._prepared = False
        self._began: tuple[float, float] | None = None
        self._ended: tuple[float, float] | None = None
        self._ticked_ns: int | None = None
        self._kept = {name: self._keep(config) for name, config in box.streams.items()}
        self._wanted: _Wanted | None = None
        self._leaving: list[KeptStream] = []
        self._joining: list[KeptStream] = []
        self._gone: list[KeptStream] = []
        """Streams that were taken out, and have left threads behind."""

    @classmethod
    def from_yaml(
        cls, path: str | Path, overrides: Sequence[str] = (), *, progress: Progress | None = None
    ) -> Self:
        """
        The host of a YAML file, of one stream or of several.

        Raises:
            ConfigError: the file cannot be run as written.
        """
        return cls(load_box(path, overrides), progress=progress)

    def run(self, should_stop: Callable[[], bool] | None = None) -> dict[str, Any]:
        """
        Make the streams unless `prepare` did, start them, and watch them until all have ended.

        Args:
            should_stop: asked every few milliseconds; true stops all streams by draining them.

        Returns:
            The report; see `report`.

        Raises:
            StreamerError: a stream that is not kept running could not be started, or failed; the
                first one's failure.
        """
        self.prepare()
        self._began = time.monotonic(), time.process_time()
        try:
            self._watch(should_stop)
        except BaseException:
            for kept in (*self._kept.values(), *self._leaving):
                kept.abort()
            self._joining = []
            self._watch(None, aborted=True)
            raise
        if self._box.alone:
            for failure in self.failures.values():
                raise failure
        return self.report()

    def prepare(self) -> None:
        """
        Make the streams, one after the other, which loads their models; a second call does nothing.

        Raises:
            StreamerError: a stream that is not to be started again cannot be made.
        """
        if self._prepared:
            return
        self._prepared = True
        try:
            for kept in self._kept.values():
                kept.prepare()
        except BaseException:
            for kept in self._kept.values():
                kept.abort()
            raise

    def reload(
        self, box: BoxConfig, prepared: Iterable[str] = (), *, at_once: bool = False
    ) -> None:
        """
        Make the streams those of *box*, soon: `run` does it.

        Streams that are the same go on and lose no frame. Those that differ are changed while they
        run, or are followed by another run once that is loaded; one that cannot be had as *box*
        says stays as it was. New ones start, and those that it does not name end.

        Args:
            box: all streams.
            prepared: new streams that are only loaded, and run once `begin` says so.
            at_once: whether streams that end do so without working off what waits.

        Raises:
            ConfigError: *box* differs in what a running process cannot change.
        """
        for section in BoxConfig.model_fields:
            if section != "streams" and getattr(box, section) != getattr(self._box, section):
                raise ConfigError(f"{section}: is fixed while the streams run")
        self._wanted = _Wanted(box, frozenset(prepared), at_once)

    def stop(self, name: str) -> None:
        """
        Soon end the stream *name*, by working off what waits; the host goes on without it.

        It stays down, over reloads too, until `start`. Raises KeyError.
        """
        self._kept[name].stop()

    def start(self, name: str) -> None:
        """
        Soon start the stream *name* if it is down, for whatever reason.

        It has the settings that its users had made, unless a reload has changed it; it is neither
        paused nor released. Where it is the only one and does not come up, it stays stopped, and
        the host goes on. Raises KeyError.
        """
        self._kept[name].start()

    def begin(self, name: str) -> None:
        """Have the stream *name*, which was to be prepared only, run. Raises KeyError."""
        self._kept[name].begin()

    def request_stop(self) -> None:
        """Ask for a stop without taking a lock: for signal handlers. Takes effect in `run`."""
        self._stop_wanted = True

    @property
    def failures(self) -> dict[str, BaseException]:
        """The failures of the streams that are down because of one, by name."""
        return {
            name: kept.failure
            for name, kept in self._kept.items()
            if kept.state != "running" and kept.failure is not None
        }

    @property
    def abandoned(self) -> tuple[str, ...]:
        """Stages stuck in a call that never returned; their threads keep the process alive."""
        gone = [(kept.wanted.name, kept) for kept in (*self._leaving, *self._gone)]
        everybody = [*self._kept.items(), *gone]
        stages = [
            stage if self._box.alone else f"{name} {stage}"
            for name, kept in everybody
            for stage in kept.abandoned
        ]
        return (*stages, *self._sources.abandoned)

    @property
    def ready(self) -> bool:
        """Whether any stream can make mattes."""
        return any(kept.stream is not None and kept.stream.ready for kept in self._kept.values())

    @property
    def alive(self) -> bool:
        """
        Whether the streams are being seen to: `run` has done so within the last 10 s.

        True until it has begun: models may take long to be fetched and loaded.
        """
        ticked_ns = self._ticked_ns
        return ticked_ns is None or self._clock.now_ns() - ticked_ns <= _ALIVE_S * 1_000_000_000

    @property
    def pictures(self) -> int:
        """How many pictures went out, of all streams, stand-by pictures included."""
        counts = [kept.metrics.frames() for kept in self._kept.values()]
        return sum(frames["emitted"] + frames["standby"] for frames in counts)

    def is_paused(self, name: str) -> bool:
        """Whether a user has paused the stream *name*. Raises KeyError."""
        stream = self._kept[name].stream
        return stream is not None and stream.paused

    @property
    def owns_stdout(self) -> bool:
        """Whether a sink writes to stdout; nothing else must be printed there then."""
        return self._box.owns_stdout

    @property
    def _has_window(self) -> bool:
        return any(
            kept.state == "running" and kept.stream is not None and kept.stream.has_window
            for kept in self._kept.values()
        )

    @property
    def captured(self) -> int:
        """How many frames were captured, of all streams."""
        return sum(kept.metrics.frames()["captured"] for kept in self._kept.values())

    def stream(self, name: str) -> Stream | None:
        """The present run of the stream *name*; None before its first. Raises KeyError."""
        return self._kept[name].stream

    @property
    def leaving(self) -> frozenset[str]:
        """The names of streams that are being ended for good, and may still have their outputs."""
        return frozenset(kept.wanted.name for kept in tuple(self._leaving))

    def view(self, name: str) -> View:
        """Who watches the stream *name* in a browser; goes on over its runs. Raises KeyError."""
        return self._views.of(self._kept[name].wanted.name)

    def is_prepared(self, name: str) -> bool:
        """Whether the stream *name* is loaded, and waits for `begin`. Raises KeyError."""
        return self._kept[name].prepared

    def taken(self, name: str) -> Config | None:
        """
        What the stream *name* runs as, but for what its users have changed; None before it runs.

        It differs from what a reload asked for while that is being made, and where it cannot be
        had. Raises KeyError.
        """
        return self._kept[name].taken

    def refusal(self, name: str) -> str:
        """Why the stream *name* stayed as it was at the latest reload, or "". Raises KeyError."""
        return self._kept[name].refusal

    def state(self, name: str) -> KeptState:
        """What the stream *name* does. Raises KeyError."""
        return self._kept[name].state

    def config(self, name: str) -> Config:
        """What the stream *name* is now, or is to be before its first run. Raises KeyError."""
        kept = self._kept[name]
        return kept.wanted if kept.stream is None else kept.stream.config

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the streams, in their order."""
        return tuple(self._kept)

    def metrics(self, name: str) -> Metrics:
        """The counts and times of the stream *name*, over all of its runs. Raises KeyError."""
        return self._kept[name].metrics

    def status(self) -> HostStatus:
        """How all streams are. Takes about a millisecond for each."""
        now = self._ended or (time.monotonic(), time.process_time())
        began = self._began or now
        return HostStatus(
            streams=tuple(kept.status() for kept in self._kept.values()),
            wall_s=now[0] - began[0],
            cpu_s=now[1] - began[1],
            rss_peak_mb=peak_rss_mb(),
        )

    def report(self) -> dict[str, Any]:
        """The report of the streams, or of the only one, as plain JSON values; docs/report.md."""
        status = self.status()
        if self._box.alone and status.streams[0].status is not None:
            return status.streams[0].status.report()
        return status.report()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Tell *listener* of the events of all streams; call what is returned to end that."""
        return self._events.subscribe(listener)

    def _keep(self, config: Config, *, begins: bool = True) -> KeptStream:
        events = Events(config.name)
        events.subscribe(self._events.pass_on)
        restart, tell = self._box.restart, events.tell
        return KeptStream(config, self._make, restart, self._clock, tell, begins=begins)

    def _make(self, config: Config, metrics: Metrics) -> Stream:
        stream = Stream.from_config(
            config,
            progress=self._progress,
            servers=self._servers,
            metrics=metrics,
            sources=None if self._box.alone else self._sources,
            view=self._views.of(config.name) if self._box.web is not None else None,
        )
        stream.events.subscribe(self._events.pass_on)
        return stream

    def _take_box(self) -> None:
        """Make the streams those of the configuration that is wanted, if there is another one."""
        asked, self._wanted = self._wanted, None
        if asked is None:
            return
        wanted = self._box = asked.box
        if asked.at_once:
            for one in self._leaving:
                one.abort()
        kept = {
            name: self._kept.get(name) or self._keep(config, begins=name not in asked.prepared)
            for name, config in wanted.streams.items()
        }
        for name, one in self._kept.items():
            if name not in kept:
                if asked.at_once:
                    one.abort()
                one.end()
                self._leaving.append(one)
                self._views.forget(name)
            else:
                one.change(wanted.streams[name])
        # New ones start once those that go have left what they may share.
        self._joining += [one for name, one in kept.items() if name not in self._kept]
        self._kept = kept

    def _tend_all(self) -> bool:
        """See to every stream for a moment; false when all have ended."""
        leaving = {one: self._tend(one) for one in self._leaving}
        self._leaving = [one for one, goes_on in leaving.items() if goes_on]
        self._gone += [one for one, goes_on in leaving.items() if not goes_on and one.abandoned]
        if not self._leaving:
            self._joining = []
        present = [one for one in self._kept.values() if one not in self._joining]
        tended = [self._tend(one) for one in present]
        return any(tended) or bool(self._leaving or self._joining)

    @staticmethod
    def _tend(kept: KeptStream) -> bool:
        """See to one stream; whatever it raises is its own failure, and not that of the others."""
        try:
            return kept.tend()
        except Exception as error:
            logger.exception("%s: failed", kept.wanted.name, extra={"stream": kept.wanted.name})
            kept.fail(error)
            return not kept.over

    def _watch(self, should_stop: Callable[[], bool] | None, *, aborted: bool = False) -> None:
        """See to every stream until all have ended; once *aborted*, no other ones come."""
        stopped_at: float | None = None
        began_s = time.monotonic()
        while True:
            self._ticked_ns = self._clock.now_ns()
            wanted = stopped_at is None and should_stop is not None and should_stop()
            if stopped_at is None and (wanted or self._stop_wanted):
                stopped_at = time.monotonic()
                for kept in self._kept.values():
                    kept.end()
                self._joining = []
            if stopped_at is None and not aborted:
                self._take_box()
            lasts = self._lasts and stopped_at is None and not aborted
            if not self._tend_all() and not lasts:
                break
            if stopped_at is not None or aborted:
                self._leave_starting(time.monotonic() - (stopped_at or began_s))
            if not self._has_window:  # which takes its time itself
                time.sleep(_TICK_S)
        self._ended = self._ended or (time.monotonic(), time.process_time())

    def _leave_starting(self, since_s: float) -> None:
        """No longer wait for streams that were being made when the stop came."""
        for kept in (*self._kept.values(), *self._leaving):
            if kept.loading and since_s > kept.wanted.pipeline.stall_s:
                kept.abort()
