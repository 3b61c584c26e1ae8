from __future__ import annotations

import os
import re
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from streamer.config import ImagesSourceConfig
from streamer.errors import (
    CorruptFrame,
    EndOfStream,
    FormatChanged,
    SourceLost,
    SourceNotFound,
    SourceUnsupported,
)
from streamer.sources.images import ImagesSource, find_pictures
from streamer.sources.pictures import read_picture

RED = (250, 10, 20)
BGR = np.array([20, 10, 250], np.uint8)


def save(path: Path, mode: str = "RGB", size: tuple[int, int] = (12, 8)) -> Path:
    options = {"palette": Picture.Palette.ADAPTIVE} if mode == "P" else {}
    Picture.new("RGB", size, RED).convert(mode, **options).save(path)
    return path


def source(path: Path | str, **fields: object) -> ImagesSource:
    return ImagesSource(ImagesSourceConfig(type="images", path=str(path), **fields))


@pytest.mark.parametrize(
    ("name", "mode", "tolerance"),
    [
        ("rgb.png", "RGB", 0),
        ("palette.png", "P", 6),
        ("palette.gif", "P", 6),
        ("rgb.bmp", "RGB", 0),
        ("rgb.tiff", "RGB", 0),
        ("rgb.jpg", "RGB", 4),
        ("cmyk.jpg", "CMYK", 6),
        ("rgb.webp", "RGB", 8),
    ],
)
def test_colours_are_read_from_every_kind(tmp_path, name, mode, tolerance):
    image = read_picture(save(tmp_path / name, mode))
    assert image.shape == (8, 12, 3)
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert np.abs(image.astype(int) - BGR).max() <= tolerance


@pytest.mark.parametrize("mode", ["L", "1", "LA"])
def test_grey_is_three_equal_channels(tmp_path, mode):
    image = read_picture(save(tmp_path / "grey.png", mode))
    assert image.shape == (8, 12, 3)
    assert (image == image[..., :1]).all()


@pytest.mark.parametrize(("stored", "seen"), [(65535, 255), (0, 0), (257, 1), (32896, 128)])
def test_sixteen_bits_are_scaled(tmp_path, stored, seen):
    path = tmp_path / "deep.png"
    Picture.fromarray(np.full((4, 5), stored, np.uint16)).save(path)
    assert (read_picture(path) == seen).all()


def test_what_is_transparent_is_black_and_hides_its_colour(tmp_path):
    pixels = np.zeros((2, 3, 4), np.uint8)
    pixels[..., :3] = (200, 100, 50)
    pixels[:, :, 3] = (0, 128, 255)
    path = tmp_path / "alpha.png"
    Picture.fromarray(pixels).save(path)
    assert read_picture(path)[0].tolist() == [[0, 0, 0], [25, 50, 100], [50, 100, 200]]


def test_a_transparent_palette_entry_is_black(tmp_path):
    path = tmp_path / "palette.png"
    Picture.new("RGB", (4, 4), RED).quantize(2).save(path, transparency=0)
    assert (read_picture(path) == 0).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["turned.jpg", "turned.png", "turned.webp", "turned.tiff"])
def test_exif_rotation_is_applied(tmp_path, name, orientation):
    from PIL import ImageOps

    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:8, :16] = 255
    pixels[8:, :16] = 120
    exif = Picture.Exif()
    exif[0x0112] = orientation
    path = tmp_path / name
    options = {"lossless": True} if name.endswith("webp") else {}
    Picture.fromarray(pixels).save(path, exif=exif, **options)
    with Picture.open(path) as picture:
        wanted = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))[..., ::-1]
    image = read_picture(path)
    assert image.shape == wanted.shape
    assert np.abs(image.astype(int) - wanted).max() < 12


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (13, 1), (33, 17)])
def test_odd_sizes(tmp_path, size):
    assert read_picture(save(tmp_path / "odd.png", size=size)).shape == (size[1], size[0], 3)


@pytest.mark.parametrize("content", [b"", b"hello " * 50])
def test_what_is_no_picture_is_unsupported(tmp_path, content):
    path = tmp_path / "no.png"
    path.write_bytes(content)
    with pytest.raises(SourceUnsupported, match=r"no.png: not a picture"):
        read_picture(path)


def test_a_missing_picture_is_not_found(tmp_path):
    with pytest.raises(SourceNotFound, match=r"none.png: no such file"):
        read_picture(tmp_path / "none.png")


