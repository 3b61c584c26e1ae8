"""
Fragmented MP4 for a browser's MediaSource: one fragment for each packet, as soon as it comes.

FFmpeg writes the initialisation segment. The fragments are written here, because FFmpeg's muxer
holds a packet until the next one says how long it lasts. Boxes are those of ISO/IEC 14496-12,
samples of video those of 14496-15.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import count
from math import floor

import av

from streamer.errors import SinkError, ffmpeg_reason
from streamer.packets import (
    PARAMETER_SETS,
    AudioPacket,
    AudioTrack,
    VideoCodec,
    VideoPacket,
    VideoTrack,
    nal_type,
    split_annex_b,
)
from streamer.serving.muxing import add_audio, add_video

_NOMINAL_FPS = Fraction(25)
_NOMINAL_AUDIO_S = Fraction(1, 50)
_LONGEST_S = 1
"""Packets that are further apart have a gap between them."""
_FARTHEST = 0x7FFF_FFFF
"""The largest sample_composition_time_offset (8.8.8)."""
_SCALE = 90_000
"""Ticks of the video's timescale in a second."""
_VIDEO, _AUDIO = 1, 2
"""Values of track_ID: FFmpeg counts the streams from 1."""
_KEY, _NOT_KEY = 0x0200_0000, 0x0101_0000
"""Sample flags (8.8.3.1): depends on no other; depends on others and is no sync sample."""
_DELIMITER: dict[VideoCodec, int] = {"h264": 9, "hevc": 35}
"""NAL unit types that samples go without (ITU-T H.264 table 7-1, H.265 table 7-1)."""
_AAC_TYPES = (2, 5, 29)
"""Audio object types that browsers play: LC, and HE without and with parametric stereo."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What a page needs before the first fragment."""

    mime: str
    """With the codecs of RFC 6381, such as `video/mp4; codecs="avc1.42c01e,mp4a.40.2"`."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""
    data: bytes
    """The initialisation segment: the boxes `ftyp` and `moov`."""


def carries(track: AudioTrack) -> bool:
    """Whether browsers play that audio in MP4: AAC (LC or HE) and Opus, as they are."""
    return bool(_audio_codec(track))


class Fragments:
    """
    Turns the packets of one stream into fragments, which any number of viewers may share.

    A viewer gets `opening.data`, then every fragment from that of a key frame on. Times are those
    of the packets; if the first one's is below 0, which MP4 cannot hold, all are moved up by the
    same number of whole seconds.

    Args:
        video: describes the packets of video.
        audio: describes those of audio; None for a stream without.

    Raises:
        ValueError: *audio* is of a codec that browsers do not play, see `carries`.
        SinkError: the initialisation segment cannot be made, as without parameter sets.

    Not thread-safe.
    """

    def __init__(self, video: VideoTrack, audio: AudioTrack | None) -> None:
        self._track = video
        self._opening, audio_scale = _opened(video, audio)
        self._numbers = count(1)
        self._shift_s: int | None = None
        nominal_s = 1 / (video.fps or _NOMINAL_FPS)
        self._video = _Timing(video.time_base, _SCALE, nominal_s, _video_length)
        self._audio: _Timing | None = None
        if audio is not None:
            self._audio = _Timing(audio.time_base, audio_scale, _NOMINAL_AUDIO_S, _audio_length)

    @property
    def opening(self) -> Opening:
        """What goes before the fragments; always the same."""
        return self._opening

    def video(self, packet: VideoPacket) -> bytes:
        """
        One access unit as a fragment: the boxes `moof` and `mdat`.

        Raises:
            ValueError: it has other parameter sets than the track: make new `Fragments`.
        """
        return self._fragment(_VIDEO, self._video, packet.pts, packet.key, self._sample(packet))

    def audio(self, packet: AudioPacket) -> bytes:
        """
        One packet of audio as a fragment: the boxes `moof` and `mdat`.

        Raises:
            ValueError: the stream has no audio.
        """
        if self._audio is None:
            raise ValueError("the stream has no audio")
        return self._fragment(_AUDIO, self._audio, packet.pts, True, packet.data)

    def _sample(self, packet: VideoPacket) -> bytes:
        """The NAL units after their lengths (14496-15, 5.3.3 and 8.3.3)."""
        codec = self._track.codec
        parts: list[bytes | memoryview] = []
        for unit in split_annex_b(packet.data):
            kind = nal_type(codec, unit)
            if kind in PARAMETER_SETS[codec]:
                if unit not in self._track.parameter_sets:
                    raise ValueError(f"{codec}: a packet has other parameter sets than its track")
            elif kind != _DELIMITER[codec]:
                parts += (len(unit).to_bytes(4, "big"), unit)
        return b"".join(parts)

    def _fragment(self, track: int, timing: _Timing, pts: int, key: bool, sample: bytes) -> bytes:
        if self._shift_s is None:
            first_s = floor(pts * timing.time_base)
            self._shift_s = 0 if first_s >= 0 else 1 - first_s
        decoded, offset, length = timing.place(pts, self._shift_s)
        flags = _KEY if key else _NOT_KEY
        number = next(self._numbers) & 0xFFFF_FFFF
        # 8.8.7: 0x020000 is default-base-is-moof. 8.8.8: 0x01 is data-offset-present, and 0xF00
        # says that the duration, size, flags and composition time offset of the sample follow.
        parts = (
            _full_box(b"tfhd", 0, 0x02_0000, struct.pack(">I", track)),
            _full_box(b"tfdt", 1, 0, struct.pack(">Q", decoded)),
            _full_box(
                b"trun",
                1,
                0xF01,
                struct.pack(">IiIIIi", 1, _DATA_OFFSET, length, len(sample), flags, offset),
            ),
        )
        header = _full_box(b"mfhd", 0, 0, struct.pack(">I", number))
        return _box(b"moof", header, _box(b"traf", *parts)) + _box(b"mdat", sample)


_DATA_OFFSET = 112
"""Bytes from the beginning of `moof` to the sample: every fragment has the same boxes."""


class _Timing:
    """
    When the samples of a track are decoded and shown, in ticks of its timescale.

    A sample goes out before the next one comes, so its length is a guess. A browser that finds two
    samples decoded more than two lengths apart drops everything up to the next key frame (Media
    Source Extensions, coded frame processing, step 6): where the pace varies, most of the stream.
    So the decoding time keeps to that limit. Where the time of presentation is further ahead, the
    composition time offset makes up the difference, until the decoding time has caught up.
    """

    def __init__(
        self,
        time_base: Fraction,
        scale: int,
        nominal_s: Fraction,
        guess: Callable[[int, int], int],
    ) -> None:
        self.time_base = time_base
        self._scale = scale
        self._guess = guess
        self._longest = _LONGEST_S * scale
        self._distance = self._length = min(max(1, round(nominal_s * scale)), self._longest)
        self._shown: int | None = None
        self._decoded = 0

    def place(self, pts: int, shift_s: int) -> tuple[int, int, int]:
        """The next sample's decoding time, its composition time offset and its length."""
        shown = max(0, round((pts * self.time_base + shift_s) * self._scale))
        if self._shown is None:
            self._decoded = shown
        else:
            shown = max(shown, self._shown + 1)
            limit = self._decoded + max(1, 2 * self._length - 1)
            self._decoded = min(shown, max(limit, shown - _FARTHEST))
            before, self._distance = self._distance, shown - self._shown
            self._length = min(self._guess(self._distance, before), self._longest)
        self._shown = shown
        return self._decoded, shown - self._decoded, self._length


