import io

import cv2
import numpy as np
import pytest
from PIL import Image as Picture

from streamer.errors import SourceUnsupported
from streamer.pictures import open_picture
from streamer.pictures.writing import encode
from tests.unit.pictures.test_reading import profile_of

NOISE = np.random.default_rng(0).integers(0, 256, (12, 16, 4), np.uint8)
SMOOTH = cv2.GaussianBlur(NOISE, (0, 0), 4)


def exif():
    data = Picture.Exif()
    data[0x010F] = "Maker"
    return data.tobytes()[6:]


def decoded(content):
    with Picture.open(io.BytesIO(content)) as picture:
        picture.load()
        return picture


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [0, 3, 4])
def test_a_png_is_what_it_was_in_all_its_bits(dtype, channels):
    picture = NOISE.astype(dtype) * dtype(257 if dtype == np.uint16 else 1)
    picture = picture[..., 0] if channels == 0 else picture[..., :channels]
    stored = cv2.imdecode(np.frombuffer(encode(picture, "png"), np.uint8), cv2.IMREAD_UNCHANGED)
    assert stored.dtype == dtype
    assert (stored == picture).all()


@pytest.mark.parametrize("form", ["png", "webp", "jpeg"])
def test_profile_and_exif_are_in_the_file(form):
    profile = profile_of("sRGB")
    content = encode(SMOOTH[..., :3], form, profile=profile, exif=exif())
    picture = decoded(content)
    assert picture.format == form.upper()
    assert picture.info["icc_profile"] == profile
    assert picture.getexif()[0x010F] == "Maker"


def test_a_png_with_profile_and_exif_has_right_checksums():
    content = encode(NOISE, "png", profile=profile_of("sRGB"), exif=exif())
    with Picture.open(io.BytesIO(content)) as picture:
        picture.verify()


def test_webp_holds_alpha_and_at_100_every_bit():
    with open_picture(encode(NOISE, "webp", quality=100)) as picture:
        photo = picture.read()
    assert (photo.alpha == NOISE[..., 3]).all()
    seen = NOISE[..., 3] > 0
    assert (photo.colours[seen] == NOISE[..., :3][seen]).all()


def test_a_lower_quality_is_smaller():
    for form in ("webp", "jpeg"):
        assert len(encode(NOISE[..., :3], form, quality=20)) < len(encode(NOISE[..., :3], form))


def test_sixteen_bits_are_made_eight_where_the_format_has_no_more():
    deep = SMOOTH[..., :3].astype(np.uint16) * np.uint16(257)
    stored = np.asarray(decoded(encode(deep, "jpeg", quality=100)))[..., ::-1]
    assert np.abs(stored.astype(int) - SMOOTH[..., :3]).max() <= 6


def test_jpeg_takes_no_alpha():
    with pytest.raises(ValueError, match="no alpha"):
        encode(NOISE, "jpeg")


def test_a_jpeg_goes_without_exif_that_is_too_long_for_it():
    content = encode(NOISE[..., :3], "jpeg", exif=exif() + bytes(70000))
    assert "exif" not in decoded(content).info


def test_what_no_format_holds_is_refused_without_a_way_out():
    for form in ("png", "webp"):
        with pytest.raises(SourceUnsupported, match=r"holds at most \d+ a side$"):
            encode(np.zeros((1, 1_000_001, 3), np.uint8), form)


def test_what_cannot_be_encoded_is_refused(monkeypatch):
    monkeypatch.setattr(cv2, "imencodeWithMetadata", lambda *_: (False, ()))
    with pytest.raises(SourceUnsupported, match="16x12 pixels: cannot be encoded as png"):
        encode(NOISE, "png")


@pytest.mark.parametrize(("form", "side"), [("webp", 16384), ("jpeg", 65501)])
def test_what_the_format_cannot_hold_is_refused_with_one_that_can(form, side):
    with pytest.raises(SourceUnsupported, match=f"{form} holds at most .* use png"):
        encode(np.zeros((1, side, 3), np.uint8), form)
