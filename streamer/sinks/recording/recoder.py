"""
Re-encodes sound for files that cannot hold the source's codec.

It is decoded and encoded in the caller's thread, packet by packet, on the source's clock. A gap
stays a gap, and overlaps are left out: sound and pictures keep step over any length.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.codec.context import CodecContext, Flags
from av.packet import Packet

from streamer.packets import AudioPacket, AudioTrack

SoundCodec = Literal["aac", "opus"]

_ENCODERS: dict[SoundCodec, tuple[str, str]] = {"aac": ("aac", "fltp"), "opus": ("libopus", "flt")}
"""FFmpeg's encoder, and the sample format that it takes."""
_RATES: dict[SoundCodec, frozenset[int]] = {
    "aac": frozenset({8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000}),
    "opus": frozenset({48000}),
}
"""Sample rates that are kept; others become 48,000 Hz."""
_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 8: "7.1"}
"""By number of channels; others become stereo."""
_OWN_LAYOUTS: dict[SoundCodec, dict[int, str]] = {"aac": {}, "opus": {4: "quad"}}
"""Layouts that an encoder takes instead of those."""
_BITS_A_CHANNEL = 96_000
_FAR_S = Fraction(1, 10)
"""Seconds off the source's times: more is a gap or an overlap, less is jitter."""
_OFF_S = Fraction(1, 100)
"""Sound that is off by this much on average is brought back into step…"""
_AVERAGED = 50
"""…on an average over so many packets."""


