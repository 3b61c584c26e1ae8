"""Which decoder reads a stream: FFmpeg's choice, unless that would get its alpha wrong."""

from __future__ import annotations

import av
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from streamer.core.cores import library_threads

_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""Decoders that read the alpha beside the pictures; FFmpeg's own leave it out."""


def decoder_of(stream: VideoStream) -> VideoCodecContext:
    """The stream's own decoder, set up, or another one that also decodes its alpha."""
    # Slices add no delay and cost the least CPU; frame threads were measured no faster.
    stream.thread_type = "SLICE"
    stream.thread_count = library_threads()
    context = stream.codec_context
    if (
        context.name == "rawvideo"
        and context.pix_fmt == "bgra"
        and not context.codec_tag.strip("\0")
    ):
        # BI_RGB of AVI has no alpha: its fourth byte means nothing, and is mostly 0.
        context.pix_fmt = "bgr0"
    name = _WITH_ALPHA.get(context.codec.canonical_name)
    if name is None or stream.metadata.get("alpha_mode") != "1":
        return context
    try:
        other = av.CodecContext.create(name, "r")
    except av.codec.codec.UnknownCodecError:
        return context
    assert isinstance(other, VideoCodecContext)  # noqa: S101 - as its name says
    other.thread_count = library_threads()
    return other
