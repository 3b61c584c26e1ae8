from __future__ import annotations

import gc
import logging
from fractions import Fraction

import av
import numpy as np
import pytest

from streamer.errors import CorruptFrame, SourceUnsupported
from streamer.sources.decoding.upright import Upright
from tests.memory import allocating
from tests.peers import ffmpeg
from tests.unit.sources.decoding.picturing import film, pictures, plain, shown

RED = {709: (63, 102, 240), 601: (81, 90, 240), 2020: (74, 97, 240)}
"""Pure red in limited range, by each matrix."""
HD, SD = (1280, 720), (640, 480)


def is_red(picture: np.ndarray) -> bool:
    return bool((np.abs(picture.astype(int) - (0, 0, 255)) <= 3).all())


@pytest.mark.parametrize(
    ("layout", "colour_range", "white"),
    [
        ("yuv420p", 0, 235),
        ("yuv420p", 1, 235),
        ("yuv420p", 2, 255),
        ("yuvj420p", 0, 255),
        ("yuv420p", 3, 235),
    ],
)
def test_the_range_of_the_frame_decides_what_white_is(layout, colour_range, white):
    frame = plain((16, 16), (white, 128, 128), layout)
    frame.color_range = colour_range
    assert shown(frame).min() >= 253


def test_rows_with_padding_are_read_straight():
    picture = np.random.default_rng(0).integers(0, 255, (10, 13, 3), dtype=np.uint8)
    out = shown(av.VideoFrame.from_ndarray(picture, format="bgr24"))
    np.testing.assert_array_equal(out, picture)


@pytest.mark.parametrize(
    ("size", "matrix"),
    [(HD, 709), ((720, 1280), 709), ((1920, 1080), 709), (SD, 601), ((720, 576), 601)],
)
def test_without_a_tag_the_size_says_which_matrix(size, matrix):
    assert is_red(shown(plain(size, RED[matrix])))


@pytest.mark.parametrize(("tag", "matrix"), [(1, 709), (5, 601), (6, 601), (9, 2020)])
@pytest.mark.parametrize("size", [HD, SD])
def test_a_tag_counts_whatever_the_size(tag, matrix, size):
    frame = plain(size, RED[matrix])
    frame.colorspace = tag
    assert is_red(shown(frame))


@pytest.mark.parametrize(
    ("tag", "primaries", "matrix"),
    [
        *((tag, 2, 709) for tag in (0, 3, 8, 16, 17, 18, 200)),
        *((tag, 2, 2020) for tag in (10, 11, 14, 15)),
        *((tag, 9, 2020) for tag in (2, 12, 13)),
        *((tag, 1, 709) for tag in (12, 13)),
        *((tag, 6, 601) for tag in (12, 13)),
    ],
)
def test_a_matrix_that_cannot_be_had_is_replaced_by_the_nearest_with_one_warning(
    tag, primaries, matrix, caplog
):
    upright, out = Upright("clip"), np.zeros((720, 1280, 3), np.uint8)
    for _ in range(3):
        frame = plain(HD, RED[matrix])
        frame.colorspace, frame.color_primaries = tag, primaries
        upright.write(frame, out)
        assert is_red(out)
    warned = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warned) == (tag != 2)
    assert all(f"they are read as BT.{matrix}" in text for text in warned)


@pytest.mark.parametrize("layout", ["bgr24", "rgb24", "gbrp", "gray"])
def test_what_is_no_ycbcr_has_no_matrix(layout, caplog):
    picture = np.random.default_rng(1).integers(0, 255, (720, 1280), dtype=np.uint8)
    frame = av.VideoFrame.from_ndarray(picture, format="gray").reformat(format=layout)
    frame.colorspace = 8
    np.testing.assert_allclose(shown(frame)[..., 1], picture, atol=1)
    assert not caplog.records


def test_a_video_with_an_odd_matrix_is_delivered_whole(tmp_path, caplog):
    frames = (plain((64, 48), RED[601]) for _ in range(12))
    path = film(tmp_path / "odd.mp4", frames, options={"x264-params": "colormatrix=YCgCo"})
    got = list(pictures(path))
    assert len(got) == 12
    assert all(is_red(picture) for picture in got)
    assert caplog.text.count("odd.mp4: its colours are tagged YCgCo: they are read as BT.601") == 1