class Recoder:
    """
    Re-encodes one track. Not thread-safe.

    Args:
        track: the source's.
        codec: of the new track.

    Attributes:
        track: the new one.

    Raises:
        av.FFmpegError, ValueError: nothing here decodes *track*.
    """

    def __init__(self, track: AudioTrack, codec: SoundCodec) -> None:
        self._base = track.time_base
        self._decoder = _decoder(track)
        self._encoder = _encoder(track, codec)
        rate = self._encoder.sample_rate
        config = bytes(self._encoder.extradata or b"")
        channels = self._encoder.layout.nb_channels
        self.track = AudioTrack(codec, rate, channels, Fraction(1, rate), config)
        self._resampler: AudioResampler | None = None
        self._kind = ("", "", 0)
        """Format, layout and rate of the frames that are resampled."""
        self._samples = AudioFifo()
        self._first = 0
        """Time of the next sample to be encoded, in units of the new track."""
        self._begun = self._in_step = self._lost = False
        self._off = 0.0
        """Samples by which the source is ahead, on average."""
        self._try_layout()

    def feed(self, packet: AudioPacket) -> list[AudioPacket]:
        """Take a packet; return those that are ready. One that cannot be decoded is skipped."""
        given: Packet[AudioStream] = Packet(packet.data)  # type: ignore[assignment] # of no stream yet
        given.pts, given.time_base = packet.pts, self._base
        return self._decoded(given)

    def finish(self) -> list[AudioPacket]:
        """End the track, and return the packets that are left."""
        ready = self._decoded(None) + self._drained()
        rest = self._samples.read(0, partial=True) if self._samples.samples else None
        if rest is not None:
            ready += self._encode(rest)
        return ready + self._encode(None)

    def _try_layout(self) -> None:
        """Raise av.FFmpegError where the layout of the channels cannot be mixed."""
        silence = AudioFrame("s16", self._decoder.layout.name, 32)
        silence.sample_rate = self._decoder.sample_rate
        self._new_resampler().resample(silence)

    def _decoded(self, given: Packet[AudioStream] | None) -> list[AudioPacket]:
        """The packets that are ready after *given*, which is None at the end."""
        ready: list[AudioPacket] = []
        try:
            for frame in self._decoder.decode(given):
                ready += self._resampled(frame)
        except av.FFmpegError:
            self._lost = True
        return ready

    def _resampled(self, frame: AudioFrame) -> list[AudioPacket]:
        ready: list[AudioPacket] = []
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._resampler is None or kind != self._kind:
            ready = self._drained()
            self._kind, self._resampler = kind, self._new_resampler()
            self._lost = self._begun
        for part in self._resampler.resample(frame):
            ready += self._take(part)
        return ready

    def _drained(self) -> list[AudioPacket]:
        """Take what the resampler holds back, and drop the resampler."""
        resampler, self._resampler = self._resampler, None
        rest = [] if resampler is None else resampler.resample(None)
        return [packet for part in rest for packet in self._take(part)]

    def _new_resampler(self) -> AudioResampler:
        encoder = self._encoder
        return AudioResampler(encoder.format, encoder.layout, encoder.sample_rate)

    def _take(self, part: AudioFrame) -> list[AudioPacket]:
        """Put *part* where it belongs in time, and encode the whole frames."""
        ready: list[AudioPacket] = []
        if part.pts is not None and part.time_base is not None:
            rate = self.track.sample_rate
            due = round(part.pts * part.time_base * rate)
            off = due - self._first - self._samples.samples
            if abs(off) > _FAR_S * rate:
                self._in_step = False
            if not self._in_step and self._begun and off < 0:
                return []
            if not self._in_step or self._lost:
                ready = self._go_on_at(due)
            else:
                self._follow(off)
        self._begun = self._in_step = True
        self._lost = False
        part.pts, part.time_base = None, self.track.time_base
        self._samples.write(part)
        while (whole := self._samples.read(self._encoder.frame_size)) is not None:
            ready += self._encode(whole)
        return ready

    def _follow(self, off: int) -> None:
        """Note that the source is *off* samples ahead; if it stays so, catch up."""
        self._off += (off - self._off) / _AVERAGED
        if abs(self._off) <= _OFF_S * self.track.sample_rate:
            return
        step, self._off = round(self._off), 0.0
        if step > 0:
            self._first += step
        elif self._samples.samples:
            self._samples.read(min(-step, self._samples.samples))

    def _go_on_at(self, due: int) -> list[AudioPacket]:
        """Fill up to *due* with silence; encode the waiting frame unless *due* lies in it."""
        self._off = 0.0
        waiting, size = self._samples.samples, self._encoder.frame_size
        missing = due - self._first - waiting
        if not waiting:
            self._first = due if not self._begun else max(due, self._first)
            return []
        if missing <= 0:
            return []
        self._samples.write(self._silence(min(missing, size - waiting)))
        if waiting + missing < size:
            return []
        whole = self._samples.read(size)
        ready = [] if whole is None else self._encode(whole)
        self._first = due
        return ready

    def _silence(self, samples: int) -> AudioFrame:
        encoder = self._encoder
        silence = AudioFrame(encoder.format.name, encoder.layout.name, samples)
        silence.sample_rate = encoder.sample_rate
        for plane in silence.planes:
            plane.update(bytes(plane.buffer_size))
        return silence

    def _encode(self, frame: AudioFrame | None) -> list[AudioPacket]:
        if frame is not None:
            frame.pts, frame.time_base = self._first, self.track.time_base
            self._first += frame.samples
        return [
            AudioPacket(bytes(packet), packet.pts)
            for packet in self._encoder.encode(frame)
            if packet.pts is not None
        ]


def _decoder(track: AudioTrack) -> AudioCodecContext:
    decoder = CodecContext.create(track.codec, "r")
    if not isinstance(decoder, AudioCodecContext):
        raise ValueError(f"{track.codec} is no sound")
    decoder.sample_rate = track.sample_rate
    decoder.layout = _LAYOUTS.get(track.channels, f"{track.channels} channels")
    if track.extradata:
        decoder.extradata = track.extradata
    decoder.open()
    return decoder


def _encoder(track: AudioTrack, codec: SoundCodec) -> AudioCodecContext:
    name, samples = _ENCODERS[codec]
    encoder = CodecContext.create(name, "w")
    assert isinstance(encoder, AudioCodecContext)  # noqa: S101 - both are
    rate = track.sample_rate if track.sample_rate in _RATES[codec] else 48_000
    encoder.sample_rate, encoder.time_base = rate, Fraction(1, rate)
    layouts = _LAYOUTS | _OWN_LAYOUTS[codec]
    encoder.layout = layouts.get(track.channels, "stereo")
    encoder.format = samples
    encoder.bit_rate = _BITS_A_CHANNEL * encoder.layout.nb_channels
    encoder.flags |= Flags.global_header
    encoder.open()
    return encoder
