"""
HDR video (PQ and HLG) as SDR, by tables that are made once.

The reference is 203 nits for diffuse white (ITU-R BT.2408): what is darker keeps its relations,
what is brighter is rolled off, and colours outside of BT.709 lose saturation but not hue. The table
works on YCbCr at the resolution of its chroma; the 8 bits that it gives go through swscale faster
than the 10 that it takes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, TypeVar

import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, VideoReformatter
from numpy.typing import NDArray

from streamer.sources.decoding.matrices import BT709, BT2020

_Floats = NDArray[np.floating]
_Code = TypeVar("_Code", np.uint8, np.uint16)

_WHITE_NITS = 203.0
_HLG_NITS = 1000.0
"""The peak of the screen that HLG is rendered for."""
_PEAK = 10_000 / _WHITE_NITS
_KNEE = 0.7
"""Linear light of SDR up to which nothing is compressed; diffuse white comes out at 0.85."""
_GAMMA = 2.4
"""Of the screen that SDR is for (ITU-R BT.1886)."""
_BITS = 10
_SLICES = 128
"""Steps of luma in the table…"""
_NODES = 129
"""…each with so many nodes of Cb and Cr, between which it is interpolated."""
_NODE = 8
_COMPUTED = 65
"""Nodes of luma that are computed; the table's steps are interpolated between them."""
_LUMA_WEIGHTS = {1: (0.2126, 0.0722), 4: (0.3, 0.11), 7: (0.212, 0.087), 9: (0.2627, 0.0593)}
"""Weights of red and blue for each matrix; for all others `_BT601`."""
_BT601 = (0.299, 0.114)
_CHROMATICITIES = {
    int(ColorPrimaries.BT709): ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060)),
    int(ColorPrimaries.BT2020): ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    int(ColorPrimaries.SMPTE431): ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    int(ColorPrimaries.SMPTE432): ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
_D65 = (0.3127, 0.3290)