@pytest.mark.parametrize("layout", ["rgb96le", "yaf32le", "yaf32be"])
def test_what_ffmpeg_cannot_convert_is_refused_and_later_costs_one_frame(layout):
    upright, out = Upright("clip"), np.zeros((16, 16, 3), np.uint8)
    odd = av.VideoFrame(16, 16, layout)
    said = rf"^clip: its pictures \({layout}\) cannot be converted$"
    with pytest.raises(SourceUnsupported, match=said):
        upright.write(odd, out)
    upright.write(av.VideoFrame(16, 16, "yuv420p"), out)
    with pytest.raises(CorruptFrame, match=said):
        upright.write(odd, out)


@pytest.mark.parametrize(
    ("layout", "transfer"), [("yuv420p", 1), ("yuv420p10le", 16), ("yuva420p", 1)]
)
def test_after_the_first_frame_nothing_of_its_size_is_allocated(layout, transfer):
    upright, frame = Upright("clip"), av.VideoFrame(*HD, layout)
    frame.color_trc = transfer
    out = np.zeros((720, 1280, 3), np.uint8)
    upright.write(frame, out)
    with allocating() as growth:
        upright.write(frame, out)
    assert growth.peak < 100_000, "a plane of it has 230,400 bytes or more"


def test_frames_do_not_pile_up_until_the_garbage_collector_comes(tmp_path):
    path = film(
        tmp_path / "turned.mp4",
        (scene() for _ in range(30)),
        options={"g": "5"},
        prepare=lambda stream: stream.set_display_rotation(90),
    )
    gc.collect()
    gc.disable()
    try:
        shown_frames = pictures(path)
        for _ in range(20):
            next(shown_frames)
        # By its type: `isinstance` asks objects of other packages for their `__class__`.
        alive = sum(issubclass(type(each), av.VideoFrame) for each in gc.get_objects())
        shown_frames.close()
    finally:
        gc.enable()
    assert alive <= 4


EIGHT = [(degrees, mirrored) for degrees in (0, 90, 180, 270) for mirrored in (False, True)]


def scene() -> av.VideoFrame:
    """66x50, nothing like itself in any other orientation."""
    y, x = np.mgrid[0:50, 0:66]
    grey = np.where((x < 20) & (y < 30), 220, 40 + x + y).astype(np.uint8)
    return av.VideoFrame.from_ndarray(grey, format="gray").reformat(format="yuv420p")


