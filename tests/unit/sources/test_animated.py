"""Animations: played as a video, in order and in time, on black; and told where one picture is."""

from __future__ import annotations

import logging
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from streamer.compositing.backdrops import make_backdrop
from streamer.config import FileSourceConfig, ImageBackgroundConfig, ImagesSourceConfig
from streamer.errors import SourceError, SourceUnsupported
from streamer.sources.file import FileSource
from streamer.sources.images import ImagesSource
from streamer.sources.looped import LoopedVideo

LASTS_MS = [100, 100, 300, 100, 200]
BEGINS_S = [Fraction(n, 10) for n in (0, 1, 2, 5, 6)]


def frame(number: int) -> Picture.Image:
    """Grey of 16 + 4n with a transparent left half whose hidden colour is white."""
    pixels = np.full((48, 64, 4), 255, np.uint8)
    pixels[:, :, :3] = round((4 * number) * 255 / 219)
    pixels[:, :32] = (255, 255, 255, 0)
    return Picture.fromarray(pixels)


def animation(path: Path, frames: int = 5, *, clear: bool = False) -> Path:
    pictures = [frame(n + 1) for n in range(frames)]
    if not clear:
        pictures = [
            Picture.fromarray(np.asarray(picture)[:, 32:, :3].copy()) for picture in pictures
        ]
    options = {"lossless": True} if path.suffix == ".webp" else {}
    if path.suffix == ".avif":
        options = {"quality": 100, "subsampling": "4:4:4"}
    pictures[0].save(
        path,
        save_all=True,
        append_images=pictures[1:],
        duration=LASTS_MS[:frames],
        loop=0,
        **options,
    )
    return path


@pytest.mark.parametrize("suffix", ["webp", "gif", "png", "apng", "avif"])
def test_an_animation_is_played_once_with_the_times_of_its_pictures(tmp_path, play, suffix):
    made = animation(tmp_path / f"moves.{'png' if suffix == 'apng' else suffix}")
    path = made.rename(tmp_path / f"moves.{suffix}")
    played = play(path)
    assert played.levels == pytest.approx([1, 2, 3, 4, 5], abs=0.5)
    assert played.times_s == BEGINS_S


@pytest.mark.parametrize("suffix", ["webp", "gif", "png", "avif"])
def test_an_animation_is_repeated_only_by_loop_and_its_last_picture_stands_its_time(
    tmp_path, play, suffix
):
    played = play(animation(tmp_path / f"moves.{suffix}"), limit=12, loop=True)
    assert played.times_s == [
        *BEGINS_S,
        *(Fraction(8, 10) + at for at in BEGINS_S),
        Fraction(16, 10),
        Fraction(17, 10),
    ]


@pytest.mark.parametrize("suffix", ["webp", "avif"])
def test_a_transparent_animation_lies_on_black(tmp_path, suffix):
    source = FileSource(
        FileSourceConfig(type="file", path=str(animation(tmp_path / f"a.{suffix}", clear=True)))
    )
    info = source.open()
    out = np.zeros((info.height, info.width, 3), np.uint8)
    try:
        for _ in range(5):
            source.read(out)
            assert out[:, :28].max() <= 2
    finally:
        source.close()
    assert (info.width, info.height, info.frames) == (64, 48, 5)


@pytest.mark.parametrize("suffix", ["webp", "avif"])
def test_start_duration_speed_and_rate_work_on_an_animation(tmp_path, play, suffix):
    path = animation(tmp_path / f"moves.{suffix}")
    assert play(path, start_s=0.2, duration_s=0.4).levels == pytest.approx([3, 4], abs=0.5)
    assert play(path, speed=2).times_s == [at / 2 for at in BEGINS_S]
    assert play(path, fps=5).levels == pytest.approx([1, 3, 4, 5], abs=0.5)


def test_pictures_that_stand_no_time_stand_a_tenth_of_a_second_as_in_browsers(tmp_path, play):
    path = tmp_path / "quick.webp"
    first, *others = [frame(n) for n in range(4)]
    first.save(path, save_all=True, append_images=others, duration=0, lossless=True)
    assert play(path).times_s == [Fraction(n, 10) for n in range(4)]


def test_one_picture_and_a_still_webp_are_films_of_one_frame(tmp_path, play):
    frame(3).save(tmp_path / "still.webp", lossless=True)
    assert play(tmp_path / "still.webp").times_s == [0]


def test_a_damaged_animation_is_told_in_one_line(tmp_path, play):
    path = animation(tmp_path / "moves.webp")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(SourceError) as raised:
        play(path)
    assert str(raised.value).startswith("moves.webp")
    assert "\n" not in str(raised.value)


def test_a_damaged_picture_in_an_animation_ends_it_with_its_name(tmp_path):
    path = animation(tmp_path / "moves.webp")
    data = bytearray(path.read_bytes())
    at = data.rindex(b"VP8L") + 12
    data[at:] = bytes(len(data) - at)
    path.write_bytes(bytes(data))
    source = FileSource(FileSourceConfig(type="file", path=str(path)))
    source.open()
    out = np.zeros((48, 32, 3), np.uint8)
    for _ in range(4):
        source.read(out)
    with pytest.raises(SourceUnsupported, match=r"^moves.webp: a damaged picture: "):
        source.read(out)
    source.close()


@pytest.mark.parametrize("suffix", ["webp", "gif", "avif"])
def test_a_background_plays_an_animation_over_and_over(tmp_path, suffix):
    video = LoopedVideo(str(animation(tmp_path / f"moves.{suffix}")))
    try:
        shown = [round(float(video(n / 10).mean()) * 219 / 255 / 4) for n in range(12)]
    finally:
        video.close()
    assert shown == pytest.approx([1, 2, 3, 3, 3, 4, 5, 5, 1, 2, 3, 3], abs=0.5)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.gif", "a.gif: an animation: the first picture is taken: `type: file` plays it"),
        ("a.webp", "a.webp: an animation: the first picture is taken: `type: file` plays it"),
        ("a.png", "a.png: an animation: the first picture is taken: `type: file` plays it"),
        ("a.avif", "a.avif: an animation: the first picture is taken: `type: file` plays it"),
        ("a.tiff", "a.tiff: several pages: the first picture is taken"),
    ],
)
def test_a_slideshow_says_once_that_it_takes_the_first_picture(tmp_path, caplog, name, said):
    path = animation(tmp_path / name)
    frame(1).save(tmp_path / "still.png")
    source = ImagesSource(ImagesSourceConfig(type="images", path=str(tmp_path / "?.*"), loop=True))
    with caplog.at_level(logging.WARNING):
        info = source.open()
        out = np.zeros((info.height, info.width, 3), np.uint8)
        for _ in range(3):
            source.read(out)
        source.close()
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 1
    assert told[0].endswith(said), path


def test_a_background_of_type_image_says_what_plays_an_animation(tmp_path, caplog):
    path = animation(tmp_path / "a.gif")
    with caplog.at_level(logging.WARNING):
        make_backdrop(ImageBackgroundConfig(type="image", path=str(path)), None)
    (told,) = caplog.records
    assert "`type: video` plays it" in told.getMessage()
