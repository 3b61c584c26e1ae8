"""Several streams in one process, from one file: over shared defaults, kept running."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import Field, ValidationError, model_validator

from streamer.config.complaints import complaints
from streamer.config.data import Data
from streamer.config.limits import COUNT, DAY_S, Pause
from streamer.config.load import check_config, plain_data, read_yaml
from streamer.config.metrics import MetricsConfig
from streamer.config.models import Config
from streamer.config.sinks import PageSinkConfig
from streamer.config.together import check_together, placed
from streamer.config.web import WebConfig
from streamer.errors import ConfigError

_STREAM_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")
"""Has no dots: they separate the keys of `--set`."""
_MOST_STREAMS = 256
_NAMES_BELOW = "the streams have their names below streams"
Box = TypeVar("Box", bound="BoxConfig")
_UNKNOWN_KEY = re.compile(r"unknown key '(.*?)'(?=: |$)")


class RestartConfig(Data):
    """When a stream that failed is started again."""

    first_s: Pause = 1.0
    """Seconds before the first new start; doubled before each further one."""
    max_s: Pause = 60.0
    """Longest wait in seconds; used at once after mistakes of the configuration."""
    healthy_s: float = Field(30.0, ge=0, le=DAY_S)
    """Seconds after which a stream counts as sound: waits start at `first_s` again."""
    max_attempts: int | None = Field(None, ge=0, le=COUNT)
    """Failed starts in a row after which the stream stays down; absent: no limit."""

    @model_validator(mode="after")
    def _grows(self) -> RestartConfig:
        if self.max_s < self.first_s:
            raise ValueError("max_s is below first_s: the waiting can only grow")
        return self


class BoxConfig(Data):
    """All streams of one process."""

    streams: dict[str, Config] = Field(min_length=1, max_length=_MOST_STREAMS)
    """By name."""
    restart: RestartConfig | None = None
    """When a stream that failed is started again; by default, never if there is only one."""
    metrics: MetricsConfig | None = None
    """Metrics and health of the process, served over HTTP; absent: none are."""
    web: WebConfig | None = None
    """A page in the browser that shows the streams and changes them; absent: there is none. A
    stream without a sink of type `page` gets one."""

    @model_validator(mode="before")
    @classmethod
    def _several_are_kept(cls, data: Any) -> Any:
        several = isinstance(data, Mapping) and len(data.get("streams") or ()) > 1
        return {**data, "restart": {}} if several and data.get("restart") is None else data

    @model_validator(mode="before")
    @classmethod
    def _are_on_the_page(cls, data: Any) -> Any:
        if not (isinstance(data, Mapping) and data.get("web") is not None):
            return data
        streams = data.get("streams")
        if not isinstance(streams, Mapping):  # there are none yet, or it is said what is wrong
            return data
        shown = {
            name: with_page(stream) if isinstance(stream, Config) else stream
            for name, stream in streams.items()
        }
        return {**data, "streams": shown}

    @model_validator(mode="after")
    def _sinks_go_together(self) -> BoxConfig:
        sinks = placed(self.streams, alone=self.alone)
        read = [path for stream in self.streams.values() for path in stream.files_read]
        check_together(sinks, read)
        return self

    @classmethod
    def of(cls, stream: Config, web: WebConfig | None = None) -> BoxConfig:
        """*stream* alone, which may be on a page: its failure ends the run."""
        return cls.model_validate({"streams": {stream.name: stream}, "web": web})

    @property
    def alone(self) -> bool:
        """Whether there is one stream, which is not started again: its report is the whole one."""
        return self.restart is None

    @property
    def files_read(self) -> tuple[str, ...]:
        """Paths of the files and folders that the streams read."""
        return tuple(path for stream in self.streams.values() for path in stream.files_read)

    @property
    def owns_stdout(self) -> bool:
        """Whether a sink writes to stdout; nothing else must be printed there then."""
        return any(stream.owns_stdout for stream in self.streams.values())


def with_page(stream: Config) -> Config:
    """*stream* with a sink for its page; itself if it has one."""
    if any(isinstance(sink, PageSinkConfig) for sink in stream.sinks):
        return stream
    return stream.model_copy(update={"sinks": [*stream.sinks, PageSinkConfig(type="page")]})


def load_box(path: str | os.PathLike[str], overrides: Sequence[str] = ()) -> BoxConfig:
    """
    The streams of a YAML file: one, as `load_config` reads it, or several under `streams:`.

    Args:
        path: the file, in UTF-8.
        overrides: `key=value`, as `streams.door.source.fps=15`; values are YAML.

    Raises:
        ConfigError: it cannot be read or is not valid; one line that names file, key and value.
    """
    name = os.fspath(path)
    return parse_box(read_yaml(path), overrides, name=name)


def parse_box(
    data: Mapping[str, Any], overrides: Sequence[str] = (), *, name: str = "configuration"
) -> BoxConfig:
    """
    The streams in plain data, as `load_box` has it from YAML.

    Args:
        data: `streams`, a mapping of names to configurations; `defaults`, sections that streams
            have unless they say otherwise; and the keys of `BoxConfig`. Or one stream's
            configuration, with these keys beside it.
        overrides: as `load_box` takes them.
        name: what messages begin with.

    Raises:
        ConfigError: it is not valid.
    """
    return parse_streams(BoxConfig, data, overrides, name)


def parse_streams(
    kind: type[Box], data: Mapping[str, Any], overrides: Sequence[str], name: str
) -> Box:
    """As `parse_box`, to a *kind* of its own, whose keys stand beside the streams."""
    filled = plain_data(data, overrides, name=name)
    if "fleet" in filled and "fleet" not in kind.model_fields:
        raise ConfigError(f"{name}: fleet: the file is a fleet's: streamer fleet run {name}")
    if "streams" in filled:
        return _several(filled, name, kind)
    own: dict[str, Any] = {
        key: filled.pop(key) for key in ("restart", "metrics", "web") if key in filled
    }
    stream = check_config(filled)
    if not isinstance(stream, Config):
        raise ConfigError(f"{name}: {'; '.join(stream)}")
    return _boxed({**own, "streams": {stream.name: stream}}, name, kind)


def _several(filled: dict[str, Any], name: str, kind: type[Box]) -> Box:
    streams, defaults = filled.pop("streams"), filled.pop("defaults", None) or {}
    stray = [key for key in filled if key in Config.model_fields]
    keys = {"streams", "defaults", *kind.model_fields}
    if unknown := [key for key in filled if key not in keys and key not in stray]:
        raise ConfigError(
            f"{name}: unknown key '{unknown[0]}': the keys are {', '.join(sorted(keys))}"
        )
    if "name" in stray:
        raise ConfigError(f"{name}: name: {_NAMES_BELOW}")
    if stray:
        raise ConfigError(
            f"{name}: {stray[0]}: is of one stream: write it below defaults, or below streams.NAME"
        )
    for key, value in (("streams", streams), ("defaults", defaults)):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{name}: {key}: is not a mapping")
    if "name" in defaults:
        raise ConfigError(f"{name}: defaults.name: {_NAMES_BELOW}")
    found: dict[str, Config] = {}
    wrong: dict[str, str] = {}
    for stream, own in streams.items():
        checked = _stream(stream, own, defaults)
        if isinstance(checked, Config):
            found[stream] = checked
        else:
            for text in checked:
                unknown_key = _UNKNOWN_KEY.search(text)  # streams may say it in different ways
                wrong.setdefault(text[: unknown_key.end()] if unknown_key else text, text)
    if wrong:
        raise ConfigError(f"{name}: {'; '.join(wrong.values())}")
    return _boxed({"restart": {}, **filled, "streams": found}, name, kind)


def _boxed(data: dict[str, Any], name: str, kind: type[Box]) -> Box:
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise ConfigError(f"{name}: {'; '.join(complaints(error, data, kind))}") from None


def _stream(name: str, own: Any, defaults: Mapping[str, Any]) -> Config | list[str]:
    """The configuration of one stream, or what is wrong with it."""
    own = {} if own is None else own
    if not isinstance(own, Mapping):
        return [f"streams.{name}: is not a mapping of keys such as `source:` and `sinks:`"]
    if "name" in own:
        return [f"streams.{name}.name: the stream has its name already: leave it out"]
    if not _STREAM_NAME.fullmatch(name):
        return [f"streams.{name[:40]}: a name has letters, digits, - and _ only, at most 100"]
    checked = check_config({**merge(defaults, own), "name": name})
    if isinstance(checked, Config):
        return checked
    return list(_placed(checked, name, own, defaults))


def merge(defaults: Any, own: Any) -> Any:
    """
    *own* over *defaults*, both plain data: mappings key by key, all else as a whole.

    Mappings of another `type:` share no keys, so *own* is then taken alone.
    """
    if not isinstance(defaults, Mapping) or not isinstance(own, Mapping):
        return own
    if _are_apart(defaults, own):
        return own
    return {
        **defaults,
        **{key: merge(defaults.get(key), value) for key, value in own.items()},
    }


def _are_apart(defaults: Mapping[str, Any], own: Mapping[str, Any]) -> bool:
    """Whether *own* is of another type than *defaults*."""
    return "type" in own and bool(own["type"] != defaults.get("type", own["type"]))


def _placed(
    said: Sequence[str], name: str, own: Mapping[str, Any], defaults: Mapping[str, Any]
) -> Iterator[str]:
    """Complaints about one stream, with the place in the file that they are about."""
    for text in said:
        location, colon, rest = text.partition(": ")
        way = location.split(".")
        located = bool(colon) and way[0] in Config.model_fields
        unknown_key = _UNKNOWN_KEY.match(rest if located else text)
        keys = [*(way if located else ()), *(unknown_key.groups() if unknown_key else ())]
        place = "defaults" if _is_shared(keys, own, defaults) else f"streams.{name}"
        yield f"{place}.{text}" if located else f"{place}: {text}"


def _is_shared(keys: Sequence[str], own: Any, defaults: Any) -> bool:
    """Whether what stands at *keys* comes from *defaults*, with *own* over them."""
    for key in keys:
        if not isinstance(own, Mapping) or not isinstance(defaults, Mapping):
            return False
        if key not in own:
            return key in defaults and not _are_apart(defaults, own)
        own, defaults = own[key], defaults.get(key)
    return False
