from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from streamer.config import FileSourceConfig
from streamer.sources import make_source
from streamer.sources.decoding.pixels import square_size
from tests.unit.sources.decoding.picturing import film, pictures, plain

GREY = (128, 128, 128)


@pytest.mark.parametrize(
    ("size", "aspect", "square"),
    [
        ((480, 360), "4/3", (640, 360)),
        ((720, 576), "16/15", (768, 576)),
        ((720, 576), "64/45", (1024, 576)),
        ((720, 480), "32/27", (854, 480)),
        ((1440, 1080), "4/3", (1920, 1080)),
        ((352, 576), "32/11", (1024, 576)),
        ((720, 480), "8/9", (720, 540)),
        ((640, 240), "1/2", (640, 480)),
        ((1280, 720), "1", (1280, 720)),
        ((1281, 720), "4320/4319", (1281, 720)),
        ((480, 360), "1000", (480, 360)),
        ((480, 360), "1/1000", (480, 360)),
        ((480, 360), "5", (480, 360)),
        ((8192, 4320), "3", (8192, 4320)),
        ((480, 360), None, (480, 360)),
    ],
)
def test_the_shorter_way_of_a_pixel_is_enlarged(size, aspect, square):
    assert square_size(*size, None if aspect is None else Fraction(aspect)) == square


def oval(aspect: Fraction) -> av.VideoFrame:
    """What is a circle of 200 pixels once the pixels are square."""
    width, height = 480, 360
    y, x = np.mgrid[0:height, 0:width]
    inside = np.hypot((x - 239.5) * float(aspect), y - 179.5) < 100
    grey = np.where(inside, 255, 0).astype(np.uint8)
    return av.VideoFrame.from_ndarray(grey, format="gray").reformat(format="yuv420p")


@pytest.mark.parametrize(
    ("suffix", "codec", "layout"),
    [
        ("mp4", "libx264", "yuv420p"),
        ("mkv", "libx264", "yuv420p"),
        ("ts", "libx264", "yuv420p"),
        ("mpg", "mpeg2video", "yuv420p"),
        ("avi", "mpeg4", "yuv420p"),
        ("mov", "prores_ks", "yuv422p10le"),
    ],
)
def test_a_circle_is_round_in_every_container(tmp_path, suffix, codec, layout):
    aspect = Fraction(4, 3)
    frames = [oval(aspect) for _ in range(3)]
    path = film(tmp_path / f"c.{suffix}", frames, codec, layout=layout, aspect=aspect)
    picture = next(pictures(path))
    assert picture.shape == (360, 640, 3)
    rows, columns = np.nonzero(picture[..., 1] > 128)
    assert abs(int(np.ptp(columns)) - int(np.ptp(rows))) <= 2


def test_regions_are_of_square_pixels(tmp_path):
    frames = (plain((480, 360), GREY) for _ in range(3))
    path = film(tmp_path / "c.mp4", frames, aspect=Fraction(4, 3))
    cropped = make_source(FileSourceConfig(type="file", path=str(path)), [(0.5, 0, 0.5, 1.0)])
    info = cropped.open()
    assert (info.width, info.height) == (320, 360)
    cropped.read(np.zeros((360, 320, 3), np.uint8))
    cropped.close()


def joined(path: Path, *aspects: Fraction) -> Path:
    """Transport streams of ten frames each, one after the other in time."""
    with path.open("wb") as whole:
        for number, aspect in enumerate(aspects):
            frames = (plain((64, 48), (40 + 100 * number, 128, 128)) for _ in range(10))
            part = film(path.with_suffix(f".{number}.ts"), frames, aspect=aspect)
            with av.open(str(part)) as read:
                moved = path.with_suffix(".moved.ts")
                with av.open(str(moved), "w") as write:
                    stream = write.add_stream_from_template(read.streams.video[0])
                    for packet in read.demux(video=0):
                        if packet.size and packet.pts is not None and packet.dts is not None:
                            packet.pts += number * 36_000
                            packet.dts += number * 36_000
                            packet.stream = stream
                            write.mux(packet)
            whole.write(moved.read_bytes())
    return path


def test_a_change_of_shape_in_mid_stream_changes_the_size_at_its_frame(tmp_path):
    path = joined(tmp_path / "joined.ts", Fraction(4, 3), Fraction(1))
    got = list(pictures(path))
    assert [picture.shape[1] for picture in got] == [86] * 10 + [64] * 10
    levels = [int(picture.mean()) for picture in got]
    assert max(levels[:10]) < min(levels[10:])
