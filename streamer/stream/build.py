"""Makes the parts of a stream from its configuration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streamer.compositing import SharedPictures, VideoAt, draw_card
from streamer.config import Config, Settings
from streamer.core.metrics import Metrics
from streamer.engine import Options, Standby
from streamer.events import Events
from streamer.loading import load_matting
from streamer.models import Progress, User
from streamer.preprocessing import Refinement, within_crop
from streamer.protocols import Matting, Sink, Source
from streamer.serving.rtsp import PROCESS_SERVERS, RtspServers
from streamer.serving.views import View
from streamer.sinks import Making, make_sink
from streamer.sources import make_source
from streamer.sources.shared import SharedSources

MakeSink = Callable[[Config, int, int], Sink]
"""Makes the sink at a place of a configuration, for a number of its own. Raises ConfigError."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a stream; owned by whoever gets them."""

    source: Source
    matting: Matting
    sinks: Sequence[Sink]
    options: Options
    """For the engine."""
    make_sink: MakeSink
    """Makes further sinks."""
    fallback: str | None
    """Why the model is a fall-back, if it is one."""
    user: User
    """The stream, in the eyes of the devices that its models run on."""


def build(
    config: Config,
    current: Callable[[], Config],
    *,
    progress: Progress | None = None,
    servers: RtspServers | None = None,
    metrics: Metrics | None = None,
    budget: Callable[[], float] = lambda: 0.0,
    sources: SharedSources | None = None,
    view: View | None = None,
) -> Parts:
    """
    Make the parts that *config* describes; fetches and loads the model.

    Args:
        config: what is wanted.
        current: returns the stream's present configuration; asked at each reconnect of the source,
            and for each recording but the first.
        progress: told of a model's download.
        servers: RTSP servers; None: those that all streams of this process share.
        metrics: where to count; None: new ones.
        budget: seconds after which an answer of the model is late; asked for each run.
        sources: cameras that other streams of this process read too; None: a source of its own.
        view: for those who watch it in a browser.

    Raises as `Stream.from_config`.
    """
    crop = config.preprocess.regions if config.preprocess.output == "cropped" else ()
    make = make_source if sources is None else sources.make
    source = make(config.source, crop)
    if config.source.ON_DISK:
        _try(source)
    live = config.source.is_live
    metrics, events = metrics or Metrics(), Events(config.name)
    servers = servers or RtspServers(PROCESS_SERVERS)
    another = _maker(current, metrics, events, servers, view)
    sinks = [another(config, number, number) for number in range(len(config.sinks))]
    user = User(metrics.latency("queue"), budget)
    matting, fallback = load_matting(config, progress, live=live, user=user)
    options = Options(
        standby=Standby(config.standby, draw_card),
        refine=Refinement(metrics.latency("refine")),
        ring_capacity=config.pipeline.ring_capacity,
        # A matting that looks ahead may return so many mattes at once; sinks write them meanwhile.
        sink_queue=max(config.pipeline.sink_queue, 0 if live else matting.delay),
        stall_s=config.pipeline.stall_s,
        metrics=metrics,
        events=events,
    )
    if config.source.RECONNECTS:
        options["fresh"] = lambda: make(current().source, crop)
        options["reconnect"] = getattr(config.source, "reconnect", None)
    return Parts(source, matting, sinks, options, another, fallback, user)


def settings_of(config: Config, number: int = 0) -> Settings:
    """The settings that *config* gives its frames; *number* counts the changes so far."""
    # If the source is cropped to its regions, they are moved into the cropped frame.
    return Settings(config.refine, config.compose, within_crop(config.preprocess), number)


def _maker(
    current: Callable[[], Config],
    metrics: Metrics,
    events: Events,
    servers: RtspServers,
    view: View | None,
) -> MakeSink:
    """What makes the sinks of a stream, at its beginning and later."""
    shared = SharedPictures()

    def make(config: Config, place: int, number: int) -> Sink:
        sink = config.sinks[place]
        making = Making(
            settings=settings_of(config),
            stream=config.name,
            latency=metrics.latency_of_sink((number, config.sinks[number].type), "compose"),
            servers=servers,
            open_video=open_video,
            shared=shared,
            view=view,
            kept=config.files_read,
            tell=events.tell,
            current=lambda: settings_of(current()),
        )
        return make_sink(sink, making)

    return make


def open_video(path: str) -> VideoAt:
    """The video of a background. Raises SourceError."""
    # Imported late: it loads FFmpeg, which most camera runs do not need.
    from streamer.sources.looped import LoopedVideo

    return LoopedVideo(path)


def _try(source: Source) -> None:
    """Open and close a source that is on disk: a misspelt path should not cost a download."""
    try:
        source.open()
    finally:
        source.close()
