"""Where a relay's packets go: to viewers of a server in this process, or to another server."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, Protocol

from streamer.config import LayoutConfig, ServeAddress
from streamer.errors import SinkError
from streamer.events import Tell, nobody
from streamer.packets import AudioPacket, AudioTrack, VideoPacket, VideoTrack
from streamer.serving import fragments
from streamer.serving.publishing import Publisher, Transport, carries, parse_target
from streamer.serving.rtsp import (
    Credentials,
    Mount,
    RtspServer,
    RtspServers,
    TlsFiles,
    audio_format,
)
from streamer.serving.views import Piece, View

_log = logging.getLogger(__name__)

_CLOSE_S = 2.0
"""Seconds for a publisher to sign off at its server."""


class Outlet(Protocol):
    """Where a relay's packets go. `open` before anything else, `begin` once, `close` always."""

    @property
    def watched(self) -> bool:
        """Whether somebody gets the packets; where nobody does, nothing need be encoded."""
        ...

    def open(self) -> None:
        """Prepare to send. Raises SinkError."""
        ...

    def takes(self, audio: AudioTrack) -> bool:
        """Whether audio of that kind can be sent."""
        ...

    def begin(self, video: VideoTrack, audio: AudioTrack | None) -> None:
        """Announce the tracks of the packets to come. Raises SinkError."""
        ...

    def send_video(self, packet: VideoPacket) -> None:
        """Hand over one packet; never waits."""
        ...

    def send_audio(self, packet: AudioPacket) -> None:
        """Hand over one packet; never waits."""
        ...

    def take_key_request(self) -> bool:
        """Whether a key frame is wanted; true once for each request."""
        ...

    def close(self) -> None:
        """End the stream. Safe to call twice."""
        ...

    def statistics(self) -> dict[str, Any]:
        """Plain JSON values, free of credentials. Thread-safe."""
        ...


class ServedOutlet:
    """A path at an RTSP server in this process."""

    def __init__(
        self,
        address: ServeAddress,
        servers: RtspServers,
        tls: TlsFiles | None,
        tell: Tell = nobody,
    ) -> None:
        self._address = address
        self._servers = servers
        self._tls = tls
        self._tell = tell
        self._server: RtspServer | None = None
        self._mount: Mount | None = None
        self._last: dict[str, Any] = {}

    @property
    def watched(self) -> bool:
        """Whether a viewer plays."""
        return self._mount is not None and self._mount.watched

    def open(self) -> None:
        """Listen at the address and claim the path. Raises SinkError where either fails."""
        address = self._address
        credentials = None
        if address.username is not None and address.password is not None:
            credentials = Credentials(address.username, address.password)
        self._server = self._servers.take(address.host, address.port, credentials, self._tls)
        self._mount = self._server.mount(address.path, tell=self._tell)

    def takes(self, audio: AudioTrack) -> bool:
        """Whether RTP has a format for that audio."""
        try:
            audio_format(audio)
        except SinkError:
            return False
        return True

    def begin(self, video: VideoTrack, audio: AudioTrack | None) -> None:
        """Let viewers in."""
        assert self._mount is not None  # noqa: S101 - the sink opens before it begins
        self._mount.begin(video, audio)

    def send_video(self, packet: VideoPacket) -> None:
        """Hand over one packet; never waits."""
        if self._mount is not None:
            self._mount.send_video(packet)

    def send_audio(self, packet: AudioPacket) -> None:
        """Hand over one packet; never waits."""
        if self._mount is not None:
            self._mount.send_audio(packet)

    def take_key_request(self) -> bool:
        """Whether a viewer waits for a key frame; true once for each request."""
        return self._mount is not None and self._mount.take_key_request()

    def close(self) -> None:
        """End the stream for its viewers. Safe to call twice."""
        if self._mount is not None:
            self._last = self._mount.statistics()
            self._mount.close()
            self._mount = None
        if self._server is not None:
            self._servers.give_back(self._server)
            self._server = None

    def statistics(self) -> dict[str, Any]:
        """`{serve, viewers, viewers_in_all, …}`, as `Mount.statistics`. Thread-safe."""
        mount = self._mount
        return {"serve": self._address.url, **(mount.statistics() if mount else self._last)}


class PublishedOutlet:
    """A publisher to another server; it connects at `begin`, when the tracks are known."""

    watched = True

    def __init__(
        self,
        url: str,
        transport: Transport,
        *,
        tls_verify: bool = True,
        tls_ca: str | None = None,
    ) -> None:
        """Raises ConfigError where *url* cannot be published to; see `parse_target`."""
        self._target = parse_target(url, transport, tls_verify=tls_verify, tls_ca=tls_ca)
        self._publisher: Publisher | None = None

    def open(self) -> None:
        """Nothing yet: the tracks are not known."""

    def takes(self, audio: AudioTrack) -> bool:
        """Whether the target's format can carry that audio."""
        return carries(self._target.muxer, audio.codec)

    def begin(self, video: VideoTrack, audio: AudioTrack | None) -> None:
        """Start to connect."""
        self._publisher = Publisher(self._target, video, audio)
        self._publisher.start()

    def send_video(self, packet: VideoPacket) -> None:
        """Hand over one packet; never waits."""
        if self._publisher is not None:
            self._publisher.send_video(packet)

    def send_audio(self, packet: AudioPacket) -> None:
        """Hand over one packet; never waits."""
        if self._publisher is not None:
            self._publisher.send_audio(packet)

    def take_key_request(self) -> bool:
        """Whether the server needs a key frame; true once for each need."""
        return self._publisher is not None and self._publisher.take_key_request()

    def close(self) -> None:
        """End the stream at the server. Safe to call twice."""
        if self._publisher is not None:
            self._publisher.close(_CLOSE_S)

    def statistics(self) -> dict[str, Any]:
        """`{publish, state, restarts, …}`, as `Publisher.statistics`. Thread-safe."""
        publisher = self._publisher
        return {"publish": self._target.name, **(publisher.statistics() if publisher else {})}


