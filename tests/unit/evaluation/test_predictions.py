import av
import cv2
import numpy as np
import pytest

from streamer.errors import SourceNotFound, SourceUnsupported
from streamer.evaluation import measure, pair
from streamer.evaluation.predictions import read_alphas

LEVELS = (0, 60, 128, 200, 255)


def write(folder, alphas):
    folder.mkdir()
    for index, alpha in enumerate(alphas):
        cv2.imwrite(str(folder / f"{index:04}.png"), alpha)
    return folder


def flats(*levels):
    return [np.full((32, 48), level, np.uint8) for level in levels]


def test_a_folder_and_a_video_hold_the_same_alphas(tmp_path):
    folder = write(tmp_path / "png", flats(*LEVELS))
    video = tmp_path / "alpha.mp4"
    with av.open(str(video), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for alpha in flats(*LEVELS):
            grey = cv2.cvtColor(alpha, cv2.COLOR_GRAY2BGR)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="bgr24")))
        container.mux(stream.encode(None))
    for ours, theirs, level in zip(read_alphas(folder), read_alphas(video), LEVELS, strict=True):
        assert (ours == level).all()
        assert np.abs(theirs.astype(int) - level).max() <= 3
    assert measure("x", pair(folder, video)).means()["mad"] < 10


def test_numbers_in_names_are_in_their_order(tmp_path):
    for number in (10, 2, 9):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((8, 8), number, np.uint8))
    assert [int(alpha[0, 0]) for alpha in read_alphas(tmp_path)] == [2, 9, 10]


def test_transparency_is_the_alpha_and_16_bits_become_8(tmp_path):
    cutout = np.full((4, 4, 4), 9, np.uint8)
    cutout[..., 3] = 77
    cv2.imwrite(str(tmp_path / "cutout.png"), cutout)
    cv2.imwrite(str(tmp_path / "deep.png"), np.full((4, 4), 65535, np.uint16))
    cv2.imwrite(str(tmp_path / "colour.png"), np.full((4, 4, 3), 200, np.uint8))
    for name, level in (("cutout", 77), ("deep", 255), ("colour", 200)):
        (alpha,) = read_alphas(tmp_path / f"{name}.png")
        assert (alpha == level).all()


def test_pixels_that_change_where_the_truth_does_not_are_flicker(tmp_path):
    prediction = write(tmp_path / "p", flats(0, 51, 0))
    truth = write(tmp_path / "t", flats(0, 0, 0))
    means = measure("p", pair(prediction, truth)).means()
    assert means["flicker"] == pytest.approx(0.2 * 1e3)
    assert means["edge_lag_px"] is None
    assert means["cpu_s"] is None


def test_lengths_that_differ_are_told(tmp_path):
    short, long = write(tmp_path / "short", flats(0, 1)), write(tmp_path / "long", flats(0, 1, 2))
    for prediction, truth in ((short, long), (long, short)):
        with pytest.raises(SourceUnsupported, match=r"short: ends after 2 frames, but .*long goes"):
            list(pair(prediction, truth))


def test_sizes_that_differ_are_told(tmp_path):
    one = write(tmp_path / "one", flats(0))
    other = write(tmp_path / "other", [np.zeros((20, 30), np.uint8)])
    with pytest.raises(SourceUnsupported, match=r"one: frame 0 is 48x32, but 30x20 in .*other"):
        list(pair(one, other))


def test_what_cannot_be_read_is_told(tmp_path):
    (tmp_path / "bad.png").write_bytes(b"not a picture")
    (tmp_path / "bad.mp4").write_bytes(b"not a video")
    (tmp_path / "empty").mkdir()
    for name in ("bad.png", "bad.mp4"):
        with pytest.raises(SourceUnsupported, match=name):
            list(read_alphas(tmp_path / name))
    with pytest.raises(SourceNotFound, match="holds no pictures"):
        list(read_alphas(tmp_path / "empty"))
    with pytest.raises(SourceNotFound, match="no such file or folder"):
        list(read_alphas(tmp_path / "none"))
