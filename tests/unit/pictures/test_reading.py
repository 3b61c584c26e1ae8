import io
import struct
import sys
import zlib
from functools import cache

import cv2
import numpy as np
import pytest
from PIL import Image as Picture
from PIL import ImageCms

from streamer.errors import SourceNotFound, SourceUnsupported
from streamer.pictures import open_picture
from streamer.pictures.reading import largest_file, shown
from tests.unit.cli.odd_pictures import (
    chunk,
    claiming,
    deep,
    png_header,
    saved,
    without_adobe,
    ycck,
)

RAMP = np.arange(6 * 4 * 3, dtype=np.uint16).reshape(4, 6, 3) * 800


def read(source, **options):
    with open_picture(source, **options) as picture:
        return picture.read()


def encoded(array, suffix=".png"):
    return cv2.imencode(suffix, array)[1].tobytes()


@cache
def profile_of(name):
    """A profile; the same at each call, for it has the second in it in which it was made."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(name)).tobytes()


def wide_profile():
    """An sRGB profile whose red and green have changed places: whoever applies it can be seen."""
    profile = profile_of("sRGB")
    red, green = profile.index(b"rXYZ"), profile.index(b"gXYZ")
    swapped = bytearray(profile)
    swapped[red : red + 4], swapped[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(swapped)


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bits_stay_sixteen_bits(suffix, channels):
    array = np.random.default_rng(1).integers(0, 65536, (7, 9, channels)).astype(np.uint16)
    photo = read(encoded(array, suffix))
    assert photo.colours.dtype == np.uint16
    wanted = array[..., :3] if channels > 1 else np.repeat(array, 3, axis=2)
    assert (photo.colours == wanted).all()
    if channels == 4:
        assert (photo.alpha == array[..., 3]).all()
    else:
        assert photo.alpha is None


def test_sixteen_bit_grey_with_alpha_keeps_both():
    array = np.random.default_rng(2).integers(0, 65536, (4, 5, 2)).astype(np.uint16)
    photo = read(grey_alpha_png(array))
    assert (photo.colours == array[..., :1]).all()
    assert (photo.alpha == array[..., 1]).all()


def grey_alpha_png(array):
    """A PNG of (H, W, 2) uint16, grey and alpha, which OpenCV does not write."""
    height, width = array.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    header = struct.pack(">IIBBBBB", width, height, 16, 4, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


@pytest.mark.parametrize("channels", [1, 3])
def test_a_sixteen_bit_colour_that_stands_for_transparency_is_transparent(channels):
    array = np.full((2, 2, channels), 300, np.uint16)
    array[0, 0] = (10, 20, 30)[:channels]
    png = encoded(array)
    key = struct.pack(f">{channels}H", *(30, 20, 10)[3 - channels :])
    photo = read(png[:33] + chunk(b"tRNS", key) + png[33:])
    assert photo.alpha.tolist() == [[0, 65535], [65535, 65535]]
    assert (photo.seen()[0, 0] == 0).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_a_picture_is_turned_upright_once(form, orientation):
    from PIL import ImageOps

    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:8, :16] = 255
    pixels[8:, :16] = 120
    exif = Picture.Exif()
    exif[0x0112] = orientation
    data = saved(Picture.fromarray(pixels), form, exif=exif)
    with Picture.open(io.BytesIO(data)) as picture:
        wanted = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))[..., ::-1]
    photo = read(data)
    assert photo.colours.shape == wanted.shape
    assert np.abs(photo.colours.astype(int) - wanted).max() < 12
    kept = Picture.Exif()
    kept.load(photo.exif)
    assert kept.get(0x0112, 1) == 1


def test_a_sixteen_bit_picture_is_turned_upright_with_its_alpha():
    exif = Picture.Exif()
    exif[0x0112] = 6
    array = np.dstack([RAMP, RAMP[..., 0]])
    png = encoded(array)
    photo = read(png[:33] + chunk(b"eXIf", exif.tobytes()[6:]) + png[33:])
    assert (photo.colours == np.rot90(RAMP, -1)).all()
    assert (photo.alpha == np.rot90(RAMP[..., 0], -1)).all()


@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (3, 2), (6, -1), (8, 1)])
def test_a_sixteen_bit_tiff_is_turned_upright_once(orientation, turns):
    photo = read(with_entries(encoded(RAMP, ".tiff"), (274, orientation)))
    assert photo.colours.dtype == np.uint16
    assert (photo.colours == np.rot90(RAMP, turns)).all()


def test_a_tiff_that_two_decoders_may_see_differently_is_read_by_one_in_eight_bits():
    tiff = encoded(RAMP, ".tiff")
    photo = read(with_entries(tiff, (305, 1), (305, 6)))
    assert photo.colours.dtype == np.uint8
    assert np.abs(photo.colours - RAMP / 257).max() <= 1


def test_sixteen_bit_colours_that_are_multiplied_by_their_alpha_are_made_straight():
    colours = np.full((4, 6, 3), (60000, 30000, 2000), np.uint16)
    stored = np.dstack([colours // 2, np.full((4, 6), 32768, np.uint16)])
    stored[0, 0] = 0
    photo = read(with_entries(encoded(stored, ".tiff"), (338, 1)))
    assert photo.alpha[0, :2].tolist() == [0, 32768]
    assert (photo.colours[0, 0] == 0).all()
    assert np.abs(photo.colours[1:].astype(int) - colours[1:]).max() <= 2


def test_grey_that_is_multiplied_by_its_alpha_is_made_straight():
    clear = Picture.merge("LA", (Picture.new("L", (4, 4), 50), Picture.new("L", (4, 4), 128)))
    photo = read(with_entries(saved(clear, "TIFF"), (338, 1)))
    assert (photo.alpha == 128).all()
    assert np.abs(photo.colours.astype(int) - 100).max() <= 1


def test_a_fourth_channel_of_sixteen_bits_that_says_nothing_hides_nothing():
    stored = np.dstack([RAMP, np.zeros((4, 6), np.uint16)])
    photo = read(with_entries(encoded(stored, ".tiff"), (338, 0)))
    assert photo.alpha is None
    assert (photo.colours == RAMP).all()


def test_sixteen_bit_grey_whose_zero_is_white_is_no_negative():
    grey = RAMP[..., :1]
    photo = read(with_entries(encoded(65535 - grey, ".tiff"), (262, 0)))
    assert (photo.colours == grey).all()


def with_entries(tiff, *entries):
    """*tiff* whose directory, now at its end, has *entries* of a tag and a short too."""
    (directory,) = struct.unpack_from("<I", tiff, 4)
    (count,) = struct.unpack_from("<H", tiff, directory)
    ours = [tiff[directory + 2 + 12 * n : directory + 14 + 12 * n] for n in range(count)]
    tags = {struct.pack("<H", tag) for tag, _ in entries}
    ours = [entry for entry in ours if entry[:2] not in tags]
    ours += [struct.pack("<HHII", tag, 3, 1, value) for tag, value in entries]
    ours.sort(key=lambda entry: struct.unpack_from("<H", entry))
    body = tiff + bytes(len(tiff) % 2)
    head = body[:4] + struct.pack("<I", len(body)) + body[8:]
    return head + struct.pack("<H", len(ours)) + b"".join(ours) + bytes(4)


def test_cmyk_is_the_same_with_and_without_the_mark_of_adobe():
    cmyk = Picture.new("CMYK", (16, 16), (0, 200, 100, 30))
    wanted = cmyk.convert("RGB").getpixel((0, 0))[::-1]
    marked = saved(cmyk, "JPEG", quality=100)
    assert np.abs(read(marked).colours.astype(int) - wanted).max() <= 3
    # All readers take its numbers as inverted, marked or not.
    assert np.abs(read(without_adobe(marked)).colours.astype(int) - wanted).max() <= 3


def test_ycck_is_cmyk_whose_first_three_planes_are_like_ycbcr():
    # Written inverted: luma 100, no chroma, no black. Luma is of the inks, of which 100 leave 155.
    planes = Picture.new("CMYK", (16, 16), (155, 127, 127, 0))
    grey = read(ycck(saved(planes, "JPEG", quality=100))).colours
    assert np.abs(grey.astype(int) - 155).max() <= 3


def test_a_grey_profile_is_applied_and_goes():
    grey = Picture.new("L", (4, 4), 128)
    photo = read(saved(grey, "TIFF", icc_profile=linear_grey()))
    assert photo.profile == b""
    # Linear light of 128/255 is 188 in sRGB (IEC 61966-2-1).
    assert np.abs(photo.colours.astype(int) - 188).max() <= 2


def test_a_grey_profile_counts_with_transparency_and_in_sixteen_bits_too():
    grey = Picture.new("L", (4, 4), 128)
    clear = Picture.merge("LA", (grey, Picture.new("L", (4, 4), 100)))
    deep = np.full((4, 4), 128 * 257, np.uint16)
    deep_clear = np.dstack([deep, np.full_like(deep, 100 * 257)])
    pictures = {
        "alpha": saved(clear, "PNG", icc_profile=linear_grey()),
        "key": saved(grey, "PNG", icc_profile=linear_grey(), transparency=3),
        "deep": with_profile(encoded(deep), linear_grey()),
        "deep alpha": with_profile(grey_alpha_png(deep_clear), linear_grey()),
    }
    for name, data in pictures.items():
        photo = read(data)
        assert photo.profile == b"", name
        assert np.abs(photo.plain().astype(int) - 188).max() <= 2, name
        assert photo.colours.dtype == (np.uint16 if "deep" in name else np.uint8), name
        if "alpha" in name:
            assert (photo.alpha // (257 if "deep" in name else 1) == 100).all(), name


def test_sixteen_bits_by_a_grey_profile_are_more_than_256_levels():
    deep = np.arange(30000, 31000, dtype=np.uint16).reshape(20, 50)
    greys = read(with_profile(encoded(deep), linear_grey())).colours[..., 0].ravel()
    assert (np.diff(greys.astype(int)) >= 0).all()
    assert len(np.unique(greys)) > 500


def with_profile(png, profile):
    return png[:33] + chunk(b"iCCP", b"odd\0\0" + zlib.compress(profile)) + png[33:]


def test_cmyk_is_seen_as_its_profile_says():
    cyan = saved(
        Picture.new("CMYK", (4, 4), (255, 0, 0, 0)), "TIFF", icc_profile=only_black_counts()
    )
    photo = read(cyan)
    assert photo.profile == b""
    assert photo.colours.min() >= 253
    half = saved(
        Picture.new("CMYK", (4, 4), (0, 0, 0, 128)), "TIFF", icc_profile=only_black_counts()
    )
    # L* 50 is the grey 119 (IEC 61966-2-1, CIE 15).
    assert np.abs(read(half).colours.astype(int) - 119).max() <= 2


def linear_grey():
    """A grey profile of gamma 1."""
    return profile(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": b"curv" + bytes(8)})


def only_black_counts():
    """A CMYK profile by which all inks but black cannot be seen; an 8-bit table (ICC.1, lut8)."""
    straight = bytes(range(256))
    corners = b"".join(bytes([0 if n & 1 else 255, 128, 128]) for n in range(16))
    unit = struct.pack(">9i", *(65536 * n for n in (1, 0, 0, 0, 1, 0, 0, 0, 1)))
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + unit + straight * 4 + corners + straight * 3
    return profile(b"prtr", b"CMYK", b"Lab ", {b"A2B0": table})


def profile(kind, space, connection, tags):
    """An ICC profile of version 2.1, made by hand."""
    white = struct.pack(">iii", 63190, 65536, 54061)
    text = (b"desc" + bytes(4) + struct.pack(">I", 5) + b"odd\0\0").ljust(92, b"\0")
    tags = {**tags, b"wtpt": b"XYZ " + bytes(4) + white, b"desc": text}
    table, content = struct.pack(">I", len(tags)), b""
    for name, body in tags.items():
        start = 128 + 4 + 12 * len(tags) + len(content)
        table += name + struct.pack(">II", start, len(body))
        content += body.ljust(-(-len(body) // 4) * 4, b"\0")
    size = 128 + len(table) + len(content)
    header = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02100000, kind, space, connection)
    return (header + bytes(12) + b"acsp" + bytes(28) + white).ljust(128, b"\0") + table + content


def test_a_profile_of_rgb_is_kept_the_numbers_too_and_what_is_seen_is_srgb():
    profile = wide_profile()
    red = Picture.new("RGB", (4, 4), (250, 20, 10))
    photo = read(saved(red, "PNG", icc_profile=profile))
    assert photo.profile == profile
    assert (photo.colours == (10, 20, 250)).all()
    blue, green, red_seen = photo.seen()[0, 0].tolist()
    assert green > 200 > red_seen
    assert blue < 40


def test_an_srgb_profile_changes_nothing_that_is_seen():
    picture = Picture.fromarray(np.random.default_rng(3).integers(0, 256, (9, 9, 3), np.uint8))
    photo = read(saved(picture, "PNG", icc_profile=profile_of("sRGB")))
    assert np.abs(photo.seen().astype(int) - photo.colours).max() <= 1


def test_lab_becomes_srgb():
    white = Picture.frombytes("LAB", (2, 2), bytes([255, 0, 0] * 4))
    assert read(saved(white, "TIFF")).colours.min() >= 253


def test_own_transparency_is_kept_apart_and_what_is_seen_lies_on_black():
    pixels = np.zeros((1, 3, 4), np.uint8)
    pixels[..., :3] = (200, 100, 50)
    pixels[:, :, 3] = (0, 128, 255)
    photo = read(saved(Picture.fromarray(pixels), "PNG"))
    assert (photo.colours == (50, 100, 200)).all()
    assert photo.alpha.tolist() == [[0, 128, 255]]
    assert photo.seen()[0].tolist() == [[0, 0, 0], [25, 50, 100], [50, 100, 200]]


def test_of_a_moving_picture_the_first_frame_is_read():
    first, second = (Picture.new("RGB", (4, 4), colour) for colour in ("red", "blue"))
    for form in ("GIF", "WEBP", "PNG"):
        options = {"lossless": True} if form == "WEBP" else {}
        data = saved(first, form, save_all=True, append_images=[second], **options)
        assert (read(data).colours == (0, 0, 255)).all(), form


def test_exif_is_kept_without_anything_that_may_show_the_room_again():
    exif = Picture.Exif()
    exif[0x010F] = "Maker"
    exif[0x0132] = "2026:01:31 12:00:00"
    exif[0x0112] = 6
    exif[0x02BC] = b"<x:xmpmeta>preview</x:xmpmeta>"
    exif[0x8649] = b"8BIM thumbnail"
    exif.get_ifd(0x8769)[0x9003] = "2026:01:31 11:59:59"
    exif.get_ifd(0x8769)[0x927C] = b"maker's preview"
    exif.get_ifd(0x8769)[0x9286] = b"a hidden picture".ljust(5000)
    exif.get_ifd(0x8769)[0xA002] = 30
    exif.get_ifd(0x8769)[0xA003] = 20
    exif.get_ifd(0x8825)[1] = "N"
    data = saved(Picture.new("RGB", (30, 20)), "JPEG", exif=exif_with_thumbnail(exif))
    photo = read(data)
    kept = Picture.Exif()
    kept.load(photo.exif)
    assert kept[0x010F] == "Maker"
    assert kept[0x0132] == "2026:01:31 12:00:00"
    assert kept[0x0112] == 1
    taken = kept.get_ifd(0x8769)
    assert taken == {0x9003: "2026:01:31 11:59:59", 0xA002: 20, 0xA003: 30}
    assert kept.get_ifd(0x8825) == {1: "N"}
    for secret in (b"preview", b"hidden", b"thumbnail", b"THUMB"):
        assert secret in data
        assert secret not in photo.exif


def test_names_in_exif_keep_their_bytes_whatever_their_encoding():
    data = saved(Picture.new("RGB", (8, 8)), "JPEG", exif=exif_of_names())
    exif = Picture.Exif()
    exif.load(read(data).exif)
    assert exif[0x013B].encode("latin-1").decode() == "Jürgen"
    assert exif[0x8298] == "© João"
    assert exif.get_ifd(0x8769)[0xA434].encode("latin-1").decode() == "Zürich 50"


def exif_of_names():
    """EXIF with texts as other programs write them, in Latin-1 or UTF-8, and as texts (type 2)."""
    exif = Picture.Exif()
    exif[0x013B], exif[0x8298] = "J??rgen", "? Jo?o"
    exif.get_ifd(0x8769)[0xA434] = "Z??rich 50"
    return (
        exif.tobytes()
        .replace(b"J??rgen", "Jürgen".encode())
        .replace(b"? Jo?o", "© João".encode("latin-1"))
        .replace(b"Z??rich 50", "Zürich 50".encode())
    )


def exif_with_thumbnail(exif):
    """*exif* with a second directory behind its first, which points to a thumbnail."""
    data = bytearray(exif.tobytes()[6:])
    (count,) = struct.unpack_from(">H", data, 8)
    struct.pack_into(">I", data, 10 + 12 * count, len(data))
    at = len(data) + 2 + 2 * 12 + 4
    data += struct.pack(">HHHIIHHIII", 2, 0x201, 4, 1, at, 0x202, 4, 1, 5, 0) + b"THUMB"
    return b"Exif\0\0" + bytes(data)


def test_what_is_too_large_is_refused_by_its_header_with_its_size():
    with pytest.raises(SourceUnsupported, match=r"a\.png: too large: 60000x60000 pixels, and 1000"):
        open_picture(png_header(60000, 60000), name="a.png", max_pixels=1000)


def test_a_limit_is_the_callers_and_no_warning_tells_of_another():
    # The tests' warnings are errors, and Pillow warns of 90 million pixels.
    with open_picture(png_header(10000, 9500)) as picture:
        assert picture.pixels == 95_000_000
    with pytest.raises(SourceUnsupported, match="too large"):
        open_picture(png_header(10001, 10000))


def test_a_file_that_is_too_large_for_its_pixels_is_refused(tmp_path):
    path = tmp_path / "sparse.png"
    with path.open("wb") as file:
        file.write(saved(Picture.new("RGB", (3, 3)), "PNG"))
        file.truncate(largest_file(1000) + 1)
    with pytest.raises(SourceUnsupported, match=r"a file of 67 MB, and 67 MB .* 1000 pixels"):
        open_picture(path, max_pixels=1000)


@pytest.mark.parametrize("share", [0.5, 0.9])
@pytest.mark.parametrize("depth", [8, 16])
def test_what_is_cut_off_is_damaged_and_not_half_shown(share, depth):
    noise = np.random.default_rng(4).integers(0, 256, (40, 50, 3), np.uint8)
    whole = deep(40, 50, 3) if depth == 16 else saved(Picture.fromarray(noise), "PNG")
    with pytest.raises(SourceUnsupported, match=r"a\.png: a damaged picture: "):
        read(whole[: int(len(whole) * share)], name="a.png")


def test_a_chunk_that_claims_more_than_there_is_is_damage():
    with pytest.raises(SourceUnsupported, match="a damaged picture: cut off"):
        read(claiming(deep(20, 30, 3), 3 * 10**9))


def test_of_a_moving_picture_of_sixteen_bits_nothing_but_the_first_frame_is_looked_at():
    png = encoded(RAMP)
    control = chunk(b"acTL", struct.pack(">II", 2, 0))
    control += chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 6, 4, 0, 0, 1, 1, 0, 0))
    bad = chunk(b"fcTL", struct.pack(">IIIIIHHBB", 1, 2**30, 2**30, 0, 0, 1, 1, 0, 0))
    bad += chunk(b"fdAT", bytes(30))
    photo = read(png[:33] + control + png[33:-12] + bad + png[-12:])
    assert (photo.colours == RAMP).all()


def test_a_file_is_told_from_what_is_none(tmp_path):
    with pytest.raises(SourceNotFound, match=r"none\.png: no such file"):
        open_picture(tmp_path / "none.png")
    with pytest.raises(SourceUnsupported, match="is a folder, not a picture"):
        open_picture(tmp_path)
    with pytest.raises(SourceUnsupported, match="is a device or a pipe"):
        open_picture("/dev/null")


def test_a_format_that_is_not_read_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(SourceUnsupported, match="HEIC is not read: convert it"):
        open_picture(struct.pack(">I", 24) + b"ftypheic" + bytes(12) + b"mif1heic")


def test_damage_that_a_decoder_has_no_words_for_is_told_in_ours():
    avif = saved(Picture.new("RGB", (64, 64), "red"), "AVIF")
    at = avif.index(b"mdat") + 4
    with pytest.raises(SourceUnsupported, match=r"a damaged picture: (?!\w+Error)"):
        read(avif[:at] + bytes(len(avif) - at))


def test_nothing_of_a_name_can_break_the_line_or_reach_the_terminal():
    assert shown("a\nb\x1b[31m\udcffü.png") == "a\\nb\\x1b[31m\\udcffü.png"


def test_no_program_is_started_for_a_picture(monkeypatch):
    import subprocess

    monkeypatch.setattr(subprocess, "Popen", None)
    with pytest.raises(SourceUnsupported, match="not a picture"):
        open_picture(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n")