class PageOutlet:
    """
    The viewers of the stream's page that want what is relayed.

    Of several relays of one layout the first one feeds them. What cannot be shown to them is left
    to the page's own sink, and does not end the relay.
    """

    def __init__(self, view: View, layout: LayoutConfig) -> None:
        self._view = view
        self._audience = view.audience(layout, "mp4")
        self._fragments: fragments.Fragments | None = None
        self._feeds = False

    @property
    def watched(self) -> bool:
        """Whether there are any, and they get their pictures from here."""
        return self._is_first and bool(self._audience.viewers)

    def open(self) -> None:
        """Have them get no packets of another sink."""
        self._view.relay(self._audience.key, self)

    def takes(self, audio: AudioTrack) -> bool:
        """Whether browsers play that audio."""
        return fragments.carries(audio)

    def begin(self, video: VideoTrack, audio: AudioTrack | None) -> None:
        """Describe the packets to them."""
        try:
            self._fragments = fragments.Fragments(video, audio)
        except (SinkError, ValueError) as error:
            self._give_up(error)

    def send_video(self, packet: VideoPacket) -> None:
        """Hand over one packet; never waits."""
        if self._fragments is None or not self.watched:
            return
        if not self._feeds:
            self._feeds = True
            self._audience.begin(self._fragments.opening)
        try:
            self._audience.put(Piece(self._fragments.video(packet), packet.key))
        except ValueError as error:
            self._give_up(error)

    def send_audio(self, packet: AudioPacket) -> None:
        """Hand over one packet; never waits."""
        if self._fragments is not None and self._feeds and self.watched:
            self._audience.put(Piece(self._fragments.audio(packet), key=False))

    def take_key_request(self) -> bool:
        """Whether a viewer waits for a key frame; true once for each request."""
        return self._is_first and self._audience.take_key_request()

    def close(self) -> None:
        """Tell them that there is no picture for now. Safe to call twice."""
        if self._feeds:
            self._audience.put(None)
        self._leave()

    def statistics(self) -> dict[str, Any]:
        """Nothing: the page's sink has its viewers."""
        return {}

    @property
    def _is_first(self) -> bool:
        return self._view.relayed_by(self._audience.key) is self

    def _give_up(self, error: Exception) -> None:
        _log.warning("page: what is relayed cannot be shown in browsers: %s", error)
        self._leave()

    def _leave(self) -> None:
        self._fragments, self._feeds = None, False
        self._view.relay_no_more(self._audience.key, self)


class SeveralOutlets:
    """
    Hands each packet to all of *outlets*, which it owns.

    Audio goes only to those that can send it.
    """

    def __init__(self, outlets: Sequence[Outlet]) -> None:
        self._outlets = tuple(outlets)
        self._heard: tuple[Outlet, ...] = ()
        """Those that get the audio."""

    @property
    def watched(self) -> bool:
        """Whether somebody gets the packets of any of them."""
        return any(outlet.watched for outlet in self._outlets)

    def open(self) -> None:
        """Open all. Raises SinkError; `close` then closes those that are open."""
        for outlet in self._outlets:
            outlet.open()

    def takes(self, audio: AudioTrack) -> bool:
        """Whether audio of that kind can be sent to any."""
        return any(outlet.takes(audio) for outlet in self._outlets)

    def begin(self, video: VideoTrack, audio: AudioTrack | None) -> None:
        """Announce the tracks; the audio only where it can be sent."""
        if audio is not None:
            self._heard = tuple(outlet for outlet in self._outlets if outlet.takes(audio))
        for outlet in self._outlets:
            outlet.begin(video, audio if outlet in self._heard else None)
            if audio is not None and outlet not in self._heard:
                where = next(iter(outlet.statistics().values()), "page")
                _log.warning("%s: relayed without its audio: no place for %s", where, audio.codec)

    def send_video(self, packet: VideoPacket) -> None:
        """Hand over one packet; never waits."""
        for outlet in self._outlets:
            outlet.send_video(packet)

    def send_audio(self, packet: AudioPacket) -> None:
        """Hand over one packet; never waits."""
        for outlet in self._heard:
            outlet.send_audio(packet)

    def take_key_request(self) -> bool:
        """Whether any of them wants a key frame; true once for each request."""
        asked = [outlet.take_key_request() for outlet in self._outlets]
        return True in asked

    def close(self) -> None:
        """End the stream everywhere. Safe to call twice."""
        with ExitStack() as stack:
            for outlet in self._outlets:
                stack.callback(outlet.close)

    def statistics(self) -> dict[str, Any]:
        """The statistics of all in one dictionary: their names differ. Thread-safe."""
        return {name: value for one in self._outlets for name, value in one.statistics().items()}
