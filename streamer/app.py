"""The composition root: a validated configuration becomes a pipeline."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, Self, get_args

from streamer.compositing import VideoAt, draw_card
from streamer.config import (
    Config,
    FileSourceConfig,
    ImagesSourceConfig,
    ModelConfig,
    RecordSinkConfig,
    RtspSourceConfig,
    SinkConfig,
    SourceConfig,
    UsbSourceConfig,
    load_config,
    revise_source,
    save_config,
)
from streamer.controls import MattingMode
from streamer.errors import ConfigError
from streamer.loading import load_matting
from streamer.metrics import Metrics
from streamer.pipeline import Pipeline as PipelineOfParts
from streamer.pipeline import Standby
from streamer.preprocessing import within_crop
from streamer.protocols import AdjustableSource, AudioSink, Matting, Sink, Source
from streamer.refining import Refiner
from streamer.rtsp import PROCESS_SERVERS, RtspServers
from streamer.segmentation import Progress, loadable_providers, models_on_disk
from streamer.sinks import DisplaySink, SwitchedRecord, make_sink
from streamer.sources import make_source
from streamer.sources.cameras import list_cameras
from streamer.tuning import Tuning

logger = logging.getLogger("streamer")


class Pipeline(PipelineOfParts):
    """
    A pipeline, made from its parts or from a configuration.

    `Pipeline.from_yaml("config/webcam.yaml").run()` is the whole of it.
    """

    _config: Config | None = None
    _changing = Lock()
    """For what is changed of a configuration: of any pipeline, for it is held for a moment."""
    _configured: ModelConfig | None = None
    _fallback: str | None = None

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
    ) -> Self:
        """
        The pipeline that *config* describes; fetches and loads the model.

        Args:
            config: what is wanted.
            progress: told of a model's download.
            servers: of RTSP; those that all pipelines of this process share when None.

        Raises:
            ConfigError: a background that is named cannot be read, or a sink cannot be made.
            SourceError: a file or pictures that are named cannot be read.
            ModelError: the model cannot be had or loaded.
        """
        crop = config.preprocess.regions if config.preprocess.output == "cropped" else ()
        source = make_source(config.source, crop)
        if isinstance(config.source, FileSourceConfig | ImagesSourceConfig):
            _try(source)
        live = _is_live(config.source)
        # Of a source that is cropped, regions are left between those that it is cropped to.
        tuning = Tuning(config.refine, config.compose, within_crop(config.preprocess))
        metrics = Metrics()
        servers = servers or RtspServers(PROCESS_SERVERS)
        make = partial(
            make_sink,
            tuning=tuning,
            stream=config.name,
            latency=metrics.latency("compose"),
            servers=servers,
            open_video=_open_video,
            kept=config.files_read,
        )
        sinks = [
            SwitchedRecord(partial(_recording, make, sink), on=sink.from_start)
            if isinstance(sink, RecordSinkConfig)
            else make(sink)
            for sink in config.sinks
        ]
        matting, fallback = load_matting(config, progress, live=live, tuning=tuning)
        camera = None
        if isinstance(config.source, UsbSourceConfig | RtspSourceConfig):
            camera = config.source

        def fresh() -> Source:
            return make_source(pipeline.config.source, crop)

        pipeline = cls(
            source,
            matting,
            sinks,
            fresh=fresh if camera else None,
            reconnect=camera.reconnect if camera else None,
            standby=Standby(config.standby, draw_card),
            refine=Refiner(tuning, metrics.latency("refine")).refine,
            ring_capacity=config.pipeline.ring_capacity,
            # What a matting that looks ahead gives at once, sinks take while it goes on.
            sink_queue=max(config.pipeline.sink_queue, 0 if live else matting.delay),
            stall_s=config.pipeline.stall_s,
            metrics=metrics,
            tuning=tuning,
        )
        pipeline._config, pipeline._configured = config, config.model
        pipeline._fallback = fallback
        for sink in sinks:
            if isinstance(sink, DisplaySink):
                sink.control(pipeline)
        return pipeline

    @property
    def config(self) -> Config:
        """
        What the stream is now, with all that was changed while it ran.

        Raises:
            ConfigError: it was made from parts, as are those of all below.
        """
        config = self._config
        if config is None:
            raise ConfigError("this pipeline was made from parts: it has no configuration")
        changed: dict[str, Any] = {"refine": self.tuning.refine, "compose": self.tuning.compose}
        if not self.crops:
            changed["preprocess"] = self.tuning.preprocess
        return config.model_copy(update=changed)

    @property
    def crops(self) -> bool:
        """Whether frames are cropped at the source: regions drawn on them are none of the frame."""
        return self._config is not None and self._config.preprocess.output == "cropped"

    @property
    def model(self) -> str:
        """The name of the model that runs, as `switch` takes it."""
        named = self.config.model.name
        info = self._mattes.matting.info
        return info.name if named == "auto" and info is not None else named

    @property
    def mode(self) -> MattingMode:
        """How frames get their mattes now: what `auto` has chosen, where it did."""
        mode = self.config.matting.mode
        if mode != "auto":
            return mode
        chosen: MattingMode = self._mattes.matting.statistics()["mode"]
        return chosen

    @property
    def pace(self) -> str:
        """See `Controls.pace`."""
        pace = self._mattes.matting.statistics().get("pace")
        return pace["step"] if pace is not None and pace["coarse"] else ""

    @property
    def source(self) -> SourceConfig:
        """Where frames come from now."""
        return self.config.source

    def cameras(self) -> Sequence[int]:
        """The indices of this machine's cameras."""
        return [camera.index for camera in list_cameras()]

    def change_source(self, **changes: object) -> None:
        """
        Go over to other settings of the source.

        A camera or RTSP stream is closed and opened again. A folder and a file go on: what is left
        of the folder's round comes in its new order, and the rounds after it are whole.

        Args:
            changes: of its configuration, such as `device`, `width`, `height`, `max_fps` or `url`
                (`reconnect` stays what it was); of a folder `order`, `seed` and `loop`, of a file
                `loop`.

        Raises:
            ConfigError: there is no such setting or value, or it is fixed when the source starts.
        """
        with self._changing:
            config = self.config
            source, wanted = config.source, revise_source(config.source, changes)
            live: frozenset[str] = getattr(wanted, "LIVE", frozenset())
            fixed = {name for name in changes if getattr(wanted, name) != getattr(source, name)}
            if not isinstance(wanted, UsbSourceConfig | RtspSourceConfig) and fixed - live:
                others = f"; {', '.join(sorted(live))} can be changed" if live else ""
                raise ConfigError(
                    f"source.{min(fixed - live)}: is fixed when the source starts{others}"
                )
            self._config = config.model_copy(update={"source": wanted})
            if isinstance(wanted, UsbSourceConfig | RtspSourceConfig):
                self.reopen()
            elif isinstance(self._source, AdjustableSource):
                self._source.adjust(wanted)

    def models(self) -> Sequence[str]:
        """The registered models that need no download, and the one that was configured."""
        names = list(models_on_disk(on_gpu=loadable_providers()[:1] != ("cpu",)))
        configured = self._configured.name if self._configured is not None else "auto"
        return names if configured in (*names, "auto") else [configured, *names]

    def switch(
        self, *, model: str | ModelConfig | None = None, mode: MattingMode | None = None
    ) -> Future[None]:
        """
        Go over to another model or mode, which is loaded while this one goes on.

        Args:
            model: a name, with the other settings of the present one as far as these go with any;
                or all of it. A path that was configured has its contract.
            mode: of matting.

        Returns:
            As `use`. What the report says of the model is then of the new one.

        Raises:
            ConfigError: there is no such mode, the source is not open yet, or another switch is
                under way.
        """
        if mode is not None and mode not in get_args(MattingMode):
            modes = ", ".join(get_args(MattingMode))
            raise ConfigError(f"matting.mode: {mode!r} is not one of {modes}")
        config = self.config
        configured = self._configured
        if isinstance(model, str):
            plain = {"name": model, "contract": None, "precision": "auto", "input_size": None}
            is_configured = configured is not None and configured.name == model
            model = configured if is_configured else config.model.model_copy(update=plain)
        matting = config.matting.model_copy(update={"mode": mode or config.matting.mode})
        wanted = config.model_copy(update={"model": model or config.model, "matting": matting})
        fallback: str | None = None

        def load() -> Matting:
            nonlocal fallback
            live = _is_live(wanted.source)
            loaded, fallback = load_matting(wanted, live=live, tuning=self.tuning)
            return loaded

        # Whoever waits for it finds `config` as it is then: a done callback would come too late.
        settled = Future[None]()
        settled.set_running_or_notify_cancel()

        def settle(future: Future[None]) -> None:
            if (failure := future.exception()) is not None:
                settled.set_exception(failure)
                return
            settings = {"model": wanted.model, "matting": wanted.matting}
            with self._changing:
                self._config = self.config.model_copy(update=settings)
            self._fallback = fallback
            logger.info("now: model %s, matting %s", wanted.model.name, wanted.matting.mode)
            settled.set_result(None)

        try:
            future = self.use(load)
        except RuntimeError as error:
            raise ConfigError(str(error)) from error
        future.add_done_callback(settle)
        return settled

    def save(self, folder: Path) -> Path:
        """
        Write `config` as YAML to a new file in *folder*, as `save_config` does.

        Raises:
            ConfigError: it cannot be written.
        """
        return save_config(self.config, folder)

    def report(self) -> dict[str, Any]:
        """The run report as plain JSON values, with `model.fallback`; see docs/report.md."""
        report = super().report()
        if report["model"] is not None:
            report["model"]["fallback"] = self._fallback
        return report