class ToneMap:
    """Makes SDR frames of HDR ones. Not thread-safe; allocates when the size is new."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()
        self._sdr: VideoFrame | None = None

    def apply(self, frame: VideoFrame) -> VideoFrame:
        """
        *frame* in SDR: 4:2:0 of 8 bits, BT.709, limited range; borrowed until the next call.

        Args:
            frame: of any size and layout, tagged PQ or HLG, with a matrix that swscale takes.
        """
        hdr = frame
        if frame.format.name != "yuv420p10le":
            matrix = Colorspace.BT2020 if frame.format.is_rgb else None
            hdr = self._reformatter.reformat(
                frame, format="yuv420p10le", dst_colorspace=matrix, threads=1
            )
        tables = _tables(
            hdr.color_trc, hdr.color_primaries, hdr.colorspace, hdr.color_range == ColorRange.JPEG
        )
        sdr = self._sdr
        if sdr is None or (sdr.width, sdr.height) != (hdr.width, hdr.height):
            self._sdr = sdr = VideoFrame(hdr.width, hdr.height, "yuv420p")
            sdr.colorspace, sdr.color_range = BT709, ColorRange.MPEG
            self._scratch = _Scratch.of(hdr.height, hdr.width)
        self._look_up(tables, _planes(hdr, np.uint16), _planes(sdr, np.uint8))
        return sdr

    def _look_up(
        self, tables: _Tables, hdr: list[NDArray[np.uint16]], sdr: list[NDArray[np.uint8]]
    ) -> None:
        (luma, cb, cr), scratch = hdr, self._scratch
        try:
            cv2.LUT(luma, tables.curve, dst=sdr[0])
        except cv2.error:  # OpenCV 4 has tables for 8 bits only.
            np.take(tables.curve, luma, out=sdr[0], mode="clip")
        size = cb.shape[::-1]
        cv2.resize(luma, size, dst=scratch.small, interpolation=cv2.INTER_LINEAR)
        np.floor_divide(scratch.small, (1 << _BITS) // _SLICES, out=scratch.small)
        np.multiply(scratch.small, _NODES, out=scratch.small)
        np.multiply(cr, np.float32(1 / _NODE), out=scratch.x)
        cv2.addWeighted(cb, 1 / _NODE, scratch.small, 1, 0, dst=scratch.y, dtype=cv2.CV_32F)
        cv2.remap(tables.atlas, scratch.x, scratch.y, cv2.INTER_LINEAR, dst=scratch.found)
        cv2.split(scratch.found, (scratch.shift, sdr[1], sdr[2], scratch.unused))
        cv2.addWeighted(sdr[0], 1, scratch.twice(luma.shape), 1, -128, dst=sdr[0])


class _Scratch(NamedTuple):
    """Arrays for one size of frame, which are used again and again."""

    small: NDArray[np.uint16]
    x: NDArray[np.float32]
    y: NDArray[np.float32]
    found: NDArray[np.uint8]
    shift: NDArray[np.uint8]
    unused: NDArray[np.uint8]
    pairs: NDArray[np.uint16]
    """(rows, 2, columns): each value of *shift* four times, as two bytes in two rows."""

    @classmethod
    def of(cls, height: int, width: int) -> _Scratch:
        rows, columns = half = ((height + 1) // 2, (width + 1) // 2)
        return cls(
            np.empty(half, np.uint16),
            np.empty(half, np.float32),
            np.empty(half, np.float32),
            np.empty((*half, 4), np.uint8),
            np.empty(half, np.uint8),
            np.empty(half, np.uint8),
            np.empty((rows, 2, columns), np.uint16),
        )

    def twice(self, shape: tuple[int, int]) -> NDArray[np.uint8]:
        """*shift* doubled in both directions, cut to *shape*; borrowed."""
        for row in (0, 1):  # To copy one row to the other, numpy would make a copy in between.
            np.multiply(self.shift, np.uint16(0x0101), out=self.pairs[:, row])
        height, width = shape
        return self.pairs.view(np.uint8).reshape(2 * len(self.pairs), -1)[:height, :width]


class _Tables(NamedTuple):
    """The SDR values for the codes of one kind of HDR signal."""

    curve: NDArray[np.uint8]
    """(65536,): SDR luma for each HDR luma of a grey, which has 10 bits in 16."""
    atlas: NDArray[np.uint8]
    """
    (128 * 129, 129, 4): for each step of luma, a table over Cb (rows) and Cr (columns). Its
    channels are the difference of luma from the curve (plus 128), Cb, Cr, and one that only makes
    it faster.
    """


def _planes(frame: VideoFrame, code: type[_Code]) -> list[NDArray[_Code]]:
    """The planes of *frame* as (height, width), without their padding."""
    planes = []
    for plane in frame.planes:
        rows = np.frombuffer(memoryview(plane), code)
        planes.append(rows.reshape(plane.height, -1)[:, : plane.width])
    return planes


@lru_cache(maxsize=4)
def _tables(transfer: int, primaries: int, matrix: int, full: bool) -> _Tables:
    """The tables for a signal with these tags; *full*: whether it has full range."""
    codes = np.arange(1 << 16, dtype=np.float32).clip(0, (1 << _BITS) - 1)
    black, luma_range, chroma_range = (0, 1023, 1023) if full else (64, 876, 896)

    def mapped(luma: _Floats, cb: _Floats, cr: _Floats) -> _Floats:
        rgb = _to_rgb((luma - black) / luma_range, cb / chroma_range, cr / chroma_range, matrix)
        return _to_ycbcr(_to_sdr(rgb.clip(0, 1), transfer, primaries))

    zero = np.zeros(1, np.float32)
    curve = mapped(codes, zero, zero)[..., 0]
    luma = np.linspace(0, 1 << _BITS, _COMPUTED, dtype=np.float32)[:, None, None]
    chroma = np.arange(_NODES, dtype=np.float32) * _NODE - 512
    exact = np.full((_COMPUTED, _NODES, _NODES, 4), 128, np.float32)
    exact[..., :3] = mapped(luma, chroma[:, None], chroma)
    exact[..., 0] += 128 - mapped(luma, zero, zero)[..., 0]
    atlas = np.empty((_SLICES, _NODES, _NODES, 4), np.uint8)
    for number, at in enumerate((np.arange(_SLICES) + 0.5) * (_COMPUTED - 1) / _SLICES):
        below, over = int(at), at - int(at)
        atlas[number] = _codes(cv2.addWeighted(exact[below], 1 - over, exact[below + 1], over, 0))
    return _Tables(_codes(curve), atlas.reshape(_SLICES * _NODES, _NODES, 4))


def _codes(values: _Floats) -> NDArray[np.uint8]:
    return np.rint(values).clip(0, 255).astype(np.uint8)


def _to_rgb(luma: _Floats, cb: _Floats, cr: _Floats, matrix: int) -> _Floats:
    """Luma in [0, 1] and chroma in [-0.5, 0.5] as (…, 3) RGB."""
    of_red, of_blue = _LUMA_WEIGHTS.get(matrix, _BT601)
    luma, cb, cr = np.broadcast_arrays(luma, cb, cr)
    red = luma + 2 * (1 - of_red) * cr
    blue = luma + 2 * (1 - of_blue) * cb
    green = (luma - of_red * red - of_blue * blue) / (1 - of_red - of_blue)
    return np.stack((red, green, blue), axis=-1)


def _to_ycbcr(rgb: _Floats) -> _Floats:
    """(…, 3) RGB in [0, 1] as BT.709's 8-bit codes of limited range."""
    of_red, of_blue = _LUMA_WEIGHTS[BT709]
    luma = rgb @ np.array((of_red, 1 - of_red - of_blue, of_blue))
    cb = (rgb[..., 2] - luma) / (2 * (1 - of_blue))
    cr = (rgb[..., 0] - luma) / (2 * (1 - of_red))
    return np.stack((16 + 219 * luma, 128 + 224 * cb, 128 + 224 * cr), axis=-1)


