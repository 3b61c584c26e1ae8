"""Which settings may change while a stream runs, and to what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from streamer.compositing import make_backdrop
from streamer.config import (
    BackgroundConfig,
    Config,
    DisplaySinkConfig,
    ImagesSinkConfig,
    SinkConfig,
    SourceConfig,
    revise,
)
from streamer.config.changing import differences, way_of
from streamer.controls import Refused
from streamer.errors import ConfigError
from streamer.preprocessing import places_in
from streamer.stream.build import open_video


class _FixedError(ConfigError):
    """Another run of the stream could have it."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Decides which changes a stream's parts allow."""

    of_parts: bool
    """It was made from parts, and has no configuration."""
    crops: bool
    """Its source is cropped to its regions."""
    connects: bool
    """Its source is connected again when it is lost."""
    size: tuple[int, int] | None
    """(H, W) of its latest frame, if there was one."""
    makes_sinks: bool
    """Other sinks can be made for it."""

    def changed(self, before: Config, changes: Mapping[str, object]) -> Config | Refused:
        """
        Return the configuration with *changes*, if the stream can take it without a restart.

        A new background is opened and closed again as a check.

        Args:
            before: the present configuration; not modified.
            changes: values by dotted keys.

        Returns:
            The new one, valid as a whole; or the first change that cannot be made, and why.
        """
        for key, value in changes.items():
            if self.of_parts and way_of(key) != "next frame":
                why = "this stream was made from parts: it has no configuration"
                return Refused(key, value, f"{key}: {why}")
        try:
            return self._revised(before, changes)
        except ConfigError as error:
            return self._blamed(before, changes, error)

    def _revised(self, before: Config, changes: Mapping[str, object]) -> Config:
        """*before* with *changes*; raises ConfigError if the stream cannot take them."""
        wanted = revise(before, changes)
        for key in differences(before, wanted):
            if way_of(key) == "restart":
                raise _FixedError(f"{key}: is fixed while the stream runs")
        if wanted.sinks != before.sinks:
            self._try_sinks(before, wanted)
        if wanted.preprocess.roi != before.preprocess.roi:
            if self.crops:
                raise _FixedError("preprocess.roi: the source is cropped to it: it is fixed")
            if self.size is not None:
                height, width = self.size
                places_in(wanted.preprocess.regions, width, height)
        if wanted.compose.background != before.compose.background:
            _try_background(wanted.compose.background)
        if wanted.source != before.source:
            self._try_source(before.source, wanted.source)
        return wanted

    def _try_sinks(self, before: Config, wanted: Config) -> None:
        """Raise ConfigError if the sinks of *before* cannot become those of *wanted*."""
        if not self.makes_sinks:
            raise _FixedError("sinks: are fixed while the stream runs")
        if _windows(before) != _windows(wanted):
            raise _FixedError("sinks: a display is fixed while the stream runs")
        for number, sink in enumerate(wanted.sinks):
            if sink not in before.sinks and _is_taken(sink, before):
                raise ConfigError(
                    f"sinks.{number}.path: is being written: name another, or overwrite"
                )
        if any(way_of(key) == "matting" for key in differences(before, wanted)):
            raise _FixedError("sinks: change in a step of their own, without model and matting")

    def _try_source(self, before: SourceConfig, wanted: SourceConfig) -> None:
        """Raise ConfigError if *before* cannot become *wanted* while frames come."""
        if self.connects and wanted.RECONNECTS:
            return
        live = wanted.LIVE_KEYS
        names = type(wanted).model_fields
        fixed = {name for name in names if getattr(wanted, name) != getattr(before, name, None)}
        if fixed - live:
            others = f"; {', '.join(sorted(live))} can be changed" if live else ""
            raise _FixedError(
                f"source.{min(fixed - live)}: is fixed when the source starts{others}"
            )

    def _blamed(self, before: Config, changes: Mapping[str, object], found: ConfigError) -> Refused:
        """Blame the first change that cannot be made alone, else the one that *found* names."""
        for key, value in changes.items():
            try:
                self._revised(before, {key: value})
            except ConfigError as error:
                return Refused(key, value, str(error), isinstance(error, _FixedError))
        why = str(found)
        key = next((key for key in changes if why.startswith(key)), next(iter(changes)))
        return Refused(key, changes[key], why, isinstance(found, _FixedError))


def _is_taken(sink: SinkConfig, before: Config) -> bool:
    """Whether *sink* would have to replace what a sink of *before* has written."""
    path = getattr(sink, "path", None)
    if path is None or "{start" in path or getattr(sink, "overwrite", False):
        return False
    if isinstance(sink, ImagesSinkConfig) and sink.names == "timestamp":
        return False
    return any(sink.type == old.type and getattr(old, "path", None) == path for old in before.sinks)


def _windows(config: Config) -> list[DisplaySinkConfig]:
    return [sink for sink in config.sinks if isinstance(sink, DisplaySinkConfig)]


def _try_background(background: BackgroundConfig) -> None:
    """Raise ConfigError if *background* cannot be opened."""
    path = getattr(background, "path", None)
    if path is not None and Path(path).exists() and not Path(path).is_file():
        raise ConfigError(f"compose.background: {path} is no file")
    make_backdrop(background, open_video).close()