def _is_live(source: SourceConfig) -> bool:
    """Whether its frames are lost rather than wait."""
    return source.type in ("usb", "rtsp") or bool(getattr(source, "realtime", False))


def _recording(
    make: Callable[[SinkConfig], Sink], config: RecordSinkConfig, number: int
) -> AudioSink:
    """The recording of that *number*: its time tells it from the others, or else the number."""
    timed = "{start" in config.path
    numbered = str(Path(config.path).with_stem(f"{Path(config.path).stem}-{number}"))
    path = config.path if number == 1 or timed else numbered
    sink = make(config.model_copy(update={"path": path}))
    if number > 1 and timed and Path(sink.statistics()["path"]).exists():
        # Its time is that of an earlier one too: of the same second, or day, as the path says it.
        sink.close()
        sink = make(config.model_copy(update={"path": numbered}))
    assert isinstance(sink, AudioSink)  # noqa: S101 - a recording is one
    return sink


def _open_video(path: str) -> VideoAt:
    """The video of a background. Raises SourceError."""
    # It brings FFmpeg, which most runs of a camera need not wait for.
    from streamer.sources.looped import LoopedVideo

    return LoopedVideo(path)


def _try(source: Source) -> None:
    """Open and close a source that is on disk: a misspelt path should not cost a download."""
    try:
        source.open()
    finally:
        source.close()
