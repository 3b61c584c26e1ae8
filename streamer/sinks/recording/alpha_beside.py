"""
An alpha beside the colours, in WebM and MKV, for a codec whose pictures cannot hold one.

Each alpha is an AV1 picture of its own: grey, of full range, and a key frame. It goes into block
addition 1 of the colours' picture, as for VP9 (WebM Container Guidelines, "AlphaMode"; RFC 9559,
5.1.3.5.2).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from av.codec.context import CodecContext
from av.packet import Packet, PacketSideData, packet_sidedata_type_from_literal
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream

from streamer.core.cores import library_threads
from streamer.frame import Alpha

_OPTIONS = {
    # Each picture is coded by itself. With references to others, the alpha of moving hair is off by
    # up to 50 of 255 at any quality; without, by 5 at most.
    "preset": "8",
    "svtav1-params": "pred-struct=1",
    "crf": "5",
}
_ADDITION = (1).to_bytes(8, "big")
"""FFmpeg wants the number of a block addition before its content."""
_DELIMITER = b"\x12\x00"
"""The temporal delimiter, which AV1 in Matroska leaves out."""
_GREY = 128

_HEADER_BYTES = 65_536
"""FFmpeg's description of the tracks ends within these."""
_SEGMENT, _TRACKS, _TRACK, _VIDEO = b"\x18\x53\x80\x67", b"\x16\x54\xae\x6b", b"\xae", b"\xe0"
_LACING, _DEFAULT, _CRC, _VOID = b"\x9c", b"\x88", b"\xbf", b"\xec"
_ALPHA_MODE = b"\x53\xc0\x81\x01"


class AlphaBeside:
    """
    Encodes alphas, and attaches each to the packet of its picture.

    Args:
        width: of the pictures, even.
        height: of the pictures, even.
        time_base: seconds in one unit of the timestamps.
        fps: the rate that the encoder is told.

    Raises what PyAV raises, and ValueError where colours and alphas lose step. Not thread-safe.
    """

    def __init__(self, width: int, height: int, time_base: Fraction, fps: Fraction) -> None:
        self._frame = VideoFrame(width, height, "yuv420p")
        self._frame.time_base = time_base
        luma, *chroma = self._frame.planes
        self._luma = np.frombuffer(memoryview(luma), np.uint8).reshape(height, luma.line_size)[
            :, :width
        ]
        for plane in chroma:
            np.frombuffer(memoryview(plane), np.uint8)[:] = _GREY
        encoder = CodecContext.create("libsvtav1", "w")
        assert isinstance(encoder, VideoCodecContext)  # noqa: S101 - that one is
        encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
        encoder.color_range = int(ColorRange.JPEG)
        encoder.time_base, encoder.framerate = time_base, fps
        encoder.gop_size = 1
        encoder.thread_count = library_threads()
        encoder.options = dict(_OPTIONS)
        self._encoder = encoder
        self._alphas: deque[Packet[VideoStream]] = deque()
        self._pictures: deque[Packet[VideoStream]] = deque()

    def add(self, alpha: Alpha, pts: int) -> None:
        """Encode the alpha (H, W) of the picture at *pts*; borrowed until this returns."""
        np.copyto(self._luma, alpha)
        self._frame.pts = pts
        self._alphas.extend(self._encoder.encode(self._frame))

    def finish(self) -> None:
        """Flush the encoder."""
        self._alphas.extend(self._encoder.encode(None))

    @property
    def waiting(self) -> int:
        """Number of pictures whose alpha is not there yet."""
        return len(self._pictures)

    def join(self, pictures: Sequence[Packet[VideoStream]]) -> list[Packet[VideoStream]]:
        """Add *pictures*; return those, and earlier ones, that have got their alpha."""
        self._pictures.extend(pictures)
        joined = []
        while self._pictures and self._alphas:
            picture, alpha = self._pictures.popleft(), self._alphas.popleft()
            if picture.pts != alpha.pts:
                raise ValueError(f"the alpha of {alpha.pts} beside the picture of {picture.pts}")
            content = _ADDITION + bytes(alpha).removeprefix(_DELIMITER)
            kind = packet_sidedata_type_from_literal("matroska_block_additional")
            data = PacketSideData(kind, len(content))  # type: ignore[call-arg] # its stub has none
            data.update(content)
            picture.set_sidedata(data, move=True)
            joined.append(picture)
        return joined


def mark(path: Path) -> bool:
    """
    Set the flag for an alpha in the header of the file at *path*, whose first track is the video.

    FFmpeg sets it for VP8 and VP9 only, and writes the header again at the end. No byte after the
    first track's description moves: the flag takes the place of two others. Their defaults say that
    the track is the one to play, and that its blocks may be laced. A checksum of the tracks goes.

    Returns:
        Whether it is set now: not while the header is not in the file.

    Raises:
        OSError: the file cannot be read or written.
        ValueError: its header is none that FFmpeg writes.
    """
    with path.open("r+b") as file:
        header = file.read(_HEADER_BYTES)
        segment = _find(_SEGMENT, header, 0, len(header))
        tracks = segment and _find(_TRACKS, header, segment.body, len(header))
        if tracks is None or tracks.end > len(header):
            return False
        track = _find(_TRACK, header, tracks.body, tracks.end)
        if track is None:
            raise ValueError(f"{path}: it has no tracks")
        video = _find(_VIDEO, header, track.body, track.end)
        if video is None:
            raise ValueError(f"{path}: its first track is no video")
        if _ALPHA_MODE in header[video.body : video.end]:
            return True
        before = [
            header[element.start : element.end]
            for element in _elements(header, track.body, video.start)
            if element.name not in (_LACING, _DEFAULT)
        ]
        described = header[video.body : video.end] + _ALPHA_MODE
        room = video.end - track.body - sum(map(len, before)) - len(described) - 4
        if room < 0 or len(described) > 126:
            raise ValueError(f"{path}: no place to say that there is an alpha")
        void = _VOID + bytes([0x80 | room]) + bytes(room)
        if header[tracks.body : tracks.body + 1] == _CRC:
            file.seek(tracks.body)
            file.write(_VOID)
        file.seek(track.body)
        file.write(b"".join([*before, void, _VIDEO, bytes([0x80 | len(described)]), described]))
    return True


@dataclass(frozen=True, slots=True)
class _Element:
    """An element of EBML: its name, its start, the start of its content, and its end."""

    name: bytes
    start: int
    body: int
    end: int


def _elements(data: bytes, start: int, end: int) -> Iterator[_Element]:
    """The elements of *data* that begin between *start* and *end*; RFC 8794, 4 to 6."""
    while start < min(end, len(data) - 12):
        width = 9 - data[start].bit_length()
        at = start + width
        length = 9 - data[at].bit_length()
        body = at + length
        size = int.from_bytes(data[at:body], "big") & ((1 << 7 * length) - 1)
        yield _Element(data[start:at], start, body, body + size)
        start = body + size


def _find(name: bytes, data: bytes, start: int, end: int) -> _Element | None:
    return next((one for one in _elements(data, start, end) if one.name == name), None)
