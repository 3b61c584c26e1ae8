"""Pictures with more text and larger profiles than pixels."""

import io
import os
import zlib

import numpy as np
import pytest
from PIL import Image as Picture

from streamer.compositing.backdrops import make_backdrop
from streamer.config import ImageBackgroundConfig
from streamer.errors import SourceUnsupported
from streamer.pictures import open_picture
from streamer.sources.pictures import read_picture
from tests.unit.cli.odd_pictures import chunk, deep, saved, with_chunk
from tests.unit.pictures.test_reading import wide_profile

MEGABYTES_3 = 3 * 2**20
RED = Picture.new("RGB", (6, 4), (200, 10, 20))


def read(content):
    with open_picture(content) as picture:
        return picture.read()


def behind(png, kind, content):
    """*png* with one more chunk before its end."""
    return png[:-12] + chunk(kind, content) + png[-12:]


def itxt(text, *, packed):
    content = zlib.compress(text) if packed else text
    return b"XML:com.adobe.xmp\0" + bytes([packed, 0]) + b"\0\0" + content


TEXTS = {
    "zTXt": (b"zTXt", b"Comment\0\0" + zlib.compress(b"a" * MEGABYTES_3)),
    "iTXt, packed": (b"iTXt", itxt(b"a" * MEGABYTES_3, packed=True)),
    "iTXt": (b"iTXt", itxt(b"a" * MEGABYTES_3, packed=False)),
    "tEXt": (b"tEXt", b"Comment\0" + b"a" * 70 * 2**20),
    "profile": (b"iCCP", b"icc\0\0" + zlib.compress(bytes(MEGABYTES_3))),
    "endless profile": (b"iCCP", b"icc\0\0" + zlib.compress(bytes(40 * 2**20))),
}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("put", [with_chunk, behind])
def test_text_and_profiles_of_any_size_hide_no_pixels(name, put):
    photo = read(put(saved(RED, "PNG"), *TEXTS[name]))
    assert (photo.colours == (20, 10, 200)).all()


def test_many_small_texts_that_unpack_to_much_hide_no_pixels():
    png = saved(RED, "PNG")
    bomb = chunk(b"zTXt", b"a\0\0" + zlib.compress(b"a" * 2**20, 9))
    photo = read(png[:33] + bomb * 100 + png[33:])
    assert (photo.colours == (20, 10, 200)).all()


def test_sixteen_bits_stay_sixteen_bits_beside_much_text():
    png = deep(4, 6, 3)
    assert (read(with_chunk(png, *TEXTS["zTXt"])).colours == read(png).colours).all()


def test_a_large_profile_still_says_what_colours_mean():
    small, large = wide_profile(), wide_profile() + os.urandom(MEGABYTES_3)
    png = with_chunk(saved(RED, "PNG"), b"iCCP", b"icc\0\0" + zlib.compress(large))
    photo = read(png)
    assert photo.profile == large
    assert (photo.seen() == read(saved(RED, "PNG", icc_profile=small)).seen()).all()


def test_what_is_not_too_large_is_kept_beside_what_is():
    exif = Picture.Exif()
    exif[0x010E] = "kept"
    png = saved(RED, "PNG", exif=exif, icc_profile=wide_profile())
    photo = read(with_chunk(png, *TEXTS["zTXt"]))
    assert b"kept" in photo.exif
    assert photo.profile == wide_profile()


def test_a_picture_of_too_many_pixels_is_refused_beside_much_text():
    png = with_chunk(saved(Picture.new("L", (2000, 2000)), "PNG"), *TEXTS["zTXt"])
    with pytest.raises(SourceUnsupported, match="too large: 2000x2000"):
        open_picture(png, max_pixels=1_000_000)


@pytest.mark.parametrize("damaged", [b"zTXt", b"iTXt", b"iCCP", b"tEXt"])
@pytest.mark.parametrize("content", [b"", b"\0", b"a\0\0\xff\xff", b"a" * 90, b"a\0\1\0\0"])
def test_a_damaged_text_is_no_worse_than_before(damaged, content):
    png = with_chunk(saved(RED, "PNG"), damaged, content)
    try:
        wanted = np.asarray(Picture.open(io.BytesIO(png)))[0, 0].tolist()
    except Exception:
        with pytest.raises(SourceUnsupported):
            read(png)
    else:
        assert read(png).colours[0, 0].tolist() == wanted[::-1]


def with_segments(jpeg, marker, name, size):
    """*jpeg* with as many segments as *size* bytes need."""
    segments = b""
    for begin in range(0, size, 60_000):
        content = name + b"\0" * min(60_000, size - begin)
        segments += b"\xff" + bytes([marker]) + (len(content) + 2).to_bytes(2) + content
    return jpeg[:2] + segments + jpeg[2:]


LARGE = {
    "JPEG, EXIF": saved(RED, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0" + bytes(65_000)),
    "JPEG, XMP": with_segments(
        saved(RED, "JPEG"), 0xE1, b"http://ns.adobe.com/xmp/extension/\0", MEGABYTES_3
    ),
    "JPEG, comments": with_segments(saved(RED, "JPEG"), 0xFE, b"", MEGABYTES_3),
    "JPEG, profile": saved(RED, "JPEG", icc_profile=wide_profile() + bytes(MEGABYTES_3)),
    "WebP, XMP": saved(RED, "WEBP", lossless=True, xmp=b"a" * MEGABYTES_3),
    "WebP, EXIF": saved(RED, "WEBP", lossless=True, exif=bytes(MEGABYTES_3)),
    "TIFF, XMP": saved(RED, "TIFF", tiffinfo={700: b"a" * MEGABYTES_3}),
    "TIFF, profile": saved(RED, "TIFF", icc_profile=wide_profile() + bytes(MEGABYTES_3)),
    "AVIF, XMP": saved(RED, "AVIF", quality=100, xmp=b"a" * MEGABYTES_3),
    "GIF, comment": saved(RED, "GIF", comment=b"a" * MEGABYTES_3),
}


@pytest.mark.parametrize("name", LARGE)
def test_other_formats_are_read_beside_as_much(name):
    assert read(LARGE[name]).colours.mean(axis=(0, 1)) == pytest.approx((20, 10, 200), abs=4)


def test_a_slideshow_and_a_background_show_it_too(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(with_chunk(saved(RED, "PNG"), *TEXTS["zTXt"]))
    assert (read_picture(path) == (20, 10, 200)).all()
    backdrop = make_backdrop(ImageBackgroundConfig(type="image", path=str(path)), None)
    image = np.zeros((4, 6, 3), np.uint8)
    assert (backdrop.at(image, image[..., 0], 0) == (20, 10, 200)).all()
