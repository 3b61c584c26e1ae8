"""What the maker of a sink is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from streamer.compositing import Composer, OpenVideo, Pixels, SharedPictures, pixels_of
from streamer.config import Layout, LayoutConfig, Settings, fill_path
from streamer.core.metrics import LatencyHistogram
from streamer.events import Tell, nobody
from streamer.serving.rtsp import RtspServers


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """
    What a sink is made with, beside its configuration.

    A maker is a function of a configuration and of this that returns a sink, not yet open; its
    configuration's `MADE_BY` names it. It raises ConfigError where the sink cannot be made.
    """

    settings: Settings
    """What cutouts and composites are to begin with."""
    stream: str
    """The name of the stream."""
    latency: LatencyHistogram
    """Where the composing of each picture is recorded."""
    servers: RtspServers = field(default_factory=RtspServers)
    """Shared by the sinks that serve at the same address."""
    open_video: OpenVideo | None = None
    """For backgrounds that are videos."""
    shared: SharedPictures | None = None
    """With the other sinks of the stream."""
    kept: tuple[str, ...] = ()
    """Files that no recording replaces."""
    tell: Tell = nobody
    """Is told of recordings and viewers."""
    current: Callable[[], Settings] | None = None
    """The stream's settings as they are by then; once it is there."""

    def path(self, template: str) -> Path:
        """*template* with `{stream}` and `{start…}`, the local time of this call, filled in."""
        return fill_path(template, stream=self.stream, start=datetime.now().astimezone())

    def best_pixels(self, layout: LayoutConfig) -> Pixels:
        """What a picture of *layout* is at its best, for a sink that takes any."""
        return pixels_of(layout.layout, self.settings.compose)

    def composer(self, layout: LayoutConfig, pixels: Pixels = "bgr") -> Composer:
        """
        Makes the pictures; closed by the sink, which must not write on them.

        Raises:
            ConfigError: the background of composites cannot be had.
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
        """Likewise, of a sink that writes on its pictures."""
        return Composer(
            layout,
            self.settings,
            pixels=pixels,
            latency=self.latency,
            open_video=self.open_video,
        )
