"""A stream for others to watch: each composed picture encoded once, then served or published."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any

from streamer.compositing import SinkComposer
from streamer.config import RtspSinkConfig, ServeAddress
from streamer.core.home import expanded
from streamer.errors import SinkError
from streamer.frame import Frame, Matte, StreamInfo
from streamer.packets import AudioPacket, AudioTrack
from streamer.serving.rtsp import TlsFiles
from streamer.sinks.making import Making
from streamer.sinks.relaying.outlets import (
    Outlet,
    PageOutlet,
    PublishedOutlet,
    ServedOutlet,
    SeveralOutlets,
)
from streamer.sinks.shared.encoder import EncoderSettings, LiveEncoder

_log = logging.getLogger(__name__)


def make(config: RtspSinkConfig, making: Making) -> RelaySink:
    """The sink that *config* asks for; see `Making`."""
    settings = EncoderSettings(
        codec="h264" if config.codec == "h264" else "hevc",
        encoder=config.encoder,
        preset=config.preset,
        quality=config.quality,
        bitrate_kbps=config.bitrate_kbps,
        gop_s=config.gop_s,
    )
    return RelaySink(_outlet(config, making), making.composer(config), settings)


def _outlet(config: RtspSinkConfig, making: Making) -> Outlet:
    outlets: list[Outlet] = []
    if config.serve is not None:
        address = ServeAddress.parse(config.serve.get_secret_value())
        tls = None
        if config.certificate is not None and config.private_key is not None:
            tls = TlsFiles(expanded(config.certificate), expanded(config.private_key))
        outlets.append(ServedOutlet(address, making.servers, tls, making.tell))
    if config.publish is not None:
        published = PublishedOutlet(
            config.publish.get_secret_value(),
            config.transport,
            tls_verify=config.tls_verify,
            tls_ca=config.tls_ca,
        )
        outlets.append(published)
    if making.view is not None and config.codec == "h264":
        outlets.append(PageOutlet(making.view, config))
    return outlets[0] if len(outlets) == 1 else SeveralOutlets(outlets)


class RelaySink:
    """
    Encodes the composed picture of each frame, and hands it on.

    The stream keeps the first picture's size: later ones of another size are scaled to fit, so
    viewers stay. While nobody watches, nothing is composed or encoded after the first frame.
    """

    name = "rtsp"

    def __init__(self, outlet: Outlet, composer: SinkComposer, settings: EncoderSettings) -> None:
        self._outlet = outlet
        self._composer = composer
        self._settings = settings
        self._info: StreamInfo | None = None
        self._audio: AudioTrack | None = None
        self._encoder: LiveEncoder | None = None
        self._encoded_by: tuple[str | None, str | None] = None, None
        """The encoder's name and preset, also after its end."""
        self._prepared = False
        self._begun = False
        self._frames = 0
        self._encoded = 0

    def prepare(self) -> None:
        """
        Open the outlet; viewers who come before the first frame are asked to try again.

        Raises:
            SinkError: the address or the path is not available.
        """
        self._prepared = True
        self._outlet.open()

    def open(self, info: StreamInfo) -> None:
        """
        Note what the stream will be, and `prepare` if that was not done.

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
        picture = self._composer.picture_of(frame, matte)
        if self._encoder is None:
            if self._info is None:
                raise SinkError("rtsp: is not open")
            height, width = picture.shape[:2]
            self._encoder = LiveEncoder(
                width, height, frame.stamp.time_base, self._info.fps, self._settings
            )
            self._encoded_by = self._encoder.name, self._encoder.preset
        for packet in self._encoder.encode(picture, frame.stamp, key=key):
            if not self._begun:
                self._outlet.begin(self._encoder.track, self._audio)
                self._begun = True
            self._outlet.send_video(packet)
            self._encoded += 1

    def write_audio(self, packet: AudioPacket) -> None:
        """Hand on one packet of audio; ignored before the video, or if it has no place."""
        if not self._begun or self._audio is None or self._encoder is None:
            return
        pts = self._encoder.moved(packet.pts, self._audio.time_base)
        if pts is not None:
            self._outlet.send_audio(AudioPacket(packet.data, pts))

    def close(self) -> None:
        """End the stream. Safe to call twice."""
        self._composer.close()
        try:
            self._outlet.close()
        finally:
            # Dropped, for only then its threads end: the sink may be kept for its figures.
            encoder, self._encoder = self._encoder, None
            if encoder is not None:
                with suppress(SinkError):
                    encoder.close()

    def statistics(self) -> dict[str, Any]:
        """`{type, frames, encoded, encoder, preset, …}` and the outlet's own. Thread-safe."""
        encoder, preset = self._encoded_by
        return {
            "type": self.name,
            "frames": self._frames,
            "encoded": self._encoded,
            "encoder": encoder,
            "preset": preset,
            **self._outlet.statistics(),
        }