def _video_length(distance: int, before: int) -> int:
    """Rather too long: the next picture ends it, whereas a hole could stop the player."""
    return distance * 3 // 2


def _audio_length(distance: int, before: int) -> int:
    """Rather too short: Chrome cuts from a sample's sound what the next one overlaps."""
    return min(distance, before)


def _opened(video: VideoTrack, audio: AudioTrack | None) -> tuple[Opening, int]:
    """What FFmpeg makes of the tracks, and the timescale that it chose for audio."""
    if audio is not None and not carries(audio):
        raise ValueError(f"audio {audio.codec}: browsers do not play it in MP4: use aac or opus")
    kinds = {nal_type(video.codec, unit) for unit in video.parameter_sets}
    if not kinds.issuperset(PARAMETER_SETS[video.codec]):
        raise SinkError(f"{video.codec}: the track has not all of its parameter sets")
    audio_scale = 0
    written = io.BytesIO()
    options = {
        "movflags": "empty_moov+default_base_moof",
        "video_track_timescale": str(_SCALE),
    }
    try:
        with av.open(written, "w", format="mp4", options=options) as output:
            add_video(output, video).codec_context.codec_tag = _SAMPLE_ENTRY[video.codec]
            sound = None if audio is None else add_audio(output, audio)
            output.start_encoding()
            data = written.getvalue()
            if sound is not None and sound.time_base is not None:
                audio_scale = sound.time_base.denominator
    except (av.FFmpegError, ValueError) as error:
        raise SinkError(
            f"{video.codec}: cannot begin an MP4 stream: {ffmpeg_reason(error)}"
        ) from error
    codecs = _VIDEO_CODEC[video.codec](data) + ("" if audio is None else f",{_audio_codec(audio)}")
    return Opening(f'video/mp4; codecs="{codecs}"', video.width, video.height, data), audio_scale


def _audio_codec(track: AudioTrack) -> str:
    """Its name after RFC 6381, 3.3; empty where browsers do not play it."""
    match track.codec:
        case "aac" if track.extradata and track.extradata[0] >> 3 in _AAC_TYPES:
            return f"mp4a.40.{track.extradata[0] >> 3}"  # ISO/IEC 14496-3, 1.6.2.1
        case "opus" if track.channels <= 2 or track.extradata:
            return "opus"
        case _:
            return ""


def _avc_codec(opening: bytes) -> str:
    """Profile, constraints and level as in the AVCDecoderConfigurationRecord (RFC 6381, 3.4)."""
    begin = opening.index(b"avcC") + 5
    return f"avc1.{opening[begin : begin + 3].hex()}"


def _hevc_codec(opening: bytes) -> str:
    """The beginning of the HEVCDecoderConfigurationRecord as a name (14496-15, E.3)."""
    begin = opening.index(b"hvcC") + 5
    first, compatible, constraints, level = struct.unpack_from(">BI6sB", opening, begin)
    space, tier, profile = ("", "A", "B", "C")[first >> 6], "LH"[first >> 5 & 1], first & 0x1F
    reversed_ = int(f"{compatible:032b}"[::-1], 2)
    rest = "".join(f".{byte:x}" for byte in constraints.rstrip(b"\0"))
    return f"hvc1.{space}{profile}.{reversed_:x}.{tier}{level}{rest}"


_SAMPLE_ENTRY: dict[VideoCodec, str] = {"h264": "avc1", "hevc": "hvc1"}
_VIDEO_CODEC = {"h264": _avc_codec, "hevc": _hevc_codec}


def _box(kind: bytes, *parts: bytes) -> bytes:
    """A box of that kind around *parts* (4.2)."""
    return b"".join((struct.pack(">I4s", 8 + sum(map(len, parts)), kind), *parts))


def _full_box(kind: bytes, version: int, flags: int, content: bytes) -> bytes:
    return _box(kind, struct.pack(">I", version << 24 | flags), content)
