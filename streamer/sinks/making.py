"""What a sink is made from, besides its own configuration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from streamer.compositing import (
    Composer,
    OpenVideo,
    Pixels,
    SharedPictures,
    SinkComposer,
    pixels_of,
)
from streamer.config import Layout, LayoutConfig, Settings, fill_path
from streamer.core.metrics import LatencyHistogram
from streamer.events import Tell, nobody
from streamer.serving.rtsp import RtspServers
from streamer.serving.views import View


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """
    Everything besides its configuration that a sink needs to be made.

    A maker takes a configuration and a `Making`, and returns a sink, not yet open; the
    configuration's `MADE_BY` names it. It raises ConfigError where the sink cannot be made.
    """

    settings: Settings
    """How cutouts and composites look at the beginning."""
    stream: str
    """The name of the stream."""
    latency: LatencyHistogram
    """Records how long the composing of each picture takes."""
    servers: RtspServers = field(default_factory=RtspServers)
    """Shared by the sinks that serve at the same address."""
    open_video: OpenVideo | None = None
    """For backgrounds that are videos."""
    shared: SharedPictures | None = None
    """Pictures shared with the other sinks of the stream."""
    view: View | None = None
    """For those who watch the stream in a browser."""
    kept: tuple[str, ...] = ()
    """Files that no recording may replace."""
    tell: Tell = nobody
    """Called with events of recordings and viewers."""
    current: Callable[[], Settings] | None = None
    """Returns the stream's settings at that moment; only once there is a stream."""

    def path(self, template: str) -> Path:
        """*template* with `{stream}` and `{start…}`, the local time of this call, filled in."""
        return fill_path(template, stream=self.stream, start=datetime.now().astimezone())

    def best_pixels(self, layout: LayoutConfig) -> Pixels:
        """The richest pixels of a picture of *layout*, for a sink that takes any."""
        return pixels_of(layout.layout, self.settings.compose)

    def composer(self, layout: LayoutConfig, pixels: Pixels = "bgr") -> SinkComposer:
        """
        A composer for the sink, which closes it and must not write on its pictures.

        Raises:
            ConfigError: the background of composites cannot be loaded.
        """
        if self.shared is None:
            return self.own_composer(layout, pixels)
        return self.shared.composer(
            layout,
            self.settings,
            pixels=pixels,
            latency=self.latency,
            open_video=self.open_video,
        )

    def own_composer(self, layout: LayoutConfig | Layout, pixels: Pixels = "bgr") -> Composer:
        """As `composer`, for a sink that writes on its pictures."""
        return Composer(
            layout,
            self.settings,
            pixels=pixels,
            latency=self.latency,
            open_video=self.open_video,
        )
