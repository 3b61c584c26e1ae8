"""One stream, as users see it: they make it, run it, watch it, and change it while it runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, Unpack, get_args

from streamer.config import (
    DEFAULT_SETTINGS,
    Config,
    ModelConfig,
    Settings,
    SourceConfig,
    load_config,
    save_config,
)
from streamer.controls import Applied, MattingMode, Refused
from streamer.core.copying import Uncopyable
from streamer.core.metrics import Metrics
from streamer.engine import Engine, LoadMatting, Options, Statistics, Status
from streamer.errors import CommandRefused
from streamer.events import ChangeRefused, Events
from streamer.loading import budget_s
from streamer.models import Progress, User, loadable_providers, models_on_disk
from streamer.preprocessing import Refinement
from streamer.protocols import (
    ControlledSink,
    Matting,
    Sink,
    Source,
    SwitchedSink,
    TriggeredSink,
)
from streamer.serving.rtsp import RtspServers
from streamer.serving.views import View
from streamer.sources.cameras import list_cameras
from streamer.sources.shared import SharedSources
from streamer.stream.build import MakeSink, build
from streamer.stream.changes import Changes
from streamer.stream.current import Current

_OF_PARTS = Config.model_validate({"source": {"type": "synthetic"}, "sinks": [{"type": "discard"}]})
"""Takes the place of a configuration in a stream that was made from parts."""


class Stream(Uncopyable):
    """
    One stream from a source over mattes to sinks; users import it as `streamer.Pipeline`.

    `Pipeline.from_yaml("config/webcam.yaml").run()` is all it takes. Its engine runs the frames;
    this class keeps the configuration and carries out the user's commands.

    Args:
        source: where frames come from; owned.
        matting: how they get their mattes; owned.
        sinks: where they go, one at least; owned. A window is served by `run` on the main thread.
        settings: the first settings of frames, if there is no *config*. None: until the first
            change, each part uses the settings that it was made with.
        config: the configuration that the parts were made from. Without it the stream cannot be
            saved, and neither its source nor its model can be changed by name.
        fallback: why the model is a fall-back, if it is one.
        user: counts what the model's runs take, if *matting* was loaded for it.
        make_sink: makes further sinks of a changed configuration; None: the sinks are fixed.
        options: `fresh` makes another source like the first: with it, one that is down, lost or
            silent is reconnected, as `reconnect` says; `standby` makes the frames that sinks get
            meanwhile; `refine` is done to each alpha instead of what the settings say;
            `ring_capacity` and `sink_queue`, frames that may wait; `stall_s`, after which a stage
            counts as stuck; `metrics`, `clock` and `events`. `Engine` says more of each.

    A context manager: leaving it stops and joins. `request_stop` may be called in a signal
    handler. `start`, `run`, `join` and the context manager are for one thread, all else for any.
    """

    def __init__(
        self,
        source: Source,
        matting: Matting,
        sinks: Sequence[Sink],
        *,
        settings: Settings | None = None,
        config: Config | None = None,
        fallback: str | None = None,
        user: User | None = None,
        make_sink: MakeSink | None = None,
        **options: Unpack[Options],
    ) -> None:
        self._of_parts = config is None
        if config is None:
            begun = settings or DEFAULT_SETTINGS
            sections = {name: getattr(begun, name) for name in ("refine", "compose", "preprocess")}
            config = _OF_PARTS.model_copy(update=sections)
        elif settings is not None:
            raise ValueError("settings: are those of config: give one of the two")
        self._configured = config.model
        options.setdefault("refine", Refinement())
        events = options.setdefault("events", None) or Events()
        options["events"] = events
        gives_settings = not self._of_parts or settings is not None
        self._current = Current(config, events, gives_settings=gives_settings)
        self._engine = Engine(source, matting, sinks, take_settings=self._current.take, **options)
        self._changes = Changes(
            self._current,
            self._engine,
            of_parts=self._of_parts,
            fallback=fallback,
            user=user,
            make_sink=make_sink,
        )
        self._user = user
        for sink in sinks:
            if isinstance(sink, ControlledSink):
                sink.control(self)

    @classmethod
    def from_yaml(
        cls,
        path: str | Path,
        overrides: Sequence[str] = (),
        *,
        progress: Progress | None = None,
    ) -> Self:
        """
        The pipeline that a YAML file describes.

        Args:
            path: the file.
            overrides: `key=value` with dotted keys, as `--set` takes them.
            progress: told of a model's download.

        Raises:
            ConfigError: the file cannot be run as written.
            SourceError: a file or pictures that are named cannot be read.
            ModelError: the model cannot be had or loaded.
        """
        return cls.from_config(load_config(path, overrides), progress=progress)

    @classmethod
    def from_config(
        cls,
        config: Config,
        *,
        progress: Progress | None = None,
        servers: RtspServers | None = None,
        metrics: Metrics | None = None,
        sources: SharedSources | None = None,
        view: View | None = None,
    ) -> Self:
        """
        The stream that *config* describes; fetches and loads the model.

        Args:
            config: what is wanted.
            progress: told of a model's download.
            servers: RTSP servers; None: those that all streams of this process share.
            metrics: go on with these counts, of a stream before this one; None: from zero.
            sources: cameras that other streams of this process read too; None: a source of its own.
            view: for those who watch it in a browser.

        Raises:
            ConfigError: a background that is named cannot be read, or a sink cannot be made.
            SourceError: a file or pictures that are named cannot be read.
            ModelError: the model cannot be had or loaded.
        """
        made: list[Self] = []

        parts = build(
            config,
            lambda: made[0].config,
            progress=progress,
            servers=servers,
            metrics=metrics,
            budget=lambda: made[0]._budget_s() if made else 0.0,
            sources=sources,
            view=view,
        )
        stream = cls(
            parts.source,
            parts.matting,
            parts.sinks,
            config=config,
            fallback=parts.fallback,
            user=parts.user,
            make_sink=parts.make_sink,
            **parts.options,
        )
        made.append(stream)
        return stream

    def start(self) -> None:
        """
        Start the threads and return.

        Raises:
            RuntimeError: it was started before, or has a window, which needs `run`.
        """
        self._engine.start()

    def run(self, should_stop: Callable[[], bool] | None = None) -> dict[str, Any]:
        """
        Start, serve a window if there is one, and wait for the end.

        Args:
            should_stop: asked every few milliseconds; true stops the stream by draining it.

        Returns:
            The run report; see `report`.

        Raises:
            StageFailed: a stage failed; its cause says how.

        For the main thread when there is a window. An exception such as KeyboardInterrupt aborts,
        waits for the stages to finish their files, and is raised again.
        """
        self._engine.run(should_stop)
        return self.report()

    def begin(self) -> None:
        """As `start`, also with a window; call `tend` from then on."""
        self._engine.begin()

    def tend(self) -> bool:
        """
        Serve the window and see to stages that are stuck, for a moment; false when all has ended.

        What `run` does again and again, for who runs several streams in one thread.
        """
        return self._engine.tend()

    @property
    def opened(self) -> bool:
        """Whether its source was open once: then its size is known, and its sinks may change."""
        return self._engine.info is not None

    @property
    def size(self) -> tuple[int, int] | None:
        """(H, W) of the latest frame; None before the first."""
        return self._engine.size

    @property
    def has_window(self) -> bool:
        """Whether `tend` serves a window, and takes its time for that."""
        return self._engine.has_window

    @property
    def failure(self) -> BaseException | None:
        """The first failure of a stage, if there was one: a `StageFailed` with its cause."""
        return self._engine.failure

    def request_stop(self) -> None:
        """Ask for a stop without taking a lock: for signal handlers. Takes effect in `run`."""
        self._engine.request_stop()

    def stop(self) -> None:
        """End the stream: no more frames are read, those that wait are still processed."""
        self._engine.stop()

    def abort(self) -> None:
        """End the stream and drop the frames that wait; the sinks still finish their files."""
        self._engine.abort()

    def join(self) -> None:
        """Wait for the end. Raises StageFailed: the first stage that failed, with its cause."""
        self._engine.join()

    @property
    def ready(self) -> bool:
        """Whether mattes can be made: the model is warm. Frames count from then on."""
        return self._engine.ready

    @property
    def abandoned(self) -> tuple[str, ...]:
        """Stages stuck in a call that never returned; their threads keep the process alive."""
        return self._engine.abandoned

    def statistics(self) -> Statistics:
        """What has been counted so far."""
        return self._engine.statistics()

    def status(self) -> Status:
        """The stream's status. Takes about a millisecond; to ask often, use `statistics`."""
        use = self._user.use() if self._user is not None else None
        return replace(self._engine.status(), fallback=self._changes.fallback, use=use)

    def report(self) -> dict[str, Any]:
        """The run report as plain JSON values; see docs/report.md."""
        return self.status().report()

    @property
    def events(self) -> Events:
        """The events of this stream; `events.subscribe` adds a listener. See `streamer.events`."""
        return self._engine.events

    def __enter__(self) -> Self:
        self._engine.__enter__()
        return self

    def __exit__(self, *failure: object) -> None:
        self._engine.__exit__(*failure)

    @property
    def config(self) -> Config:
        """
        The present configuration, with all changes made while the stream ran.

        Raises:
            CommandRefused: the stream was made from parts, and has none.
        """
        if self._of_parts:
            raise CommandRefused("this stream was made from parts: it has no configuration")
        return self._current.config

    @property
    def settings(self) -> Settings:
        """The live settings as they are now; the next frame takes them."""
        return self._current.settings

    @property
    def crops(self) -> bool:
        """Whether frames are cropped at the source: no regions can then be drawn on them."""
        return self._current.config.preprocess.output == "cropped"

    @property
    def model(self) -> str:
        """The name of the model that runs, as `switch` takes it."""
        info = self._engine.matting.info
        named = "auto" if self._of_parts else self._current.config.model.name
        return info.name if named == "auto" and info is not None else named

    @property
    def mode(self) -> MattingMode:
        """
        How frames get their mattes now; for `auto`, the mode that it has chosen.

        Raises:
            CommandRefused: the matting is one of the user's own, and has no mode.
        """
        mode = self._current.config.matting.mode
        if mode != "auto":
            return mode
        chosen: MattingMode | None = self._engine.matting.statistics().get("mode")
        if chosen is None:
            raise CommandRefused("matting: one of your own has no mode")
        return chosen

    @property
    def pace(self) -> str:
        """See `Controls.pace`."""
        pace = self._engine.matting.statistics().get("pace")
        return pace["step"] if isinstance(pace, dict) and pace.get("coarse") else ""

    @property
    def source(self) -> SourceConfig:
        """Where frames come from now. Raises CommandRefused if the stream was made from parts."""
        return self.config.source

    def cameras(self) -> Sequence[int]:
        """The indices of this machine's cameras."""
        return [camera.index for camera in list_cameras()]

    def apply(self, changes: Mapping[str, object]) -> Applied | Refused:
        """
        Change settings by dotted keys of the configuration: all of them, or none.

        `streamer.config.changing` says how each is changed: the next frame has it, the source is
        reopened, the model is loaded again, or it needs a restart. A change of the model waits
        until the new one runs, so a sink's thread must not make one: `switch` does not wait.

        Args:
            changes: such as `{"refine.threshold": 0.6, "compose.background": {"type": "blur"}}`.

        Returns:
            `Applied`; or `Refused`, unless the configuration is valid as a whole, a new background
            opens, and the regions lie in the frame, if its size is known.
        """
        return self._changes.apply(changes)

    def change_source(self, **changes: object) -> None:
        """
        Change settings of the source.

        A camera or RTSP stream is closed and opened again. A folder or file goes on: the rest of a
        folder's round comes in the new order, and the rounds after it are whole.

        Args:
            changes: of its configuration, such as `device`, `width`, `height`, `max_fps` or `url`
                (`reconnect` cannot change); of a folder `order`, `seed` and `loop`, of a file
                `loop`.

        Raises:
            CommandRefused: there is no such setting or value, or it is fixed when the source
                starts; or the stream was made from parts.
        """
        config = self.config
        if changes.get("type", config.source.type) != config.source.type:
            raise CommandRefused("source.type: is fixed when the source starts")
        reconnect = getattr(config.source, "reconnect", None)
        if changes.get("reconnect", reconnect) == reconnect:
            changes.pop("reconnect", None)
        answer = self.apply({f"source.{name}": value for name, value in changes.items()})
        if isinstance(answer, Refused):
            raise CommandRefused(answer.why)
        if self._engine.connects and self.source == config.source:
            self.reopen()  # nothing changed, but reopening wakes some cameras

    def models(self) -> Sequence[str]:
        """The registered models that need no download, and the one that was configured."""
        names = list(models_on_disk(on_gpu=loadable_providers()[:1] != ("cpu",)))
        configured = "auto" if self._of_parts else self._configured.name
        return names if configured in (*names, "auto") else [configured, *names]

    def switch(
        self, *, model: str | ModelConfig | None = None, mode: MattingMode | None = None
    ) -> Future[Applied]:
        """
        Switch to another model or mode, which is loaded while the present one goes on.

        Args:
            model: a whole configuration, or a name. A name keeps the present settings that fit any
                model; the model configured at the start gets all of its settings back.
            mode: of matting.

        Returns:
            As `use`. The report then describes the new model.

        Raises:
            CommandRefused: there is no such mode, the source is not open yet, another switch is
                under way, or the stream was made from parts: call `use` there.
        """
        if mode is not None and mode not in get_args(MattingMode):
            why = f"matting.mode: {mode!r} is not one of {', '.join(get_args(MattingMode))}"
            self.events.tell(ChangeRefused("matting.mode", why))
            raise CommandRefused(why)
        changes: dict[str, object] = {}
        if mode is not None:
            changes["matting.mode"] = mode
        if model is not None:
            changes["model"] = self._named(model)
        return self._changes.load(changes)

    def _named(self, model: str | ModelConfig) -> ModelConfig:
        """The settings of *model*; see `switch`."""
        if not isinstance(model, str):
            return model
        if model == self._configured.name:
            return self._configured
        plain = {"name": model, "contract": None, "precision": "auto", "input_size": None}
        return self._current.config.model.model_copy(update=plain)

    def save(self, folder: Path) -> Path:
        """
        Write `config` as YAML to a new file in *folder*, as `save_config` does.

        Raises:
            ConfigError: it cannot be written.
            CommandRefused: the stream was made from parts.
        """
        return save_config(self.config, folder)

    @property
    def paused(self) -> bool:
        """Whether `pause` was called, and `resume` was not."""
        return self._engine.playback.paused

    def pause(self) -> None:
        """
        Hold the stream: no more frames come.

        A file and a folder wait. A live source is read on, so that it is fresh afterwards, and its
        frames are thrown away; its last picture with its matte goes to the sinks five times a
        second, so that relays stay alive.
        """
        self._engine.playback.paused = True

    def resume(self) -> None:
        """End a pause."""
        self._engine.playback.paused = False

    @property
    def speed(self) -> float:
        """How many times faster than its timestamps a paced source is delivered."""
        return self._engine.playback.speed

    def set_speed(self, speed: float) -> None:
        """
        Deliver a paced source (`realtime: true`) faster or slower from now on.

        Args:
            speed: 2 is twice as fast. The timestamps stay the source's own.

        Raises:
            ValueError: it is not a positive number.
            CommandRefused: the source is not open yet, or has no pace.
        """
        if not 0 < speed < math.inf:
            raise ValueError(f"speed: {speed} is not a positive number")
        info = self._engine.info
        if info is None:
            raise CommandRefused(
                f"{self._engine.source.name}: is not open yet: a speed comes too early"
            )
        if not info.paced:
            reason = "it comes live" if info.live else "it is read as fast as it is worked on"
            raise CommandRefused(
                f"{info.name}: has no pace that could change: {reason}; "
                "a file or folder with source.realtime: true has one"
            )
        self._engine.playback.speed = speed

    @property
    def released(self) -> bool:
        """Whether `release` was called, and `acquire` was not."""
        return self._engine.playback.connection == "released"

    def release(self) -> None:
        """
        Close the camera, so that another program may have it; the sinks get stand-by frames.

        It is closed when `statistics().source.state` is `released`, within a second if its driver
        answers.

        Raises:
            CommandRefused: the source is no camera and no RTSP stream.
        """
        self._require_connection()
        self._engine.playback.release()

    def acquire(self) -> None:
        """Open the camera again after `release`, with retries as after a loss."""
        self._engine.playback.acquire()

    def reopen(self) -> None:
        """
        Reopen the camera with its current settings. One that is released stays closed, and takes
        them when it is acquired.

        Raises as `release`.
        """
        self._require_connection()
        self._engine.playback.reopen()

    def trigger(self) -> int:
        """Tell every sink that waits for a trigger to take a frame; returns how many there are."""
        return sum([sink.trigger() for sink in self._triggered])

    @property
    def triggers(self) -> int:
        """How many sinks there are that `trigger` may tell."""
        return len(self._triggered)

    @property
    def recordings(self) -> int:
        """How many recordings there are that `record` switches."""
        return len(self._recordings)

    @property
    def _triggered(self) -> list[TriggeredSink]:
        return [sink for sink in self._engine.sinks.values() if isinstance(sink, TriggeredSink)]

    @property
    def _recordings(self) -> list[SwitchedSink]:
        return [sink for sink in self._engine.sinks.values() if isinstance(sink, SwitchedSink)]

    @property
    def recording(self) -> bool:
        """Whether any recording that can be switched is on."""
        return any(sink.on for sink in self._recordings)

    def record(self, on: bool) -> None:
        """
        Switch the recordings on or off, from their next frame on; on begins a new file each.

        Raises:
            CommandRefused: there is none.
        """
        recordings = self._recordings
        if not recordings:
            raise CommandRefused("sinks: there is no recording to switch: add one of type record")
        for sink in recordings:
            sink.switch(on)

    def use(self, load: LoadMatting) -> Future[None]:
        """
        Replace the running matting, which goes on until the new one is ready.

        Args:
            load: makes the new one in a thread of its own, which warms it up; owned from then on.

        Returns:
            Done when the new one is in place, between two frames, and the old one is closed. If
            it cannot be loaded, the future has the failure, which is logged, and the old one stays.

        Raises:
            CommandRefused: the source is not open yet, the stream has ended, or another one is
                still on its way.
        """
        return self._changes.use(load)

    def _budget_s(self) -> float:
        """Seconds after which an answer of the model is late."""
        mode = self._engine.matting.statistics().get("mode")
        return budget_s(self._current.config, mode)

    def _require_connection(self) -> None:
        """Raise CommandRefused unless the source is one that can be reconnected."""
        if not self._engine.connects:
            raise CommandRefused(
                f"{self._engine.source.name}: cannot be released: only cameras and RTSP streams can"
            )