def test_a_folder_is_read_by_natural_order_and_pictures_only(tmp_path):
    for number in (10, 9, 1):
        save(tmp_path / f"f{number}.png")
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "sub.png").mkdir()
    assert [p.name for p in find_pictures(str(tmp_path))[0]] == ["f1.png", "f9.png", "f10.png"]


def test_a_folder_of_odd_names_is_read_whole_and_in_natural_order(tmp_path):
    names = ["1.png", "\u0663.png", "10.png", "9" * 240 + ".png", "\xb21.png", "\u2460.png"]
    names.append(os.fsdecode(b"\xff\xfe.png"))
    for name in names:
        Picture.new("L", (4, 4)).save(tmp_path / name)
    assert [path.name for path in find_pictures(str(tmp_path))[0]] == names
    source = ImagesSource(ImagesSourceConfig(type="images", path=str(tmp_path)))
    assert source.open().frames == len(names)
    out = np.zeros((4, 4, 3), np.uint8)
    for _ in names:
        source.read(out)
    source.close()


def test_a_glob_finds_what_matches(tmp_path):
    for name in ("a1.png", "a2.png", "b.png"):
        save(tmp_path / name)
    assert [p.name for p in find_pictures(f"{tmp_path}/a*.png")[0]] == ["a1.png", "a2.png"]
    with pytest.raises(SourceNotFound, match="no file matches"):
        source(f"{tmp_path}/z*.png").open()


def test_a_glob_that_finds_a_picture_twice_shows_it_once(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    save(tmp_path / "a" / "b" / "1.png")
    assert len(find_pictures(f"{tmp_path}/**/**/*.png")[0]) == 1


def test_an_empty_folder_is_not_found(tmp_path):
    with pytest.raises(SourceNotFound, match=f"{re.escape(str(tmp_path))}: no pictures"):
        source(tmp_path).open()


def test_timestamps_are_exact_at_the_rate_and_a_loop_goes_on(tmp_path):
    for name in ("a.png", "b.png"):
        save(tmp_path / name)
    reader = source(tmp_path, fps=12.5, loop=True, realtime=True)
    info = reader.open()
    assert (info.fps, info.frames, info.live, info.paced) == (Fraction(25, 2), None, True, True)
    out = np.zeros((8, 12, 3), np.uint8)
    grabs = [reader.read(out) for _ in range(5)]
    assert [g.pts * g.time_base for g in grabs] == [Fraction(2 * n, 25) for n in range(5)]
    reader.close()


def levels(path: Path, count: int, **fields: object) -> list[int]:
    """The grey levels of the pictures in the order in which they are read."""
    reader = source(path, **fields)
    reader.open()
    out = np.zeros((8, 12, 3), np.uint8)
    read = []
    for _ in range(count):
        reader.read(out)
        read.append(int(out[0, 0, 0]))
    reader.close()
    return read


@pytest.fixture
def greys(tmp_path: Path) -> Path:
    """Eight pictures, `0.png` to `70.png`, each of its level; the higher, the longer ago."""
    for level in range(0, 80, 10):
        path = tmp_path / f"{level}.png"
        Picture.new("RGB", (12, 8), (level,) * 3).save(path)
        os.utime(path, (1000 - level, 1000 - level))
    return tmp_path


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("name", list(range(0, 80, 10))),
        ("reverse", list(range(70, -10, -10))),
        ("time", list(range(70, -10, -10))),
    ],
)
def test_pictures_come_by_name_backwards_or_by_age_and_a_loop_begins_again(greys, order, expected):
    assert levels(greys, 16, order=order, loop=True) == expected * 2


def test_pictures_of_one_age_come_by_name(greys):
    for path in greys.iterdir():
        os.utime(path, (5, 5))
    assert levels(greys, 8, order="time") == list(range(0, 80, 10))


def test_a_shuffle_has_every_picture_once_in_each_round_and_another_order_in_each(greys):
    read = levels(greys, 24, order="random", loop=True)
    rounds = [tuple(read[start : start + 8]) for start in (0, 8, 16)]
    assert all(sorted(one) == list(range(0, 80, 10)) for one in rounds)
    assert len(set(rounds)) == 3


def test_a_seed_tells_one_shuffle_from_another_and_repeats_it(greys):
    first = levels(greys, 16, order="random", seed=1, loop=True)
    assert levels(greys, 16, order="random", seed=1, loop=True) == first
    assert levels(greys, 16, order="random", seed=2, loop=True) != first


