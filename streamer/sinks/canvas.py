"""The picture that an encoder is given: of one size for the whole stream, in BT.709 4:2:0."""

from __future__ import annotations

import cv2
import numpy as np
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from streamer.frame import Image

_BT709 = 1
"""AVCOL_SPC_BT709, AVCOL_PRI_BT709 and AVCOL_TRC_BT709 alike."""


class Canvas:
    """
    Pictures of any size as frames of one size.

    That is the first picture's, plus a black column or row at the right or bottom where it is odd.
    A picture of another size is scaled into it, with black bars.

    Args:
        width: of the first picture in pixels.
        height: of the first picture in pixels.

    Owns its memory, which is FFmpeg's. Not thread-safe.
    """

    def __init__(self, width: int, height: int) -> None:
        self._size = (width, height)
        self._frame = VideoFrame(width + width % 2, height + height % 2, "bgr24")
        self._reformatter = VideoReformatter()
        self._pixels = _pixels(self._frame)
        self._pixels[:] = 0
        self._drawn = self._size

    @property
    def width(self) -> int:
        """Pixels of every frame; even."""
        return self._frame.width

    @property
    def height(self) -> int:
        """Pixels of every frame; even."""
        return self._frame.height

    def prepare(self, encoder: CodecContext) -> None:
        """Tell an encoder that is not open yet what `frame` gives."""
        assert isinstance(encoder, VideoCodecContext)  # noqa: S101 - callers add a video stream
        encoder.width, encoder.height = self.width, self.height
        encoder.pix_fmt = "yuv420p"
        encoder.colorspace = encoder.color_primaries = encoder.color_trc = _BT709
        encoder.color_range = int(ColorRange.MPEG)

    def frame(self, picture: Image) -> VideoFrame:
        """
        *picture* as a yuv420p frame without timestamps.

        Args:
            picture: (H, W, 3) uint8 BGR; borrowed until this returns.
        """
        self._draw(picture)
        return self._reformatter.reformat(
            self._frame,
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
            # Without it neutral grey gets a tint, and the mask's white is 250.
            interpolation=Interpolation.BILINEAR | Interpolation.ACCURATE_RND,
        )

    def _draw(self, picture: Image) -> None:
        height, width = picture.shape[:2]
        if (width, height) != self._drawn:
            self._pixels[:] = 0
            self._drawn = (width, height)
        if (width, height) == self._size:
            np.copyto(self._pixels[:height, :width], picture)
            return
        rows, columns = self._pixels.shape[:2]
        scale = min(columns / width, rows / height)
        inner_width = max(1, min(columns, round(width * scale)))
        inner_height = max(1, min(rows, round(height * scale)))
        left, top = (columns - inner_width) // 2, (rows - inner_height) // 2
        cv2.resize(
            picture,
            (inner_width, inner_height),
            dst=self._pixels[top : top + inner_height, left : left + inner_width],
            interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR,
        )


def _pixels(frame: VideoFrame) -> Image:
    """A (H, W, 3) view of a bgr24 frame's own memory, whose rows may be padded."""
    plane = frame.planes[0]
    return np.ndarray(
        (frame.height, frame.width, 3),
        np.uint8,
        buffer=memoryview(plane),
        strides=(plane.line_size, 3, 1),
    )
