"""What the sinks of one process may not share: a window, stdout, an address, a file, a device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from streamer.config.addresses import ServeAddress
from streamer.config.paths import is_among
from streamer.config.sinks import (
    DisplaySinkConfig,
    ImagesSinkConfig,
    LayoutConfig,
    PageSinkConfig,
    PipeSinkConfig,
    RecordSinkConfig,
    RtspSinkConfig,
    SinkConfig,
    VirtualCameraSinkConfig,
)

if TYPE_CHECKING:
    from streamer.config.models import Config


S = TypeVar("S", bound=LayoutConfig)


@dataclass(frozen=True, slots=True)
class Placed:
    """A sink, and where it stands."""

    place: str
    """Dotted, such as `sinks.0` or `streams.door.sinks.0`."""
    stream: str
    """The name of its stream."""
    sink: SinkConfig

    @property
    def path(self) -> str:
        """The path that it writes to, with the stream's name filled in."""
        path: str = getattr(self.sink, "path", "")
        return path.replace("{stream}", self.stream)


def placed(streams: Mapping[str, Config], *, alone: bool) -> list[Placed]:
    """All sinks of *streams*; *alone*: there is one stream, which places do not name."""
    return [
        Placed(f"{'' if alone else f'streams.{name}.'}sinks.{number}", stream.name, sink)
        for name, stream in streams.items()
        for number, sink in enumerate(stream.sinks)
    ]


def check_together(sinks: Sequence[Placed], files_read: Sequence[str]) -> None:
    """
    Refuse sinks that cannot run in one process.

    Args:
        sinks: of all its streams.
        files_read: the files that any of these streams reads.

    Raises:
        ValueError: two show a window, are for one stream's page, write to stdout, serve the same
            path, serve at one port with different passwords, publish to the same URL, write the
            same files, pipe or virtual camera; or one writes what is read.
    """
    whole = sinks[0].place.partition(".")[0] if sinks else ""
    if sum(isinstance(one.sink, DisplaySinkConfig) for one in sinks) > 1:
        raise ValueError(f"{whole}: one display at most")
    if pipes_to_stdout([one.sink for one in sinks]) > 1:
        raise ValueError(f"{whole}: one pipe to stdout at most")
    _check_pages(sinks)
    _check_addresses(sinks)
    _check_published(sinks)
    _check_pipes(sinks)
    _check_devices(sinks)
    _check_recordings(sinks, files_read)
    _check_folders(sinks)


def pipes_to_stdout(sinks: Sequence[SinkConfig]) -> int:
    """How many of *sinks* write to stdout."""
    return sum(isinstance(sink, PipeSinkConfig) and sink.path == "-" for sink in sinks)


def _check_pages(sinks: Sequence[Placed]) -> None:
    shown: set[str] = set()
    for one, _ in _of_type(sinks, PageSinkConfig):
        if one.stream in shown:
            raise ValueError(f"{one.place}: one sink of type page is enough: it has all layouts")
        shown.add(one.stream)


def _check_addresses(sinks: Sequence[Placed]) -> None:
    terms: dict[tuple[str, int], object] = {}
    paths: set[tuple[str, int, str]] = set()
    for one, sink in _of_type(sinks, RtspSinkConfig):
        if sink.serve is None:
            continue
        address = ServeAddress.parse(sink.serve.get_secret_value())
        host, path = (address.host, address.port), address.path.rstrip("/")
        if (*host, path) in paths:
            raise ValueError(f"{one.place}.serve: another sink has this path")
        paths.add((*host, path))
        own = (address.username, address.password, sink.certificate, sink.private_key)
        if terms.setdefault(host, own) != own:
            raise ValueError(
                f"{one.place}.serve: shares its port with another sink: give both the same "
                "user, password and certificate"
            )


def _check_published(sinks: Sequence[Placed]) -> None:
    targets: dict[str, Placed] = {}
    for one, sink in _of_type(sinks, RtspSinkConfig):
        if sink.publish is None:
            continue
        other = targets.setdefault(normal_url(sink.publish.get_secret_value()), one)
        if other is not one:  # the URL is not repeated: it may have a password
            apart = one.stream != other.stream
            raise ValueError(
                f"{one.place}.publish: is that of {other.place} too: "
                + ("put {stream} in it" if apart else "publish to another path")
            )


def normal_url(url: str) -> str:
    """*url* in one of the ways to write it; as it is where it cannot be read."""
    try:
        parts = urlsplit(url, allow_fragments=False)
    except ValueError:
        return url
    user, at, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user}{at}{host.lower()}").geturl().rstrip("/")


def _check_pipes(sinks: Sequence[Placed]) -> None:
    pipes: dict[str, str] = {}
    for one, sink in _of_type(sinks, PipeSinkConfig):
        if sink.path == "-":
            continue
        for other, pipe in pipes.items():
            if is_among(sink.path, [pipe]):  # as it stands: nothing is filled in
                unfilled = ", {stream} is not filled in here" if "{stream}" in sink.path else ""
                raise ValueError(
                    f"{one.place}.path: is that of {other} too: name another pipe{unfilled}"
                )
        pipes[one.place] = sink.path


def _check_devices(sinks: Sequence[Placed]) -> None:
    devices: dict[str, str] = {}
    for one, sink in _of_type(sinks, VirtualCameraSinkConfig):
        if sink.device is None:
            continue
        for other, device in devices.items():
            if is_among(sink.device, [device]):
                raise ValueError(
                    f"{one.place}.device: is that of {other} too: name another device, or leave "
                    "it out for the first free one"
                )
        devices[one.place] = sink.device


def _check_recordings(sinks: Sequence[Placed], files_read: Sequence[str]) -> None:
    films: dict[str, str] = {}
    for one, sink in _of_type(sinks, RecordSinkConfig):
        if is_among(one.path, files_read):
            raise ValueError(
                f"{one.place}.path: {sink.path} is what the stream reads: name another file"
            )
        for other, film in films.items():
            if is_among(one.path, [film]):
                raise ValueError(f"{one.place}.path: is that of {other} too")
        films[one.place] = one.path


def _check_folders(sinks: Sequence[Placed]) -> None:
    folders: dict[str, tuple[str, str]] = {}
    for one, sink in _of_type(sinks, ImagesSinkConfig):
        if sink.names != "index":
            continue
        for other, (folder, form) in folders.items():
            if form == sink.format and is_among(one.path, [folder]):
                raise ValueError(
                    f"{one.place}.path: is that of {other} too, and so are the "
                    "names in it: write names: timestamp, or another folder"
                )
        folders[one.place] = (one.path, sink.format)


def _of_type(sinks: Sequence[Placed], kind: type[S]) -> Iterator[tuple[Placed, S]]:
    for one in sinks:
        if isinstance(one.sink, kind):
            yield one, one.sink