def read_while_changing(path: Path, changes: dict[int, dict[str, object]]) -> list[int]:
    """The grey levels up to the end, with settings that change before the picture of a number."""
    config = ImagesSourceConfig(type="images", path=str(path))
    reader = ImagesSource(config)
    reader.open()
    out = np.zeros((8, 12, 3), np.uint8)
    read: list[int] = []
    with suppress(EndOfStream):
        while len(read) < 50:
            config = config.model_copy(update=changes.get(len(read), {}))
            reader.adjust(config)
            reader.read(out)
            read.append(int(out[0, 0, 0]))
    reader.adjust(config.model_copy(update={"loop": True}))
    with pytest.raises(EndOfStream):
        reader.read(out)
    reader.close()
    return read


def test_what_is_left_of_a_round_comes_in_an_order_that_is_new(greys):
    assert read_while_changing(greys, {3: {"order": "reverse"}}) == [0, 10, 20, 70, 60, 50, 40, 30]
    shuffled = read_while_changing(greys, {3: {"order": "random"}})
    assert shuffled[:3] == [0, 10, 20]
    assert sorted(shuffled) == list(range(0, 80, 10))
    seeded = read_while_changing(greys, {0: {"order": "random"}, 3: {"seed": 7}})
    assert sorted(seeded) == list(range(0, 80, 10))
    assert seeded != read_while_changing(greys, {0: {"order": "random"}})


def test_a_loop_may_begin_and_end_while_it_is_read(greys):
    read = read_while_changing(greys, {7: {"loop": True}, 9: {"order": "reverse", "loop": False}})
    assert read == [*range(0, 80, 10), 0, *range(70, 0, -10)]


def test_a_picture_whose_size_was_announced_comes_next_whatever_the_order(greys):
    save(greys / "1.png", size=(6, 4))
    reader = source(greys)
    reader.open()
    out = np.zeros((8, 12, 3), np.uint8)
    reader.read(out)
    with pytest.raises(FormatChanged):
        reader.read(out)
    reader.adjust(ImagesSourceConfig(type="images", path=str(greys), order="reverse"))
    assert reader.read(np.zeros((4, 6, 3), np.uint8)).pts == 1
    with pytest.raises(FormatChanged):
        reader.read(np.zeros((4, 6, 3), np.uint8))
    reader.read(out)
    assert out[0, 0, 0] == 70


def test_the_first_picture_in_order_says_the_size(tmp_path):
    save(tmp_path / "0.png")
    save(tmp_path / "1.png", size=(6, 4))
    info = source(tmp_path, order="reverse").open()
    assert (info.width, info.height) == (6, 4)


def test_a_name_with_other_letters_opens(tmp_path):
    assert read_picture(save(tmp_path / "grün 画.png")).shape == (8, 12, 3)


def test_another_size_is_announced_and_a_bad_picture_is_passed_over(tmp_path):
    (tmp_path / "0.png").write_bytes(b"bad")
    save(tmp_path / "1.png")
    (tmp_path / "2.png").write_bytes(b"bad")
    save(tmp_path / "3.png", size=(6, 4))
    reader = source(tmp_path)
    info = reader.open()
    assert (info.width, info.height, info.frames) == (12, 8, 4)
    out = np.zeros((8, 12, 3), np.uint8)
    with pytest.raises(CorruptFrame, match=r"0.png"):
        reader.read(out)
    assert reader.read(out).pts == 1
    with pytest.raises(CorruptFrame, match=r"2.png"):
        reader.read(out)
    with pytest.raises(FormatChanged) as changed:
        reader.read(out)
    assert (changed.value.info.width, changed.value.info.height) == (6, 4)
    assert reader.read(np.zeros((4, 6, 3), np.uint8)).pts == 3
    with pytest.raises(EndOfStream):
        reader.read(out)
    reader.close()


def test_a_loop_whose_pictures_are_all_gone_ends(tmp_path):
    paths = [save(tmp_path / f"{number}.png") for number in range(3)]
    reader = source(tmp_path, loop=True, order="random")
    reader.open()
    out = np.zeros((8, 12, 3), np.uint8)
    for _ in range(4):
        reader.read(out)
    for path in paths:
        path.unlink()
    for _ in range(5):
        with pytest.raises(CorruptFrame):
            reader.read(out)
    with pytest.raises(SourceLost, match="none of its pictures"):
        reader.read(out)
    reader.close()


def test_a_folder_that_cannot_be_listed_is_told_in_one_line(tmp_path, monkeypatch):
    def refuse(folder: Path) -> None:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(SourceNotFound, match="Permission denied"):
        find_pictures(str(tmp_path))[0]
    with pytest.raises(SourceNotFound, match="too long"):
        find_pictures("a" * 5000)[0]
