"""
Which matrix turns a frame's YCbCr into RGB: the one it is tagged with, or the nearest that swscale
has.
"""

from __future__ import annotations

from typing import NamedTuple

from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorTrc

BT709, BT470BG, BT601, SMPTE240M, BT2020 = 1, 5, 6, 7, 9
"""AVColorSpace, which is ITU-T H.273's MatrixCoefficients."""
_UNSAID = 2
_TAKEN = frozenset({BT709, 4, BT470BG, BT601, SMPTE240M, BT2020})
_NAMES = {
    0: "RGB",
    3: "reserved",
    8: "YCgCo",
    10: "BT.2020 constant luminance",
    11: "SMPTE 2085",
    12: "chroma-derived",
    13: "chroma-derived constant luminance",
    14: "ICtCp",
    15: "IPT-C2",
    16: "YCgCo-Re",
    17: "YCgCo-Ro",
}
_SAID = {BT709: "BT.709", BT470BG: "BT.601", BT601: "BT.601", BT2020: "BT.2020"}
_FOR_PRIMARIES = {
    int(ColorPrimaries.BT709): BT709,
    int(ColorPrimaries.BT470BG): BT470BG,
    int(ColorPrimaries.SMPTE170M): BT601,
    int(ColorPrimaries.BT2020): BT2020,
}
_OF_BT2020 = frozenset({10, 11, 14, 15})
_CHROMA_DERIVED = frozenset({12, 13})
HDR = {int(ColorTrc.SMPTE2084): "PQ", int(ColorTrc.ARIB_STD_B67): "HLG"}
"""The transfer characteristics of HDR, and their names."""


class Matrix(NamedTuple):
    """A matrix that swscale takes."""

    code: int
    """AVColorSpace."""
    instead_of: str | None
    """Name of the frame's own tag, if swscale lacks that matrix; else None."""

    @property
    def name(self) -> str:
        """Such as `BT.709`."""
        return _SAID[self.code]


def matrix_of(frame: VideoFrame) -> Matrix | None:
    """
    The matrix to read *frame* with; None where it is no YCbCr.

    Without a tag, wide-gamut pictures are BT.2020, those from 1280 or 720 pixels up BT.709, and
    smaller ones BT.601, as players have it.
    """
    if frame.format.is_rgb or len(frame.format.components) < 3:
        return None
    said = frame.colorspace
    if said in _TAKEN:
        return Matrix(said, None)
    nearest = BT709 if frame.width >= 1280 or frame.height >= 720 else BT601
    if said in _OF_BT2020:
        nearest = BT2020
    elif said in _CHROMA_DERIVED:
        nearest = _FOR_PRIMARIES.get(frame.color_primaries, nearest)
    elif frame.color_primaries == ColorPrimaries.BT2020 or frame.color_trc in HDR:
        nearest = BT2020
    return Matrix(nearest, None if said == _UNSAID else _NAMES.get(said, f"number {said}"))
