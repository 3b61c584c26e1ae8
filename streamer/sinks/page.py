"""A stream's pictures for its page: each layout and kind is made only while somebody watches it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from typing import Any, Protocol

import cv2

from streamer.compositing import FillAndKey, Pixels, SinkComposer
from streamer.config import LayoutConfig, PageSinkConfig
from streamer.errors import SinkError, StreamerError
from streamer.frame import Frame, Image, Matte, Stamp, StreamInfo
from streamer.packets import AudioPacket
from streamer.serving.fragments import Fragments, carries
from streamer.serving.views import Audience, Piece, View
from streamer.sinks.making import Making
from streamer.sinks.shared.encoder import EncoderSettings, LiveEncoder

_log = logging.getLogger(__name__)

_MICROSECONDS = Fraction(1, 1_000_000)
_LEAST_S = 1 / 61
"""Frames that come sooner after another are left out: no screen shows them."""

MakeComposer = Callable[[LayoutConfig, Pixels], SinkComposer]


def make(config: PageSinkConfig, making: Making) -> PageSink:
    """The sink that *config* asks for; see `Making`."""
    settings = EncoderSettings(
        encoder=config.encoder, quality=config.quality, bitrate_kbps=config.bitrate_kbps
    )
    view = making.view or View()
    return PageSink(view, making.composer, settings, config.jpeg_quality)


class PageSink:
    """
    Encodes frames for those who watch a stream in a browser; idle while nobody does.

    Args:
        view: who watches what.
        compose: makes a composer for a layout, as `Making.composer`.
        settings: how H.264 is encoded.
        jpeg_quality: 1 to 100.
        clock: seconds; tests pass their own.
    """

    name = "page"

    def __init__(
        self,
        view: View,
        compose: MakeComposer,
        settings: EncoderSettings,
        jpeg_quality: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._view = view
        self._compose = compose
        self._settings = settings
        self._jpeg_quality = jpeg_quality
        self._info: StreamInfo | None = None
        self._channels: dict[Audience, Channel] = {}
        self._failed: set[Audience] = set()
        self._frames = self._encoded = 0
        self._due_s = 0.0

    def open(self, info: StreamInfo) -> None:
        """Note what the stream will be."""
        self._info = info

    def write(self, frame: Frame, matte: Matte) -> None:
        """
        Encode a frame for those who watch; both are borrowed until this returns.

        What fails is logged, and its viewers get no picture: they do not end the stream.
        """
        self._frames += 1
        if not matte.is_card:
            self._fulfil(frame, matte)
        watched = self._view.watched
        if not (watched or self._channels):
            return
        now_s = self._clock()
        if now_s < self._due_s:
            return
        self._due_s = max(self._due_s, now_s - _LEAST_S) + _LEAST_S  # frames come with jitter
        wanted = [one for one in watched if not self._is_relayed(one)]
        for gone in [audience for audience in self._channels if audience not in wanted]:
            self._channels.pop(gone).close()
        self._failed.intersection_update(wanted)
        for audience in wanted:
            if audience not in self._failed:
                self._show(audience, frame, matte)

    def write_audio(self, packet: AudioPacket) -> None:
        """Hand on one packet of audio."""
        for channel in self._channels.values():
            channel.write_audio(packet)

    def close(self) -> None:
        """End the pictures; viewers wait for another run. Safe to call twice."""
        while self._channels:
            self._channels.popitem()[1].close()
        for still in self._view.take_stills():
            still.set_exception(SinkError("page: the stream has ended"))
        self._view.pause()

    def statistics(self) -> dict[str, Any]:
        """`{type, frames, encoded, viewers}`. Thread-safe."""
        return {
            "type": self.name,
            "frames": self._frames,
            "encoded": self._encoded,
            "viewers": self._view.viewers,
        }

    def _show(self, audience: Audience, frame: Frame, matte: Matte) -> None:
        try:
            channel = self._channels.get(audience)
            if channel is None:
                channel = self._channels[audience] = self._channel(audience)
            self._encoded += channel.write(frame, matte)
        except Exception as error:  # whatever it is, it must not end the stream
            told = not isinstance(error, StreamerError)
            _log.warning("page: no picture: %s", error, exc_info=told)
            self._failed.add(audience)
            audience.put(None)
            if audience in self._channels:
                self._channels.pop(audience).close()

    def _is_relayed(self, audience: Audience) -> bool:
        return audience.kind == "mp4" and self._view.relayed_by(audience.key) is not None

    def _channel(self, audience: Audience) -> Channel:
        if self._info is None:
            raise SinkError("page: is not open")
        composer: SinkComposer
        if audience.kind == "keyed":
            composer = FillAndKey(self._compose(audience.layout, "bgra"))
        else:
            composer = self._compose(audience.layout, "bgr")
        if audience.kind == "jpeg":
            return JpegChannel(audience, composer, self._jpeg_quality)
        return Mp4Channel(audience, composer, self._settings, self._info)

    def _fulfil(self, frame: Frame, matte: Matte) -> None:
        """Make the single pictures that are wanted."""
        stills = self._view.take_stills()
        if not stills:
            return
        try:
            composer = self._compose(LayoutConfig(layout="cutout"), "bgra")
            try:
                data = _encoded(".png", composer.picture_of(frame, matte), ())
            finally:
                composer.close()
        except Exception as error:  # whoever waits must learn of any
            for still in stills:
                still.set_exception(error)
            return
        for still in stills:
            still.set_result(data)


class Channel(Protocol):
    """Makes the pictures of one audience."""

    def write(self, frame: Frame, matte: Matte) -> bool:
        """Encode a frame, if somebody is ready for it; returns that. Raises SinkError."""
        ...

    def write_audio(self, packet: AudioPacket) -> None:
        """Hand on one packet of audio."""
        ...

    def close(self) -> None:
        """Release what it has. Safe to call twice."""
        ...


class JpegChannel:
    """A JPEG picture for each frame that a viewer is ready for."""

    def __init__(self, audience: Audience, composer: SinkComposer, quality: int) -> None:
        self._audience = audience
        self._composer = composer
        self._flags = (cv2.IMWRITE_JPEG_QUALITY, quality)

    def write(self, frame: Frame, matte: Matte) -> bool:
        """See `Channel`."""
        if not self._audience.eager:
            return False
        picture = self._composer.picture_of(frame, matte)
        self._audience.put(Piece(_encoded(".jpg", picture, self._flags)))
        return True

    def write_audio(self, packet: AudioPacket) -> None:
        """Nothing: it has no place."""

    def close(self) -> None:
        """See `Channel`."""
        self._composer.close()


class Mp4Channel:
    """
    H.264 in fragments of MP4, one for each frame.

    A live source's frames have their own times. Others are worked on as fast as they can be, and
    are shown when they come.
    """

    def __init__(
        self,
        audience: Audience,
        composer: SinkComposer,
        settings: EncoderSettings,
        info: StreamInfo,
    ) -> None:
        self._audience = audience
        self._composer = composer
        self._settings = settings
        self._info = info
        self._audio = info.audio if info.live else None
        if self._audio is not None and not carries(self._audio):
            self._audio = None
        self._encoder: LiveEncoder | None = None
        self._fragments: Fragments | None = None
        self._latest_us = 0
        self._size = 0, 0

    def write(self, frame: Frame, matte: Matte) -> bool:
        """See `Channel`."""
        picture = self._composer.picture_of(frame, matte)
        stamp = frame.stamp if self._info.live else self._as_it_comes(frame.stamp)
        if self._encoder is None or self._size != picture.shape[:2]:
            self._restart(picture, stamp)
        assert self._encoder is not None  # noqa: S101 - it was just made
        key = self._audience.take_key_request() or self._fragments is None
        for packet in self._encoder.encode(picture, stamp, key=key):
            if self._fragments is None:
                self._fragments = Fragments(self._encoder.track, self._audio)
                self._audience.begin(self._fragments.opening)
            self._audience.put(Piece(self._fragments.video(packet), packet.key))
        return True

    def write_audio(self, packet: AudioPacket) -> None:
        """See `Channel`."""
        if self._fragments is None or self._audio is None or self._encoder is None:
            return
        pts = self._encoder.moved(packet.pts, self._audio.time_base)
        if pts is not None:
            moved = AudioPacket(packet.data, pts)
            self._audience.put(Piece(self._fragments.audio(moved), key=False))

    def close(self) -> None:
        """See `Channel`."""
        self._composer.close()
        self._end()

    def _restart(self, picture: Image, stamp: Stamp) -> None:
        """Begin anew, for another size."""
        self._end()
        self._size = height, width = picture.shape[:2]
        self._encoder = LiveEncoder(width, height, stamp.time_base, self._info.fps, self._settings)

    def _end(self) -> None:
        encoder, self._encoder, self._fragments = self._encoder, None, None
        if encoder is not None:
            with suppress(SinkError):
                encoder.close()

    def _as_it_comes(self, stamp: Stamp) -> Stamp:
        self._latest_us = max(self._latest_us + 1, time.monotonic_ns() // 1000)
        return replace(stamp, pts=self._latest_us, time_base=_MICROSECONDS)


def _encoded(suffix: str, picture: Image, flags: tuple[int, ...]) -> bytes:
    done, data = cv2.imencode(suffix, picture, flags)
    if not done:
        raise SinkError(f"page: cannot encode a picture of {picture.shape}")
    return data.tobytes()