def _to_sdr(signal: _Floats, transfer: int, primaries: int) -> _Floats:
    """(…, 3) RGB of an HDR signal in [0, 1] as that of a BT.709 signal."""
    light = _hlg_light(signal) if transfer == ColorTrc.ARIB_STD_B67 else _pq_light(signal)
    brightest = light.max(axis=-1, keepdims=True)
    light = light * (_rolled_off(brightest) / brightest.clip(1e-9))
    sdr: _Floats = _within(light @ _to_bt709(primaries).T) ** (1 / _GAMMA)
    return sdr


def _pq_light(signal: _Floats) -> _Floats:
    """SMPTE ST 2084; 1 is diffuse white."""
    power = signal ** (1 / 78.84375)
    light = np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)
    linear: _Floats = light ** (1 / 0.1593017578125) * _PEAK
    return linear


def _hlg_light(signal: _Floats) -> _Floats:
    """ITU-R BT.2100, as a screen of 1000 nits shows it; 1 is diffuse white."""
    high = (np.exp((signal - 0.55991073) / 0.17883277) + 0.28466892) / 12
    scene = np.where(signal <= 0.5, signal**2 / 3, high)
    of_red, of_blue = _LUMA_WEIGHTS[BT2020]
    luminance = scene @ np.array((of_red, 1 - of_red - of_blue, of_blue))
    light: _Floats = scene * luminance[..., None] ** 0.2 * (_HLG_NITS / _WHITE_NITS)
    return light


def _rolled_off(light: _Floats) -> _Floats:
    """Reinhard's curve above the knee; the peak of PQ becomes 1."""
    over = np.maximum(light - _KNEE, 0) / (1 - _KNEE)
    peak = (_PEAK - _KNEE) / (1 - _KNEE)
    rolled: _Floats = over * (1 + over / peak**2) / (1 + over)
    curve: _Floats = np.minimum(light, _KNEE) + (1 - _KNEE) * rolled
    return curve


def _within(light: _Floats) -> _Floats:
    """Colours outside of [0, 1] brought inside along the line to the grey of their luminance."""
    of_red, of_blue = _LUMA_WEIGHTS[BT709]
    grey = (light @ np.array((of_red, 1 - of_red - of_blue, of_blue)))[..., None].clip(0, 1)
    away = light - grey
    room = np.where(away > 0, 1 - grey, grey)
    keep = np.min(room / np.maximum(np.abs(away), room).clip(1e-9), axis=-1, keepdims=True)
    inside: _Floats = (grey + keep * away).clip(0, 1)
    return inside


def _to_bt709(primaries: int) -> _Floats:
    """The matrix from linear RGB of *primaries*, BT.2020 where unknown, to BT.709's."""
    wide = _CHROMATICITIES.get(primaries, _CHROMATICITIES[int(ColorPrimaries.BT2020)])
    narrow = _CHROMATICITIES[int(ColorPrimaries.BT709)]
    return np.linalg.inv(_to_xyz(narrow)) @ _to_xyz(wide)


def _to_xyz(corners: tuple[tuple[float, float], ...]) -> _Floats:
    """The matrix from linear RGB with white at D65 to CIE XYZ."""

    def xyz(x: float, y: float) -> tuple[float, float, float]:
        return x / y, 1.0, (1 - x - y) / y

    columns = np.array([xyz(*corner) for corner in corners]).T
    return columns * np.linalg.solve(columns, np.array(xyz(*_D65)))
