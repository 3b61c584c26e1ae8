"""Photographs that are not read everywhere: HEIC, raw, JPEG XL."""

import io
import logging
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from streamer.config import FileSourceConfig, ImagesSourceConfig
from streamer.errors import SourceUnsupported
from streamer.pictures import find, open_picture
from streamer.sources.file import FileSource
from streamer.sources.images import ImagesSource, find_pictures

HEIC = b"\0\0\0\x18ftypheic" + bytes(4) + b"mif1heic"
WAY_OUT = "HEIC is not read: convert it to JPEG or PNG, or add its reader: `pip install"


@pytest.fixture
def no_reader(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)


def heic(picture, **options):
    """Of a picture, by the reader's own encoder; skips where that is not installed."""
    heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed: `[pictures]`")
    out = io.BytesIO()
    heif.from_pillow(picture).save(out, quality=100, chroma=444, **options)
    return out.getvalue()


def save(folder: Path, *names: str) -> None:
    for name in names:
        Picture.new("RGB", (8, 6), "red").save(folder / name)


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"hevc", b"heim", b"mif1", b"msf1"])
def test_heic_is_named_with_the_way_out_where_its_reader_is_missing(no_reader, brand):
    with pytest.raises(SourceUnsupported, match=WAY_OUT):
        open_picture(HEIC.replace(b"heic", brand, 1))


def test_heic_in_a_folder_is_a_picture_that_is_meant(tmp_path):
    save(tmp_path, "a.png")
    for name in ("b.heic", "c.HEIF", "d.hif", "notes.txt"):
        (tmp_path / name).write_bytes(HEIC)
    found, problems = find([str(tmp_path)])
    assert [picture.path.name for picture in found] == ["a.png", "b.heic", "c.HEIF", "d.hif"]
    assert problems == []


@pytest.mark.parametrize("suffix", ["cr2", "NEF", "dng", "arw", "raf", "cr3"])
def test_a_raw_photograph_is_named_and_its_thumbnail_not_taken(tmp_path, suffix):
    path = tmp_path / f"photo.{suffix}"
    Picture.new("RGB", (16, 12), "red").save(path, "TIFF")
    found, _ = find([str(tmp_path)])
    assert [picture.path for picture in found] == [path]
    with pytest.raises(SourceUnsupported, match=rf"raw \(.{suffix.lower()}\) is not read: convert"):
        open_picture(path)


def test_a_raw_photograph_with_its_jpeg_beside_it_is_passed_over(tmp_path):
    save(tmp_path, "photo.jpg")
    (tmp_path / "photo.CR2").write_bytes(b"II*\0")
    assert [picture.path.name for picture in find([str(tmp_path)])[0]] == ["photo.jpg"]
    assert [path.name for path in find_pictures(str(tmp_path))[0]] == ["photo.jpg"]


def test_a_jpeg_that_is_called_a_raw_one_is_read(tmp_path):
    Picture.new("RGB", (16, 12), "red").save(tmp_path / "photo.dng", "JPEG")
    with open_picture(tmp_path / "photo.dng") as picture:
        assert picture.read().colours.shape == (12, 16, 3)


@pytest.mark.parametrize("pattern", ["", "/*"])
def test_a_slideshow_names_once_what_it_leaves_out(tmp_path, caplog, no_reader, pattern):
    save(tmp_path, "a.png", "z.png")
    for name in ("b.heic", "c.heic", "d.nef"):
        (tmp_path / name).write_bytes(HEIC)
    source = ImagesSource(ImagesSourceConfig(type="images", path=f"{tmp_path}{pattern}"))
    with caplog.at_level(logging.WARNING):
        assert source.open().frames == 2
    out = np.zeros((6, 8, 3), np.uint8)
    source.read(out)
    source.read(out)
    source.close()
    assert source.open().frames == 2
    source.close()
    heif, raw = (record.getMessage() for record in caplog.records)
    assert heif.startswith(f"{tmp_path}{pattern}: 2 left out, b.heic the first of them: {WAY_OUT}")
    assert raw.startswith(f"{tmp_path}{pattern}: 1 left out, d.nef the first of them: raw (.nef)")


def test_a_slideshow_of_nothing_that_is_read_says_why(tmp_path, no_reader):
    (tmp_path / "b.heic").write_bytes(HEIC)
    with pytest.raises(SourceUnsupported, match=WAY_OUT):
        find_pictures(str(tmp_path))


def test_a_heic_as_a_video_points_to_images(tmp_path):
    (tmp_path / "b.heic").write_bytes(HEIC)
    with pytest.raises(SourceUnsupported, match="is a picture: use `type: images`"):
        FileSource(FileSourceConfig(type="file", path=str(tmp_path / "b.heic"))).open()


def test_heic_is_read_upright_with_its_alpha(tmp_path):
    pixels = np.full((32, 64, 4), (200, 10, 20, 255), np.uint8)
    pixels[:, :32] = (255, 255, 255, 0)
    exif = Picture.Exif()
    exif[0x0112] = 6
    path = tmp_path / "a.heic"
    path.write_bytes(heic(Picture.fromarray(pixels), exif=exif.tobytes()))
    with open_picture(path) as picture:
        photo = picture.read()
    assert photo.colours.shape == (64, 32, 3)
    seen = photo.seen()
    assert seen[:28].max() <= 6
    assert seen[-4, -4] == pytest.approx((20, 10, 200), abs=6)


def test_a_damaged_heic_and_one_of_too_many_pixels_are_told_in_one_line():
    content = heic(Picture.new("RGB", (64, 64), "red"))
    with pytest.raises(SourceUnsupported, match=r"^picture: a damaged picture: "):
        open_picture(content[:60]).read()
    with pytest.raises(SourceUnsupported, match="too large: 64x64 pixels"):
        open_picture(content, max_pixels=1000)


def test_a_slideshow_shows_heic_where_it_can(tmp_path):
    (tmp_path / "a.heic").write_bytes(heic(Picture.new("RGB", (64, 48), (200, 10, 20))))
    source = ImagesSource(ImagesSourceConfig(type="images", path=str(tmp_path)))
    info = source.open()
    out = np.zeros((48, 64, 3), np.uint8)
    source.read(out)
    source.close()
    assert (info.width, info.height) == (64, 48)
    assert out.mean(axis=(0, 1)) == pytest.approx((20, 10, 200), abs=6)
