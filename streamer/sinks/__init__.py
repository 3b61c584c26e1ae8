"""Where mattes go. `make_sink` builds the sink that a configuration asks for."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Literal

from streamer.compositing import Composer, colour
from streamer.config import (
    ComposeConfig,
    DiscardSinkConfig,
    DisplaySinkConfig,
    ImagesSinkConfig,
    Layout,
    RecordSinkConfig,
    RtspSinkConfig,
    ServeAddress,
    SinkConfig,
)
from streamer.metrics import LatencyHistogram
from streamer.protocols import Sink
from streamer.rtsp import RtspServers, TlsFiles
from streamer.sinks.discard import DiscardSink
from streamer.sinks.display import DisplaySink, window_problem
from streamer.sinks.encoder import EncoderSettings
from streamer.sinks.images import ImagesSink, PictureKind, write_picture
from streamer.sinks.outlets import Outlet, PublishedOutlet, ServedOutlet
from streamer.sinks.paths import fill_path
from streamer.sinks.record import RecordSink
from streamer.sinks.relay import RelaySink

__all__ = [
    "DiscardSink",
    "DisplaySink",
    "ImagesSink",
    "RecordSink",
    "RelaySink",
    "make_sink",
    "window_problem",
    "write_picture",
]

_VIEWS: tuple[Layout, ...] = ("side_by_side", "cutout", "mask", "source")


def make_sink(
    config: SinkConfig,
    *,
    compose: ComposeConfig,
    level: int,
    stream: str,
    latency: LatencyHistogram,
    servers: RtspServers | None = None,
) -> Sink:
    """
    The sink of *config*, not yet open.

    Args:
        config: one entry of `sinks`.
        compose: what cutouts and composites are.
        level: the mask's smallest alpha, 1..255; see `compositing.alpha_level`.
        stream: fills `{stream}` in paths; `{start}` is the local time of this call.
        latency: where the composing of each picture is recorded.
        servers: shared by the sinks that serve at the same address.

    Raises:
        ConfigError: a path's template has a field that is not known, or a URL cannot be used.
    """
    start = datetime.now().astimezone()
    drawn = partial(Composer, level=level, background=colour(compose.background), latency=latency)
    composer = drawn(config.layout, config.panels)
    match config:
        case DisplaySinkConfig():
            return DisplaySink(
                [composer, *(drawn(view, config.panels) for view in _next_views(config))],
                title=config.title,
                overlay=config.overlay,
                snapshots=Path(config.snapshots).expanduser(),
            )
        case RecordSinkConfig():
            return RecordSink(
                fill_path(config.path, stream=stream, start=start),
                composer,
                crf=config.crf,
                preset=config.preset,
                resize=config.resize,
                overwrite=config.overwrite,
            )
        case RtspSinkConfig():
            outlet = _outlet(config, servers or RtspServers())
            return RelaySink(outlet, composer, _encoder_settings(config))
        case ImagesSinkConfig():
            return ImagesSink(
                fill_path(config.path, stream=stream, start=start),
                composer,
                kind=_picture_kind(config.layout, compose.cutout),
                level=level,
                suffix=".png" if config.format == "png" else ".jpg",
                quality=config.quality,
                names=config.names,
                limit=config.limit,
                latency=latency,
            )
        case DiscardSinkConfig():
            return DiscardSink(composer)


def _outlet(config: RtspSinkConfig, servers: RtspServers) -> Outlet:
    if config.publish is not None:
        return PublishedOutlet(
            config.publish.get_secret_value(),
            config.transport,
            tls_verify=config.tls_verify,
            tls_ca=config.tls_ca,
        )
    assert config.serve is not None  # noqa: S101 - the configuration has one of the two
    address = ServeAddress.parse(config.serve.get_secret_value())
    tls = None
    if config.certificate is not None and config.private_key is not None:
        tls = TlsFiles(Path(config.certificate).expanduser(), Path(config.private_key).expanduser())
    return ServedOutlet(address, servers, tls)


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


def _picture_kind(layout: Layout, cutout: Literal["rgb_on_black", "rgba"]) -> PictureKind:
    if layout == "cutout" and cutout == "rgba":
        return "cutout_rgba"
    if layout in ("mask", "alpha"):
        return layout
    return "composed"
