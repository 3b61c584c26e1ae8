"""What a camera would send: encoded frames whose brightness says their number."""

from __future__ import annotations

from fractions import Fraction

import av

from streamer.packets import VideoPacket, VideoTrack, split_annex_b


def encoded(frames: int, size: tuple[int, int] = (64, 48)) -> tuple[VideoTrack, list[VideoPacket]]:
    """H.264 at 25/s with a key frame every ten; frame n has the grey 2 * n, up to 250."""
    context = av.CodecContext.create("libx264", "w")
    context.width, context.height = size
    context.pix_fmt, context.framerate, context.time_base = "yuvj420p", 25, Fraction(1, 25)
    context.options = {"tune": "zerolatency", "crf": "10", "g": "10", "preset": "ultrafast"}
    packets = []
    for number in range(frames):
        frame = av.VideoFrame(*size, "yuvj420p")
        for plane, value in zip(frame.planes, (min(2 * number, 250), 128, 128), strict=True):
            plane.update(bytes([value]) * plane.buffer_size)
        frame.pts, frame.time_base = number, Fraction(1, 25)
        packets += [
            VideoPacket(bytes(p), p.pts or 0, p.is_keyframe, 0) for p in context.encode(frame)
        ]
    sets = tuple(bytes(unit) for unit in split_annex_b(packets[0].data) if unit[0] & 0x1F in (7, 8))
    return VideoTrack("h264", *size, Fraction(25), Fraction(1, 25), sets), packets
