"""
200 pictures that something is odd about, the same ones each time.

A name that begins with `good` is of one that must be cut out, `bad` of one that must be named in a
message; of what begins with `any` either will do.
"""

from __future__ import annotations

import io
import os
import struct
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as Picture

MAX_PIXELS = 2_000_000
"""With which they are to be cut out."""

_RANDOM = np.random.default_rng(7)


def rgb(width: int = 40, height: int = 30) -> Picture.Image:
    coarse = _RANDOM.integers(0, 256, (4, 5, 3), np.uint8)
    return Picture.fromarray(coarse).resize((width, height), Picture.Resampling.BICUBIC)


def saved(picture: Picture.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return len(content).to_bytes(4) + kind + content + checksum.to_bytes(4)


def with_chunk(png: bytes, kind: bytes, content: bytes) -> bytes:
    """*png* with one more chunk after its header."""
    return png[:33] + chunk(kind, content) + png[33:]


def deep(*shape: int, suffix: str = ".png") -> bytes:
    return cv2.imencode(suffix, _RANDOM.integers(0, 65536, shape).astype(np.uint16))[1].tobytes()


def without_adobe(jpeg: bytes) -> bytes:
    start = jpeg.index(b"\xff\xee")
    length = int.from_bytes(jpeg[start + 2 : start + 4])
    return jpeg[:start] + jpeg[start + 2 + length :]


def ycck(jpeg: bytes) -> bytes:
    """A CMYK JPEG whose first three planes are said to be YCbCr."""
    transform = jpeg.index(b"Adobe") + 11
    return jpeg[:transform] + b"\2" + jpeg[transform + 1 :]


def sized(jpeg: bytes, width: int, height: int) -> bytes:
    frame = jpeg.index(b"\xff\xc0")
    return jpeg[: frame + 5] + struct.pack(">HH", height, width) + jpeg[frame + 9 :]


def tiff_header(width: int, height: int) -> bytes:
    entries = [(256, width), (257, height), (258, 8), (259, 1), (262, 1), (273, 122), (277, 1)]
    entries += [(278, height), (279, 8)]
    body = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + body + bytes(4) + bytes(8)


def png_header(width: int, height: int, content: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(content or bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


def ico_of(png: bytes) -> bytes:
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, 0, 0, 0, 0, 1, 32, len(png), 22) + png


def claiming(png: bytes, length: int) -> bytes:
    """*png* whose first IDAT says to be of another *length*."""
    at = png.index(b"IDAT") - 4
    return png[:at] + length.to_bytes(4) + png[at + 4 :]


def turned(form: str, orientation: int) -> bytes:
    exif = Picture.Exif()
    exif[0x0112] = orientation
    return saved(rgb(24, 16), form, exif=exif)


def frames(count: int = 4) -> list[Picture.Image]:
    return [rgb(20, 15) for _ in range(count)]


def pictures() -> dict[str, bytes]:
    """Their names and contents."""
    made: dict[str, bytes] = {}
    _modes(made)
    _sizes(made)
    _jpegs(made)
    _other_formats(made)
    _moving(made)
    _turned(made)
    _broken(made)
    _not_pictures(made)
    _bombs(made)
    _names(made)
    return made


def _modes(made: dict[str, bytes]) -> None:
    for mode in ("L", "LA", "P", "1", "RGB", "RGBA"):
        made[f"good-mode-{mode}.png"] = saved(rgb().convert(mode), "PNG")
    palette = rgb().quantize(16)
    made["good-palette-one-clear.png"] = saved(palette, "PNG", transparency=3)
    made["good-palette-alpha.png"] = saved(palette, "PNG", transparency=bytes(range(0, 256, 16)))
    made["good-palette-2.png"] = saved(rgb().quantize(2), "PNG", bits=1)
    made["good-key-rgb.png"] = saved(rgb(), "PNG", transparency=(1, 2, 3))
    made["good-key-grey.png"] = saved(rgb().convert("L"), "PNG", transparency=7)
    made["good-all-clear.png"] = saved(Picture.new("RGBA", (9, 9)), "PNG")
    for name, channels in (("grey", 1), ("rgb", 3), ("rgba", 4)):
        made[f"good-16-bit-{name}.png"] = deep(20, 30, channels)
        made[f"good-16-bit-{name}.tiff"] = deep(20, 30, channels, suffix=".tiff")
    made["good-16-bit-key.png"] = with_chunk(deep(20, 30, 3), b"tRNS", bytes(6))
    made["good-16-bit-grey-key.png"] = with_chunk(deep(20, 30, 1), b"tRNS", bytes(2))
    made["good-interlaced.png"] = interlaced()
    made["good-profile-broken.png"] = saved(rgb(), "PNG", icc_profile=b"no profile" * 20)
    made["good-profile-broken.jpg"] = saved(rgb(), "JPEG", icc_profile=b"no profile" * 20)


def interlaced() -> bytes:
    """A 1x1 PNG by Adam7: of its seven passes only the first has a pixel."""
    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 1)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0\x10\x20\x30"))
    return b"\x89PNG\r\n\x1a\n" + parts + chunk(b"IEND", b"")


def _sizes(made: dict[str, bytes]) -> None:
    sizes = [(1, 1), (2, 1), (1, 2), (3, 3), (33, 17), (1, 5000), (5000, 1), (16000, 2)]
    for form in ("PNG", "JPEG", "WEBP", "GIF"):
        for width, height in sizes:
            name = f"good-size-{width}x{height}.{form.lower()}"
            made[name] = saved(rgb(width, height), form)
    made["good-size-70000x1.png"] = saved(rgb(70000, 1), "PNG")


def _jpegs(made: dict[str, bytes]) -> None:
    cmyk = saved(rgb().convert("CMYK"), "JPEG")
    made["good-grey.jpg"] = saved(rgb().convert("L"), "JPEG")
    made["good-cmyk.jpg"] = cmyk
    made["good-cmyk-no-adobe.jpg"] = without_adobe(cmyk)
    made["good-ycck.jpg"] = ycck(cmyk)
    made["good-progressive.jpg"] = saved(rgb(), "JPEG", progressive=True)
    made["good-cmyk-progressive.jpg"] = saved(rgb().convert("CMYK"), "JPEG", progressive=True)
    for number, name in enumerate(("444", "422", "420")):
        made[f"good-{name}.jpg"] = saved(rgb(), "JPEG", subsampling=number)
    made["good-rgb-planes.jpg"] = saved(rgb(), "JPEG", keep_rgb=True)
    made["good-quality-1.jpg"] = saved(rgb(), "JPEG", quality=1)
    made["good-comment.jpg"] = saved(rgb(), "JPEG", comment=b"x" * 60000)
    made["good-tail.jpg"] = saved(rgb(), "JPEG") + b"tail" * 999
    made["good-exif-broken.jpg"] = saved(rgb(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    made["good-exif-cut.jpg"] = saved(rgb(), "JPEG", exif=turned("TIFF", 3)[:30])
    made["good-mpo.jpg"] = saved(rgb(), "MPO", save_all=True, append_images=[rgb()])


def _other_formats(made: dict[str, bytes]) -> None:
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        made[f"good-{compression}.tif"] = saved(rgb(), "TIFF", compression=compression)
    made["good-fax.tif"] = saved(rgb().convert("1"), "TIFF", compression="group4")
    for mode in ("CMYK", "LAB", "I", "F", "L", "P", "RGBA", "I;16"):
        made[f"good-{mode}.tif"] = saved(_in(mode), "TIFF")
    made["good-pages.tif"] = saved(rgb(), "TIFF", save_all=True, append_images=frames())
    for mode in ("RGB", "L", "1", "P", "RGBA"):
        made[f"good-{mode}.bmp"] = saved(rgb().convert(mode), "BMP")
    for mode, suffix in (("RGB", "ppm"), ("L", "pgm"), ("1", "pbm"), ("I;16", "pgm")):
        made[f"good-{mode}.{suffix}"] = saved(_in(mode), "PPM")
    made["good-text.ppm"] = b"P3 2 1 255 1 2 3 4 5 6\n"
    made["good-icon.ico"] = saved(rgb(64, 64), "ICO")
    made["good-picture.avif"] = saved(rgb(), "AVIF")
    made["good-picture.jp2"] = saved(rgb(), "JPEG2000")
    made["good-lossless.webp"] = saved(rgb().convert("RGBA"), "WEBP", lossless=True)


def _in(mode: str) -> Picture.Image:
    if mode == "LAB":
        return Picture.frombytes("LAB", (6, 4), bytes([150, 10, 240] * 24))
    if mode == "I;16":
        return Picture.fromarray(np.arange(600, dtype=np.uint16).reshape(20, 30) * 100)
    return rgb().convert(mode)


def _moving(made: dict[str, bytes]) -> None:
    first, *rest = frames()
    for form, suffix in (("GIF", "gif"), ("WEBP", "webp"), ("PNG", "png")):
        made[f"good-moving.{suffix}"] = saved(first, form, save_all=True, append_images=rest)
    clear = [frame.convert("RGBA") for frame in frames()]
    clear[0].putalpha(0)
    made["good-moving-clear.gif"] = saved(
        clear[0], "GIF", save_all=True, append_images=clear[1:], disposal=2
    )
    made["good-moving-hidden.png"] = saved(
        first, "PNG", save_all=True, append_images=rest, default_image=True
    )


def _turned(made: dict[str, bytes]) -> None:
    for form in ("JPEG", "PNG", "WEBP", "TIFF"):
        for orientation in (*range(9), 9, 65535):
            name = f"good-turned-{orientation}.{form.lower()}"
            made[name] = turned(form, orientation)


def _broken(made: dict[str, bytes]) -> None:
    for form in ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"):
        whole = saved(rgb(60, 50), form)
        for share in (0.02, 0.3, 0.7):
            name = f"bad-cut-at-{int(share * 100)}.{form.lower()}"
            made[name] = whole[: int(len(whole) * share)]
    whole = deep(30, 40, 3)
    made["bad-cut-16-bit.png"] = whole[: len(whole) // 2]
    for number in range(16):
        form = ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "JPEG2000", "AVIF", "BMP")[number % 8]
        data = bytearray(saved(rgb(60, 50), form))
        for place in _RANDOM.integers(8, len(data), 12):
            data[place] = _RANDOM.integers(256)
        made[f"any-flipped-{number}.{form.lower()}"] = bytes(data)


def _not_pictures(made: dict[str, bytes]) -> None:
    made["bad-empty.png"] = b""
    made["bad-text.png"] = b"This is no picture.\n" * 40
    made["bad-script.jpg"] = b"#!/bin/sh\necho hello\n"
    made["bad-postscript.png"] = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n"
    made["bad-vector.png"] = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'
    made["bad-noise.png"] = _RANDOM.bytes(5000)
    for name, start in (("png", b"\x89PNG\r\n\x1a\n"), ("jpg", b"\xff\xd8\xff"), ("ppm", b"P")):
        made[f"bad-start-only.{name}"] = start
    made["good-jpeg-named.png"] = saved(rgb(), "JPEG")
    made["good-png-named.jpg"] = saved(rgb(), "PNG")
    made["good-webp-named.gif"] = saved(rgb(), "WEBP")
    made["good-gif-named.tiff"] = saved(rgb(), "GIF")


def _bombs(made: dict[str, bytes]) -> None:
    made["bad-60000.png"] = png_header(60000, 60000)
    made["bad-huge.png"] = png_header(2**31 - 1, 2**31 - 1)
    made["bad-60000.jpg"] = sized(saved(rgb(), "JPEG"), 60000, 60000)
    gif = saved(rgb(), "GIF")
    made["bad-65535.gif"] = gif[:6] + struct.pack("<HH", 65535, 65535) + gif[10:]
    bmp = saved(rgb(), "BMP")
    made["bad-60000.bmp"] = bmp[:18] + struct.pack("<ii", 60000, 60000) + bmp[26:]
    made["bad-60000.tiff"] = tiff_header(60000, 60000)
    made["bad-60000.ppm"] = b"P6 60000 60000 255\n" + bytes(99)
    made["bad-60000.ico"] = ico_of(png_header(60000, 60000))
    webp = saved(rgb().convert("RGBA"), "WEBP", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0")
    made["bad-16384.webp"] = webp[:24] + b"\xff\x3f\0" * 2 + webp[30:]
    made["bad-really-9-million.png"] = saved(Picture.new("1", (3000, 3000)), "PNG")
    made["good-really-2-million.png"] = saved(Picture.new("1", (1400, 1400)), "PNG")
    made["bad-16-bit-3-gigabytes.png"] = claiming(deep(20, 30, 3), 3 * 10**9)
    grown = zlib.compress(bytes(40_000_000))
    small = saved(rgb(), "PNG")
    made["any-text-bomb.png"] = with_chunk(small, b"zTXt", b"a\0\0" + grown)
    made["any-profile-bomb.png"] = with_chunk(small, b"iCCP", b"a\0\0" + grown)


def _names(made: dict[str, bytes]) -> None:
    names = ("a b", "ü画", "new\nline", "esc\x1b[31m", "-r", "%s{x}", "quo'\"te", "d.o.t", "[x]*")
    for name in names:
        made[f"good-{name}.png"] = saved(rgb(5, 5), "PNG")
    made["bad-new\nline.png"] = b"no picture"
    made["bad-esc\x1b[31m.png"] = b"no picture"
    made[f"good-{'long' * 60}.png"] = saved(rgb(5, 5), "PNG")
    made["good-SHOUTED.PNG"] = saved(rgb(5, 5), "PNG")


def lay_out(folder: Path) -> dict[str, Path]:
    """Put the pictures into *folder*, and beside them what only looks like pictures."""
    made = {}
    for name, content in pictures().items():
        made[name] = folder / name
        made[name].write_bytes(content)
    (folder / "folder.png").mkdir()
    for name, target in (("bad-dangling.png", "nowhere"), ("bad-loop.png", "bad-loop.png")):
        made[name] = folder / name
        made[name].symlink_to(target)
    made["bad-pipe.png"] = folder / "bad-pipe.png"
    os.mkfifo(made["bad-pipe.png"])
    # For root nothing is forbidden.
    made["any-forbidden.png"] = folder / "any-forbidden.png"
    made["any-forbidden.png"].write_bytes(saved(rgb(5, 5), "PNG"))
    made["any-forbidden.png"].chmod(0)
    if sys.platform == "linux":  # elsewhere there can be no such name
        made["good-not-unicode"] = Path(os.fsdecode(bytes(folder) + b"/good-\xff\xfe.png"))
        made["good-not-unicode"].write_bytes(saved(rgb(5, 5), "PNG"))
    return made
