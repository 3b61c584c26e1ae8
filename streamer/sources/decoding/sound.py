"""
The sound beside a video: its packets as they were encoded, in the one form that all outputs take.

AAC comes out of transport streams, and of what was copied from them, with an ADTS header before
each packet. Files and RTP want it without, and its configuration (AudioSpecificConfig) once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import chain
from typing import TypeVar

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream
from av.bitstream import BitStreamFilterContext
from av.packet import Packet

from streamer.packets import AudioPacket, AudioTrack

_AHEAD = 500
"""Most packets, of all kinds, that are read ahead to learn the format of the audio."""
_AAC_LC = 2
_AAC_RATES = (
    96000,
    88200,
    64000,
    48000,
    44100,
    32000,
    24000,
    22050,
    16000,
    12000,
    11025,
    8000,
    7350,
)
"""Hz, by samplingFrequencyIndex (ISO/IEC 14496-3, 1.6.3.4)."""
_T = TypeVar("_T", bound=Packet)  # type: ignore[type-arg] # of any stream


class Sound:
    """
    The packets of one audio stream. Not thread-safe.

    Attributes:
        stream: the stream that they come from.
        track: the format of the packets; None if unknown.
    """

    def __init__(self, stream: AudioStream) -> None:
        self.stream = stream
        context: AudioCodecContext | None = stream.codec_context
        self._unwrap: BitStreamFilterContext | None = None
        self._heard: list[AudioPacket] = []
        self.track: AudioTrack | None = None
        if context is None or not context.sample_rate or stream.time_base is None:
            return
        self.track = AudioTrack(
            context.codec.canonical_name,
            context.sample_rate,
            context.layout.nb_channels,
            stream.time_base,
            bytes(context.extradata or b""),
        )
        if self.track.codec == "aac" and self.track.extradata:
            # Passes on what has no header.
            self._unwrap = BitStreamFilterContext("aac_adtstoasc", in_stream=stream)

    def read_ahead(self, packets: Iterator[_T]) -> Iterator[_T]:
        """
        Learn the format of the audio from its first packet, where the container does not say it.

        Args:
            packets: of the container, from its beginning.

        Returns:
            All of *packets*, those that were read included.
        """
        if self.track is None or self.track.codec != "aac" or self.track.extradata:
            return packets
        ahead: list[_T] = []
        first = None
        failure: av.FFmpegError | None = None
        while first is None and len(ahead) < _AHEAD:
            try:
                packet = next(packets)
            except StopIteration:
                break
            except av.FFmpegError as error:
                failure = error
                break
            ahead.append(packet)
            if packet.stream.index == self.stream.index and packet.size:
                first = packet
        self._configure(b"" if first is None else bytes(first))
        return chain(ahead, packets) if failure is None else _up_to(ahead, failure)

    def _configure(self, first: bytes) -> None:
        assert self.track is not None  # noqa: S101 - checked by read_ahead
        config = b""
        if has_adts(first):
            self._unwrap = BitStreamFilterContext("aac_adtstoasc", in_stream=self.stream)
            config = _config_of(self.stream, first)
        config = config or _guessed_config(self.track)
        self.track = replace(self.track, extradata=config) if config else None

    def hear(self, packet: Packet[AudioStream]) -> None:
        """Keep one packet for `take`; one that is broken or has no time is left out."""
        pts = packet.pts
        if not packet.size or pts is None:
            return
        if self._unwrap is None:
            self._heard.append(AudioPacket(bytes(packet), pts))
            return
        try:
            plain = self._unwrap.filter(packet)
        except av.FFmpegError:
            self._unwrap.flush()
            return
        self._heard.extend(AudioPacket(bytes(p), pts) for p in plain if p.size)

    def forget(self, before_s: Fraction | None = None) -> None:
        """Drop all packets that are kept, or only those from before *before_s*."""
        if before_s is None or self.track is None:
            self._heard.clear()
            return
        begins = before_s / self.track.time_base
        self._heard = [packet for packet in self._heard if packet.pts >= begins]

    def take(self) -> list[AudioPacket]:
        """The packets that came since the last call."""
        heard, self._heard = self._heard, []
        return heard


def _up_to(packets: list[_T], failure: av.FFmpegError) -> Iterator[_T]:
    """Yield *packets*, then raise *failure*."""
    yield from packets
    raise failure


def has_adts(data: bytes) -> bool:
    """Whether *data* begins with the header of an ADTS frame (ISO/IEC 14496-3, 1.A.2.2)."""
    return len(data) >= 7 and data[0] == 0xFF and data[1] & 0xF6 == 0xF0


def _config_of(stream: AudioStream, data: bytes) -> bytes:
    """AudioSpecificConfig, from the header of *data*; empty where it has an odd one."""
    try:
        plain = BitStreamFilterContext("aac_adtstoasc", in_stream=stream).filter(Packet(data))
    except av.FFmpegError:
        return b""
    said = [p.get_sidedata("new_extradata") for p in plain if p.has_sidedata("new_extradata")]
    return bytes(said[0]) if said else b""


def _guessed_config(track: AudioTrack) -> bytes:
    """AudioSpecificConfig of AAC-LC (ISO/IEC 14496-3, 1.6.2.1); empty where none fits."""
    if track.sample_rate not in _AAC_RATES or track.channels not in (1, 2, 3, 4, 5, 6, 8):
        return b""
    layout = 7 if track.channels == 8 else track.channels
    rate = _AAC_RATES.index(track.sample_rate)
    return (_AAC_LC << 11 | rate << 7 | layout << 3).to_bytes(2, "big")
