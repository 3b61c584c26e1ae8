"""Where mattes go. `make_sink` builds the sink that a configuration asks for."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Literal

from streamer.compositing import Composer
from streamer.config.models import (
    DiscardSinkConfig,
    DisplaySinkConfig,
    ImagesSinkConfig,
    Layout,
    RecordSinkConfig,
    SinkConfig,
)
from streamer.metrics import LatencyHistogram
from streamer.protocols import Sink
from streamer.sinks.discard import DiscardSink
from streamer.sinks.display import DisplaySink, window_problem
from streamer.sinks.images import ImagesSink, PictureKind, write_picture
from streamer.sinks.paths import fill_path
from streamer.sinks.record import RecordSink

__all__ = [
    "DiscardSink",
    "DisplaySink",
    "ImagesSink",
    "RecordSink",
    "make_sink",
    "window_problem",
    "write_picture",
]

_VIEWS: tuple[Layout, ...] = ("side_by_side", "cutout", "mask", "source")


def make_sink(
    config: SinkConfig,
    *,
    cutout: Literal["rgb_on_black", "rgba"],
    level: int,
    stream: str,
    latency: LatencyHistogram,
) -> Sink:
    """
    The sink of *config*, not yet open.

    Args:
        config: one entry of `sinks`.
        cutout: what a cutout is, for formats that hold alpha.
        level: the mask's smallest alpha, 1..255; see `compositing.alpha_level`.
        stream: fills `{stream}` in paths; `{start}` is the local time of this call.
        latency: where the composing of each picture is recorded.

    Raises:
        ConfigError: a path's template has a field that is not known.
    """
    start = datetime.now().astimezone()
    composer = Composer(config.layout, config.panels, level=level, latency=latency)
    match config:
        case DisplaySinkConfig():
            return DisplaySink(
                [composer, *_next_views(config, level, latency)],
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
                overwrite=config.overwrite,
            )
        case ImagesSinkConfig():
            return ImagesSink(
                fill_path(config.path, stream=stream, start=start),
                composer,
                kind=_picture_kind(config.layout, cutout),
                level=level,
                suffix=".png" if config.format == "png" else ".jpg",
                quality=config.quality,
                names=config.names,
                limit=config.limit,
                latency=latency,
            )
        case DiscardSinkConfig():
            return DiscardSink(composer)


def _next_views(config: DisplaySinkConfig, level: int, latency: LatencyHistogram) -> list[Composer]:
    """What the key m shows after the configured layout, in turn."""
    first = _VIEWS.index(config.layout) + 1 if config.layout in _VIEWS else 0
    turn = [*_VIEWS[first:], *_VIEWS[: max(first - 1, 0)]]
    return [Composer(view, config.panels, level=level, latency=latency) for view in turn]


def _picture_kind(layout: Layout, cutout: Literal["rgb_on_black", "rgba"]) -> PictureKind:
    if layout == "cutout" and cutout == "rgba":
        return "cutout_rgba"
    if layout in ("mask", "alpha"):
        return layout
    return "composed"
