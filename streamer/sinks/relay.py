"""A stream for others to watch: each composed picture encoded once, then served or published."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any, Protocol

from streamer.compositing import Composer
from streamer.config import ServeAddress
from streamer.errors import SinkError
from streamer.frame import Frame, Matte, StreamInfo
from streamer.packets import AudioPacket, AudioTrack, VideoPacket, VideoTrack
from streamer.publishing import Publisher, Transport, carries, parse_target
from streamer.rtsp import Credentials, Mount, RtspServer, RtspServers, TlsFiles, audio_format
from streamer.sinks.encoder import EncoderSettings, LiveEncoder

_log = logging.getLogger(__name__)

_CLOSE_S = 2.0
"""For a publisher's farewell to its server."""


class Outlet(Protocol):
    """Where a relay's packets go. `open` before anything else, `begin` once, `close` always."""

    @property
    def watched(self) -> bool:
        """Somebody gets the packets; where nobody does, nothing need be encoded."""
        ...

    def open(self) -> None:
        """Make ready. Raises SinkError."""
        ...

    def takes(self, audio: AudioTrack) -> bool:
        """Whether audio of that kind can be sent."""
        ...

    def begin(self, video: VideoTrack, audio: AudioTrack | None) -> None:
        """Say what the packets will be. Raises SinkError."""
        ...

    def send_video(self, packet: VideoPacket) -> None:
        """Hand over one packet; never waits."""
        ...

    def send_audio(self, packet: AudioPacket) -> None:
        """Hand over one packet; never waits."""
        ...

    def take_key_request(self) -> bool:
        """Whether somebody waits for a key frame."""
        ...

    def close(self) -> None:
        """End the stream. Twice is once."""
        ...

    def statistics(self) -> dict[str, Any]:
        """Plain JSON values, free of credentials. Thread-safe."""
        ...


class ServedOutlet:
    """A path at an RTSP server in this process."""

    def __init__(self, address: ServeAddress, servers: RtspServers, tls: TlsFiles | None) -> None:
        self._address = address
        self._servers = servers
        self._tls = tls
        self._server: RtspServer | None = None
        self._mount: Mount | None = None
        self._last: dict[str, Any] = {}

    @property
    def watched(self) -> bool:
        """A viewer plays."""
        return self._mount is not None and self._mount.watched

    def open(self) -> None:
        """Listen, and take the path. Raises SinkError when one of them cannot be had."""
        address = self._address
        credentials = None
        if address.username is not None and address.password is not None:
            credentials = Credentials(address.username, address.password)
        self._server = self._servers.take(address.host, address.port, credentials, self._tls)
        self._mount = self._server.mount(address.path)

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
        """Whether a viewer waits for a key frame."""
        return self._mount is not None and self._mount.take_key_request()

    def close(self) -> None:
        """Say good-bye to the viewers. Twice is once."""
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
    """A publisher to another server; it connects once it knows what the packets are."""

    watched = True

    def __init__(
        self,
        url: str,
        transport: Transport,
        *,
        tls_verify: bool = True,
        tls_ca: str | None = None,
    ) -> None:
        """Raises ConfigError: nothing can be published there from here, as `parse_target`."""
        self._target = parse_target(url, transport, tls_verify=tls_verify, tls_ca=tls_ca)
        self._publisher: Publisher | None = None

    def open(self) -> None:
        """Nothing yet: what will be sent is not known."""

    def takes(self, audio: AudioTrack) -> bool:
        """Whether the way of publishing has a place for that audio."""
        return carries(self._target.muxer, audio.codec)

    def begin(self, video: VideoTrack, audio: AudioTrack | None) -> None:
        """Begin to connect."""
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
        """Whether the server waits for a key frame."""
        return self._publisher is not None and self._publisher.take_key_request()

    def close(self) -> None:
        """End the stream at the server. Twice is once."""
        if self._publisher is not None:
            self._publisher.close(_CLOSE_S)

    def statistics(self) -> dict[str, Any]:
        """`{publish, state, restarts, …}`, as `Publisher.statistics`. Thread-safe."""
        publisher = self._publisher
        return {"publish": self._target.name, **(publisher.statistics() if publisher else {})}


class RelaySink:
    """
    Encodes the composed picture of each frame, and hands it on.

    The stream keeps the first picture's size: later ones of another size are scaled into it, so
    viewers stay. While nobody watches, nothing is composed or encoded after the first frame.
    """

    name = "rtsp"

    def __init__(self, outlet: Outlet, composer: Composer, settings: EncoderSettings) -> None:
        self._outlet = outlet
        self._composer = composer
        self._settings = settings
        self._info: StreamInfo | None = None
        self._audio: AudioTrack | None = None
        self._encoder: LiveEncoder | None = None
        self._prepared = False
        self._begun = False
        self._frames = 0
        self._encoded = 0

    def prepare(self) -> None:
        """
        Make the way out ready; until the first frame, viewers are asked to come again.

        Raises:
            SinkError: the address or the path cannot be had.
        """
        self._prepared = True
        self._outlet.open()

    def open(self, info: StreamInfo) -> None:
        """
        Learn what the stream will be, and prepare where that was not done.

        Raises:
            SinkError: as `prepare`.
        """
        if not self._prepared:
            self.prepare()
        self._info = info
        self._audio = info.audio
        if info.audio is not None and not self._outlet.takes(info.audio):
            self._audio = None
            _log.warning("rtsp: relayed without its audio: %s has no place in it", info.audio.codec)

    def write(self, frame: Frame, matte: Matte) -> None:
        """
        Encode one frame and hand it on; both are borrowed until this returns.

        Raises:
            SinkError: it could not be encoded.
        """
        self._frames += 1
        key = self._outlet.take_key_request()
        if self._begun and not (key or self._outlet.watched):
            return
        picture = self._composer.compose(frame.image, matte.alpha, card=matte.is_card)
        if self._encoder is None:
            if self._info is None:
                raise SinkError("rtsp: is not open")
            height, width = picture.shape[:2]
            self._encoder = LiveEncoder(
                width, height, frame.stamp.time_base, self._info.fps, self._settings
            )
        for packet in self._encoder.encode(picture, frame.stamp, key=key):
            if not self._begun:
                self._outlet.begin(self._encoder.track, self._audio)
                self._begun = True
            self._outlet.send_video(packet)
            self._encoded += 1

    def write_audio(self, packet: AudioPacket) -> None:
        """Hand on one packet of the source's audio; ignored where there is no place for it."""
        if not self._begun or self._audio is None or self._encoder is None:
            return
        pts = self._encoder.moved(packet.pts, self._audio.time_base)
        if pts is not None:
            self._outlet.send_audio(AudioPacket(packet.data, pts))

    def close(self) -> None:
        """End the stream. Twice is once."""
        try:
            self._outlet.close()
        finally:
            if self._encoder is not None:
                with suppress(SinkError):
                    self._encoder.close()

    def statistics(self) -> dict[str, Any]:
        """`{type, frames, encoded, encoder, …}` and the outlet's own. Thread-safe."""
        encoder = self._encoder
        return {
            "type": self.name,
            "frames": self._frames,
            "encoded": self._encoded,
            "encoder": encoder.name if encoder else None,
            **self._outlet.statistics(),
        }
