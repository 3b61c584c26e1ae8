"""Pictures as an encoder takes them: one size and one pixel format for the whole stream."""

from __future__ import annotations

from typing import Literal

import numpy as np
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from streamer.compositing import Picture
from streamer.sinks.shared import yuv
from streamer.sinks.shared.fitting import Fitting

_RGB = 0
"""AVCOL_SPC_RGB."""


class Canvas:
    """
    Turns pictures of any size into frames of one size, that of the first picture.

    In YUV an odd side gets a black or transparent column at the right or row at the bottom. A
    picture of another size is scaled to fit, between bars of the same kind.

    Args:
        width: of the first picture in pixels.
        height: of the first picture in pixels.
        drawn: the pictures' pixel format.
        given: the frames' pixel format: YUV, then in BT.709 with limited range, or RGB.

    Owns its memory, which FFmpeg allocates. Not thread-safe.
    """

    def __init__(
        self,
        width: int,
        height: int,
        *,
        drawn: Literal["bgr", "bgra"] = "bgr",
        given: str = yuv.PIXELS,
    ) -> None:
        self._given = given
        self._yuv = given.startswith("yuv")
        odd = 1 if self._yuv else 0
        channels = len(drawn)
        self._frame = VideoFrame(
            width + (width & odd), height + (height & odd), "bgra" if channels == 4 else "bgr24"
        )
        self._reformatter = VideoReformatter()
        self._drawn = _pixels(self._frame, channels)
        self._fitting = Fitting(self._drawn, (width, height))
        self._quick = (
            yuv.Yuv420(self.width, self.height) if (drawn, given) == ("bgr", yuv.PIXELS) else None
        )

    @property
    def width(self) -> int:
        """Pixels of every frame; even in YUV."""
        return self._frame.width

    @property
    def height(self) -> int:
        """Pixels of every frame; even in YUV."""
        return self._frame.height

    def prepare(self, encoder: CodecContext) -> None:
        """Tell an encoder that is not open yet what `frame` gives."""
        assert isinstance(encoder, VideoCodecContext)  # noqa: S101 - callers add a video stream
        encoder.width, encoder.height = self.width, self.height
        encoder.pix_fmt = self._given
        if self._yuv:
            encoder.colorspace = encoder.color_primaries = encoder.color_trc = yuv.BT709
            encoder.color_range = int(ColorRange.MPEG)
        else:
            encoder.colorspace = _RGB
            encoder.color_range = int(ColorRange.JPEG)

    def frame(self, picture: Picture) -> VideoFrame:
        """
        *picture* as a frame without timestamps.

        Args:
            picture: (H, W, 3) uint8 BGR or (H, W, 4) BGRA, as `drawn` says; borrowed until
                this returns.

        Returns:
            A new frame; where BGRA stays BGRA the canvas's own, valid until the next call.
        """
        if self._quick is not None:
            if picture.shape != self._drawn.shape:
                self._fitting.draw(picture)
                picture = self._drawn
            return self._quick.frame(picture)
        self._fitting.draw(picture)
        if not self._yuv:
            return self._reformatter.reformat(self._frame, format=self._given)
        return self._reformatter.reformat(
            self._frame,
            format=self._given,
            dst_colorspace=Colorspace.ITU709,
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
            dst_color_primaries=yuv.BT709,
            dst_color_trc=yuv.BT709,
            # Without it neutral grey gets a tint, and the mask's white is 250.
            interpolation=Interpolation.BILINEAR | Interpolation.ACCURATE_RND,
        )


def _pixels(frame: VideoFrame, channels: int) -> Picture:
    """A (H, W, C) view of a packed frame's own memory, whose rows may be padded."""
    plane = frame.planes[0]
    return np.ndarray(
        (frame.height, frame.width, channels),
        np.uint8,
        buffer=memoryview(plane),
        strides=(plane.line_size, channels, 1),
    )