@pytest.mark.parametrize(("degrees", "mirrored"), EIGHT)
@pytest.mark.parametrize("suffix", ["mp4", "mov"])
def test_each_of_eight_orientations_is_put_upright_as_ffmpeg_does(
    tmp_path, degrees, mirrored, suffix
):
    path = film(
        tmp_path / f"turned.{suffix}",
        [scene()],
        prepare=lambda stream: stream.set_display_rotation(degrees, hflip=mirrored),
    )
    (out,) = pictures(path)
    assert out.shape[:2] == ((66, 50) if degrees in (90, 270) else (50, 66))
    raw = ["-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "bgr24", "-"]
    wanted = np.frombuffer(ffmpeg.run("ffmpeg", "-i", str(path), *raw), np.uint8)
    # Two builds of swscale round apart.
    assert np.abs(out.astype(int) - wanted.reshape(out.shape)).mean() < 2


@pytest.mark.parametrize(
    ("degrees", "mirrored", "turned"),
    [
        (0, False, lambda p: p),
        (0, True, lambda p: p[:, ::-1]),
        (180, False, lambda p: p[::-1, ::-1]),
        (180, True, lambda p: p[::-1]),
        (90, False, lambda p: np.rot90(p)),
        (270, False, lambda p: np.rot90(p, -1)),
        (90, True, lambda p: np.rot90(p)[:, ::-1]),
        (270, True, lambda p: np.rot90(p, -1)[:, ::-1]),
    ],
)
def test_an_orientation_moves_pixels_and_changes_none(tmp_path, degrees, mirrored, turned):
    def tag(stream: av.VideoStream) -> None:
        stream.set_display_rotation(degrees, hflip=mirrored)

    lossless = {"crf": "0"}
    (flat,) = pictures(film(tmp_path / "flat.mp4", [scene()], options=lossless))
    (out,) = pictures(film(tmp_path / "t.mp4", [scene()], options=lossless, prepare=tag))
    np.testing.assert_array_equal(out, turned(flat))


def test_an_orientation_in_the_first_frame_lasts_for_those_that_say_nothing(tmp_path):
    path = film(tmp_path / "plain.mp4", (scene() for _ in range(8)))
    told = tmp_path / "told.mp4"
    with av.open(str(path)) as read, av.open(str(told), "w") as write:
        stream = write.add_stream_from_template(read.streams.video[0])
        orient = av.BitStreamFilterContext(
            "h264_metadata=display_orientation=insert:rotate=90", read.streams.video[0], stream
        )
        for packet in read.demux(video=0):
            for each in orient.filter(packet if packet.size else None):
                each.stream = stream
                write.mux(each)
    assert [picture.shape for picture in pictures(told)] == [(66, 50, 3)] * 8


@pytest.mark.parametrize(
    ("aspect", "size"), [(Fraction(4, 3), (66, 88)), (Fraction(1, 2), (132, 66))]
)
def test_pixels_are_made_square_before_a_picture_is_turned(tmp_path, aspect, size):
    path = film(
        tmp_path / "t.mp4",
        [scene()],
        aspect=aspect,
        prepare=lambda stream: stream.set_display_rotation(90),
    )
    (out,) = pictures(path)
    assert out.shape[:2] == ((88, 50) if aspect > 1 else (66, 100))


def translucent() -> np.ndarray:
    """(48, 64, 4) BGRA: red, then green that is hidden, and a band of white at half."""
    picture = np.zeros((48, 64, 4), np.uint8)
    picture[:, :32] = (0, 0, 255, 255)
    picture[:, 32:] = (0, 255, 0, 0)
    picture[16:32] = (255, 255, 255, 128)
    return picture


@pytest.mark.parametrize(
    ("suffix", "codec", "layout"),
    [
        ("mov", "png", "rgba"),
        ("mov", "qtrle", "argb"),
        ("mov", "prores_ks", "yuva444p10le"),
        ("mkv", "ffv1", "bgra"),
        ("nut", "rawvideo", "rgba"),
        ("webm", "libvpx-vp9", "yuva420p"),
        ("webm", "libvpx", "yuva420p"),
        ("apng", "apng", "rgba"),
    ],
)
def test_a_transparent_video_is_seen_over_black(tmp_path, suffix, codec, layout):
    frames = (av.VideoFrame.from_ndarray(translucent(), format="bgra") for _ in range(5))
    options = {"auto-alt-ref": "0"} if codec == "libvpx" else {}
    path = film(tmp_path / f"clip.{suffix}", frames, codec, layout=layout, options=options)
    got = list(pictures(path))
    assert len(got) == 5
    for picture in got:
        np.testing.assert_allclose(picture[8, 16], (0, 0, 255), atol=6)
        np.testing.assert_allclose(picture[8, 50], (0, 0, 0), atol=6)
        np.testing.assert_allclose(picture[24, 16], (128, 128, 128), atol=6)


def test_a_transparent_video_is_turned_too(tmp_path):
    frame = av.VideoFrame.from_ndarray(translucent(), format="bgra")
    path = film(
        tmp_path / "clip.mov",
        [frame],
        "png",
        layout="rgba",
        prepare=lambda stream: stream.set_display_rotation(90),
    )
    (out,) = pictures(path)
    straight = shown(av.VideoFrame.from_ndarray(translucent(), format="bgra"))
    np.testing.assert_array_equal(out, np.rot90(straight))


def test_the_fourth_byte_of_raw_rgb_in_avi_is_no_alpha(tmp_path):
    picture = np.zeros((48, 64, 4), np.uint8)
    picture[..., 2] = 200
    frame = av.VideoFrame.from_ndarray(picture, format="bgra")
    (out,) = pictures(film(tmp_path / "raw.avi", [frame], "rawvideo", layout="bgra"))
    np.testing.assert_array_equal(out, picture[..., :3])


def test_the_alpha_beside_vp9_survives_a_start_in_the_middle(tmp_path):
    frames = (av.VideoFrame.from_ndarray(translucent(), format="bgra") for _ in range(50))
    path = film(tmp_path / "a.webm", frames, "libvpx-vp9", layout="yuva420p", options={"g": "10"})
    got = list(pictures(path, start_s=1.0))
    assert len(got) == 25
    assert all(picture[8, 50].max() <= 6 for picture in got)
