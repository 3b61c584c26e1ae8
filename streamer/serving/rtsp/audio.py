"""Audio in RTP, as it is: AAC (RFC 3640, AAC-hbr), G.711 (RFC 3551), Opus (RFC 7587)."""

from __future__ import annotations

from dataclasses import dataclass

from streamer.errors import SinkError
from streamer.packets import AudioTrack
from streamer.serving.rtsp.rtp import MAX_PAYLOAD, Payload

_DYNAMIC_TYPE = 97
_PCM = {"pcm_mulaw": ("PCMU", 0), "pcm_alaw": ("PCMA", 8)}
"""Encoding name and static payload type (RFC 3551 section 6)."""
_AAC_LONGEST = (1 << 13) - 1
"""Bytes of the longest unit: the AU-size of AAC-hbr has 13 bits."""


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """How a track is announced and cut into payloads."""

    codec: str
    payload_type: int
    clock_rate: int
    """Hz of its RTP timestamps."""
    channels: int
    rtpmap: str
    """`encoding/clock[/channels]`."""
    fmtp: str
    """The format's parameters; empty where it has none."""

    def packetise(self, data: bytes) -> list[Payload]:
        """One packet as payloads; none where it cannot be sent."""
        if not data:
            return []
        if self.codec == "aac":
            return _packetise_aac(memoryview(data))
        if self.codec == "opus":
            return [Payload(b"", data, marker=False)]
        step = MAX_PAYLOAD - MAX_PAYLOAD % self.channels
        view = memoryview(data)
        return [
            Payload(b"", view[begin : begin + step], marker=False, delay=begin // self.channels)
            for begin in range(0, len(data), step)
        ]


def audio_format(track: AudioTrack) -> AudioFormat:
    """
    How *track* goes over RTP.

    Raises:
        SinkError: it cannot, without encoding it anew.
    """
    rate, channels = track.sample_rate, track.channels
    if track.codec == "aac" and channels in (1, 2, 3, 4, 5, 6, 8) and track.extradata:
        fmtp = (
            "streamtype=5;profile-level-id=1;mode=AAC-hbr;"
            f"sizelength=13;indexlength=3;indexdeltalength=3;config={track.extradata.hex()}"
        )
        rtpmap = f"mpeg4-generic/{rate}/{channels}"
        return AudioFormat("aac", _DYNAMIC_TYPE, rate, channels, rtpmap, fmtp)
    if track.codec == "opus" and channels in (1, 2):
        # Whatever the source's rate and channels: RFC 7587 section 7.
        stereo = f"sprop-stereo={channels - 1}"
        return AudioFormat("opus", _DYNAMIC_TYPE, 48000, channels, "opus/48000/2", stereo)
    if track.codec in _PCM and channels >= 1:
        name, static = _PCM[track.codec]
        payload_type = static if (rate, channels) == (8000, 1) else _DYNAMIC_TYPE
        rtpmap = f"{name}/{rate}" + (f"/{channels}" if channels > 1 else "")
        return AudioFormat(track.codec, payload_type, rate, channels, rtpmap, "")
    raise SinkError(
        f"audio {track.codec}, {channels} channels, {rate} Hz cannot be relayed over RTSP: "
        "use aac, opus, pcm_mulaw or pcm_alaw, or no audio"
    )


def _packetise_aac(unit: memoryview) -> list[Payload]:
    """One access unit behind its AU-header (RFC 3640 section 3.3.6), in fragments when long."""
    if not 0 < len(unit) <= _AAC_LONGEST:
        return []
    # 16 bits of AU-headers: a size of 13 bits, the whole unit's in each fragment, and index 0.
    prefix = b"\x00\x10" + (len(unit) << 3).to_bytes(2, "big")
    room = MAX_PAYLOAD - len(prefix)
    return [
        Payload(prefix, unit[begin : begin + room], marker=begin + room >= len(unit))
        for begin in range(0, len(unit), room)
    ]
