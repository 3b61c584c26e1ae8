"""The composition root: a validated configuration becomes a pipeline."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

from streamer.compositing import alpha_level, draw_card
from streamer.config import (
    Config,
    FileSourceConfig,
    ImagesSourceConfig,
    RtspSourceConfig,
    SourceConfig,
    UsbSourceConfig,
    load_config,
)
from streamer.loading import load_matting
from streamer.metrics import Metrics
from streamer.pipeline import Pipeline as PipelineOfParts
from streamer.pipeline import Standby
from streamer.protocols import Source
from streamer.rtsp import RtspServers
from streamer.segmentation import Progress
from streamer.sinks import make_sink
from streamer.sources import make_source

logger = logging.getLogger("streamer")


class Pipeline(PipelineOfParts):
    """
    A pipeline, made from its parts or from a configuration.

    `Pipeline.from_yaml("config/webcam.yaml").run()` is the whole of it.
    """

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
            servers: for several pipelines in one process that serve at the same address.

        Raises:
            SourceError: a file or pictures that are named cannot be read.
            ModelError: the model cannot be had or loaded.
        """
        source = make_source(config.source)
        if isinstance(config.source, FileSourceConfig | ImagesSourceConfig):
            _try(source)
        live = _is_live(config.source)
        matting, fallback = load_matting(config, progress, live=live)
        metrics = Metrics()
        servers = servers or RtspServers()
        sinks = [
            make_sink(
                sink,
                compose=config.compose,
                level=alpha_level(config.refine.threshold),
                stream=config.name,
                latency=metrics.latency("compose"),
                servers=servers,
            )
            for sink in config.sinks
        ]
        camera = None
        if isinstance(config.source, UsbSourceConfig | RtspSourceConfig):
            camera = config.source
        pipeline = cls(
            source,
            matting,
            sinks,
            fresh=partial(make_source, camera) if camera else None,
            reconnect=camera.reconnect if camera else None,
            standby=Standby(config.standby, draw_card),
            ring_capacity=config.pipeline.ring_capacity,
            # What a matting that looks ahead gives at once, sinks take while it goes on.
            sink_queue=max(config.pipeline.sink_queue, 0 if live else matting.delay),
            stall_s=config.pipeline.stall_s,
            metrics=metrics,
        )
        pipeline._fallback = fallback
        return pipeline

    def report(self) -> dict[str, Any]:
        """The run report as plain JSON values, with `model.fallback`; see docs/report.md."""
        report = super().report()
        if report["model"] is not None:
            report["model"]["fallback"] = self._fallback
        return report


def _is_live(source: SourceConfig) -> bool:
    """Whether its frames are lost rather than wait."""
    return source.type in ("usb", "rtsp") or bool(getattr(source, "realtime", False))


def _try(source: Source) -> None:
    """Open and close a source that is on disk: a misspelt path should not cost a download."""
    try:
        source.open()
    finally:
        source.close()
