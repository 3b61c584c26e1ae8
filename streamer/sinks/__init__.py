"""Where mattes go. `make_sink` builds the sink that a configuration asks for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Literal

from streamer.compositing import Composer, OpenVideo, Pixels, SharedPictures, pixels_of
from streamer.config import (
    DiscardSinkConfig,
    DisplaySinkConfig,
    ImagesSinkConfig,
    Layout,
    PipeSinkConfig,
    RecordSinkConfig,
    RtspSinkConfig,
    ServeAddress,
    Settings,
    SinkConfig,
    VirtualCameraSinkConfig,
    fill_path,
)
from streamer.events import Tell, nobody
from streamer.home import expanded
from streamer.metrics import LatencyHistogram
from streamer.protocols import Sink
from streamer.rtsp import RtspServers, TlsFiles
from streamer.sinks.discard import DiscardSink
from streamer.sinks.folder import (
    Appearances,
    Every,
    ImagesSink,
    Moments,
    Retention,
    Spaced,
    Triggered,
)
from streamer.sinks.picture import write_picture
from streamer.sinks.pipe import PipeFormat, PipeSink
from streamer.sinks.pipe_end import PipeEnd
from streamer.sinks.recording import RecordSink, SwitchedRecord
from streamer.sinks.relaying import (
    EncoderSettings,
    Outlet,
    PublishedOutlet,
    RelaySink,
    ServedOutlet,
    SeveralOutlets,
)
from streamer.sinks.virtual_camera import VirtualCameraSink
from streamer.sinks.window import DisplaySink, window_problem

__all__ = [
    "DiscardSink",
    "DisplaySink",
    "ImagesSink",
    "PipeSink",
    "RecordSink",
    "RelaySink",
    "SwitchedRecord",
    "VirtualCameraSink",
    "make_sink",
    "window_problem",
    "write_picture",
]

_SUFFIXES: dict[str, Literal[".png", ".jpg", ".webp"]] = {
    "png": ".png",
    "jpeg": ".jpg",
    "webp": ".webp",
}
_PIPED: dict[PipeFormat, Pixels] = {"rgba": "bgra", "bgr": "bgr", "gray": "gray", "y4m": "bgr"}
_VIEWS: tuple[Layout, ...] = (
    "side_by_side",
    "cutout",
    "composite",
    "mask",
    "overlay",
    "source",
)


def make_sink(
    config: SinkConfig,
    *,
    settings: Settings,
    stream: str,
    latency: LatencyHistogram,
    servers: RtspServers | None = None,
    open_video: OpenVideo | None = None,
    shared: SharedPictures | None = None,
    kept: Sequence[str] = (),
    tell: Tell = nobody,
) -> Sink:
    """
    The sink of *config*, not yet open.

    Args:
        config: one entry of `sinks`.
        settings: what cutouts and composites are to begin with.
        stream: fills `{stream}` in paths; `{start}` is the local time of this call.
        latency: where the composing of each picture is recorded.
        servers: shared by the sinks that serve at the same address.
        open_video: for backgrounds that are videos.
        shared: with other sinks of the stream, but for windows, which draw on their pictures.
        kept: files that no recording replaces.
        tell: is told of recordings and viewers.

    Raises:
        ConfigError: a URL cannot be used, or the background of composites cannot be had.
    """
    start = datetime.now().astimezone()
    drawn = partial(Composer, settings=settings, latency=latency, open_video=open_video)
    if shared is not None and not isinstance(config, DisplaySinkConfig):
        drawn = partial(shared.composer, settings=settings, latency=latency, open_video=open_video)
    composer = drawn(config, pixels=_pixels(config, pixels_of(config.layout, settings.compose)))
    match config:
        case DisplaySinkConfig():
            return DisplaySink(
                [composer, *(drawn(view) for view in _next_views(config))],
                title=config.title,
                overlay=config.overlay,
                snapshots=expanded(config.snapshots),
            )
        case RecordSinkConfig():
            return RecordSink(
                fill_path(config.path, stream=stream, start=start),
                composer,
                codec=config.codec,
                crf=config.crf,
                preset=config.preset,
                resize=config.resize,
                overwrite=config.overwrite,
                kept=kept,
                tell=tell,
            )
        case RtspSinkConfig():
            outlet = _outlet(config, servers or RtspServers(), tell)
            return RelaySink(outlet, composer, _encoder_settings(config))
        case ImagesSinkConfig():
            return ImagesSink(
                fill_path(config.path, stream=stream, start=start),
                composer,
                suffix=_SUFFIXES[config.format],
                quality=config.quality,
                names=config.names,
                moments=_moments(config),
                retention=Retention(config.limit, config.limit_mb, config.limit_age_s),
            )
        case DiscardSinkConfig():
            return DiscardSink(composer)
        case PipeSinkConfig():
            end = PipeEnd(config.path, config.wait_s)
            return PipeSink(end, composer, config.format, config.fps_mode)
        case VirtualCameraSinkConfig():
            return VirtualCameraSink(composer, device=config.device, fps=config.fps)


def _pixels(config: SinkConfig, best: Pixels) -> Pixels:
    """What the composer of a sink makes, where *best* is what its layout can be at its best."""
    match config:
        case ImagesSinkConfig():
            return best
        case RecordSinkConfig():
            return "bgr" if best == "gray" else best
        case PipeSinkConfig():
            return _PIPED[config.format]
        case _:
            return "bgr"


def _moments(config: ImagesSinkConfig) -> Moments:
    match config.when:
        case "every_frame":
            return Every()
        case "interval":
            assert config.every_s is not None  # noqa: S101 - the configuration says so
            return Spaced(config.every_s)
        case "trigger":
            return Triggered()
        case "subject":
            return Appearances(config.subject_share, config.absent_s)


def _outlet(config: RtspSinkConfig, servers: RtspServers, tell: Tell) -> Outlet:
    outlets: list[Outlet] = []
    if config.serve is not None:
        address = ServeAddress.parse(config.serve.get_secret_value())
        tls = None
        if config.certificate is not None and config.private_key is not None:
            tls = TlsFiles(expanded(config.certificate), expanded(config.private_key))
        outlets.append(ServedOutlet(address, servers, tls, tell))
    if config.publish is not None:
        published = PublishedOutlet(
            config.publish.get_secret_value(),
            config.transport,
            tls_verify=config.tls_verify,
            tls_ca=config.tls_ca,
        )
        outlets.append(published)
    return outlets[0] if len(outlets) == 1 else SeveralOutlets(outlets)


def _encoder_settings(config: RtspSinkConfig) -> EncoderSettings:
    return EncoderSettings(
        codec="h264" if config.codec == "h264" else "hevc",
        encoder=config.encoder,
        preset=config.preset,
        quality=config.quality,
        bitrate_kbps=config.bitrate_kbps,
        gop_s=config.gop_s,
    )


def _next_views(config: DisplaySinkConfig) -> list[Layout]:
    """What the key m shows after the configured layout, in turn."""
    first = _VIEWS.index(config.layout) + 1 if config.layout in _VIEWS else 0
    return [*_VIEWS[first:], *_VIEWS[: max(first - 1, 0)]]
