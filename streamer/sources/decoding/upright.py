"""
Decoded frames to pictures as they are meant to be seen: BGR in the right colours and range, no
brighter than a screen shows, upright, of square pixels, over black where they are transparent.

Nothing here allocates a picture in numpy's memory for an ordinary frame: swscale writes into
FFmpeg's own buffers, and one copy goes into the caller's.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Mapping
from fractions import Fraction
from typing import Literal, NamedTuple, cast

import av
import cv2
import numpy as np
from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from streamer.errors import CorruptFrame, SourceUnsupported
from streamer.frame import Image
from streamer.sources.decoding.matrices import HDR, Matrix, matrix_of
from streamer.sources.decoding.pixels import square_size
from streamer.sources.decoding.tonemap import ToneMap

_log = logging.getLogger(__name__)

_PIXEL = np.dtype("V3")
_FATAL = frozenset({"yaf32le", "yaf32be"})
"""Layouts at which swscale ends the process (grey and alpha as floats, which OpenEXR has)."""
_RANGES = frozenset({0, 1, 2})
_Key = tuple[str, int, int, int, int, int, int]


class Turn(NamedTuple):
    """What puts a frame upright: rows become columns first, then it is mirrored and flipped."""

    transposed: bool
    mirrored: bool
    """Left and right change places."""
    flipped: bool
    """Top and bottom change places."""


_AS_IT_IS = Turn(transposed=False, mirrored=False, flipped=False)
_QUARTERS = (
    _AS_IT_IS,
    Turn(transposed=True, mirrored=False, flipped=True),
    Turn(transposed=False, mirrored=True, flipped=True),
    Turn(transposed=True, mirrored=True, flipped=False),
)


class Upright:
    """
    Writes decoded frames as upright BGR; keeps swscale's state between them. Not thread-safe.

    Args:
        name: how the source is called in messages.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._reformatter = VideoReformatter()
        self._works = False
        self._turn = _AS_IT_IS
        self._rotation: int | None = None
        self._key: _Key | None = None
        self._matrix: Matrix | None = None
        self._transparent = False
        self._tone: ToneMap | None = None
        self._said: set[str] = set()
        self._square = self._shown = self._weighted = np.empty((0, 0, 3), np.uint8)

    def size(self, frame: VideoFrame, aspect: Fraction | None) -> tuple[int, int]:
        """
        (width, height) of *frame* as it is shown, in square pixels.

        Args:
            frame: as decoded.
            aspect: its pixels' width by their height; None if unknown.
        """
        width, height = square_size(frame.width, frame.height, aspect)
        return (height, width) if self._turn_of(frame).transposed else (width, height)

    def write(self, frame: VideoFrame, out: Image) -> None:
        """
        Write *frame* into *out*, turned as its metadata says and scaled to it.

        Args:
            frame: as decoded.
            out: (height, width, 3) uint8 of its `size`, C-contiguous; overwritten.

        Raises:
            SourceUnsupported: FFmpeg cannot convert it, and has converted no frame before.
            CorruptFrame: FFmpeg cannot convert it, but has converted others.
        """
        self._learn(frame)
        turn = self._turn_of(frame)
        height, width = out.shape[1::-1] if turn.transposed else out.shape[:2]
        try:
            rows = self._converted(frame)
        except (av.FFmpegError, ValueError) as error:
            kind = CorruptFrame if self._works else SourceUnsupported
            layout = frame.format.name
            raise kind(f"{self._name}: its pictures ({layout}) cannot be converted") from error
        self._works = True
        if rows.shape[:2] != (height, width):
            # OpenCV does this in half of swscale's time.
            self._square = _sized(self._square, (height, width, 3))
            cv2.resize(rows, (width, height), dst=self._square, interpolation=cv2.INTER_CUBIC)
            rows = self._square
        _copy_turned(rows, turn, out)

    def _turn_of(self, frame: VideoFrame) -> Turn:
        """
        How *frame* is put upright. What a key frame says holds for later frames that say nothing.

        The whole matrix is read only when its rotation is new: reading side data makes a frame part
        of a reference cycle, which only the garbage collector frees.
        """
        rotation = frame.rotation
        if rotation != self._rotation and (rotation or frame.key_frame or self._rotation is None):
            self._rotation, self._turn = rotation, _turn_said(frame)
        return self._turn

    def _learn(self, frame: VideoFrame) -> None:
        """Choose how to convert frames like *frame*; tell what is unusual, once."""
        key = (
            frame.format.name,
            frame.width,
            frame.height,
            frame.colorspace,
            frame.color_range,
            frame.color_trc,
            frame.color_primaries,
        )
        if key != self._key:
            self._key = key
            self._matrix = matrix = matrix_of(frame)
            self._transparent = frame.format.has_palette or any(
                component.is_alpha for component in frame.format.components
            )
            hdr = HDR.get(frame.color_trc)
            self._tone = None if hdr is None else self._tone or ToneMap()
            if hdr is not None:
                self._tell(logging.INFO, f"HDR ({hdr}) is tone mapped to what a screen shows")
            if matrix is not None and matrix.instead_of is not None:
                text = f"its colours are tagged {matrix.instead_of}: they are read as {matrix.name}"
                self._tell(logging.WARNING, text)
        if self._matrix is not None and frame.colorspace != self._matrix.code:
            frame.colorspace = self._matrix.code
        if frame.color_range not in _RANGES:
            frame.color_range = 0

    def _tell(self, level: int, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            _log.log(level, "%s: %s", self._name, text)

    def _converted(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """*frame* as (h, w, 3) BGR, not turned or scaled; borrowed until the next call."""
        if frame.format.name in _FATAL:
            raise ValueError(frame.format.name)
        shown = frame if self._tone is None else self._tone.apply(frame)
        if not self._transparent:
            return self._packed(shown, "bgr24")
        rows = self._packed(frame, "bgra")
        if shown is not frame:
            rows[..., :3] = self._packed(shown, "bgr24")
        return self._over_black(rows)

    def _packed(self, frame: VideoFrame, layout: Literal["bgr24", "bgra"]) -> NDArray[np.uint8]:
        """*frame* as (h, w, channels), in FFmpeg's memory."""
        picture = self._reformatter.reformat(frame, format=layout, threads=1)
        plane = picture.planes[0]
        channels = 4 if layout == "bgra" else 3
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        rows = rows[: picture.height, : picture.width * channels]
        return rows.reshape(picture.height, picture.width, channels)

    def _over_black(self, rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(h, w, 3) of straight BGRA over black."""
        self._weighted = _sized(self._weighted, rows.shape)
        self._shown = _sized(self._shown, (*rows.shape[:2], 3))
        cv2.cvtColor(rows, cv2.COLOR_RGBA2mRGBA, dst=self._weighted)
        cv2.cvtColor(self._weighted, cv2.COLOR_BGRA2BGR, dst=self._shown)
        return self._shown


def _sized(array: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """*array*, or a new one where it has another shape."""
    return array if array.shape == shape else np.empty(shape, np.uint8)


def _turn_said(frame: VideoFrame) -> Turn:
    """The turn for the one of eight orientations that is nearest to *frame*'s display matrix."""
    try:
        matrix = cast("Mapping[str, SideData]", frame.side_data)["DISPLAYMATRIX"]
    except KeyError:
        return _AS_IT_IS
    except ValueError:  # Beside it is data of a kind that PyAV does not know.
        return _QUARTERS[round(frame.rotation / 90) % 4]
    # A pixel at (x, y) is shown at (a * x + c * y, b * x + d * y).
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(matrix))
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Turn(transposed=False, mirrored=a < 0, flipped=d < 0)
    return Turn(transposed=True, mirrored=c < 0, flipped=b < 0)


def _copy_turned(rows: NDArray[np.uint8], turn: Turn, out: Image) -> None:
    """Copy (h, w, 3) *rows*, turned, into *out*, which has the shape after the turn."""
    if turn == _AS_IT_IS:
        np.copyto(out, rows)
        return
    pixels: NDArray[np.void] = rows.view(_PIXEL)[..., 0]
    if turn.transposed:
        pixels = pixels.T
    rows_step, columns_step = -1 if turn.flipped else 1, -1 if turn.mirrored else 1
    target: NDArray[np.void] = out.view(_PIXEL)[..., 0]
    np.copyto(target, pixels[::rows_step, ::columns_step])


def wants(size: tuple[int, int], out: Image) -> None:
    """Raise ValueError unless *out* is an array for a picture of *size* (width, height)."""
    if out.shape != (size[1], size[0], 3):
        raise ValueError(f"an array of {out.shape} for a frame of {size[0]}x{size[1]}")
