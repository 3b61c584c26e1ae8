import cv2
import numpy as np
import pytest
from PIL import Image as Picture

from streamer.errors import SourceNotFound, SourceUnsupported
from streamer.sources.pictures import read_picture
from tests.unit.cli.odd_pictures import png_header


def test_a_frame_is_the_callers_own_and_packed(tmp_path):
    path = tmp_path / "a.png"
    Picture.new("RGB", (5, 4), (250, 20, 10)).save(path)
    first, second = read_picture(path), read_picture(str(path))
    assert first.dtype == np.uint8
    assert first.flags.c_contiguous
    assert first.flags.writeable
    assert (first == (10, 20, 250)).all()
    first[:] = 0
    assert (second == (10, 20, 250)).all()


def test_sixteen_bits_are_rounded_to_eight(tmp_path):
    path = tmp_path / "deep.png"
    stored = np.array([[[0, 257, 32896], [128, 129, 65535]]], np.uint16)
    cv2.imwrite(str(path), stored)
    assert read_picture(path).tolist() == [[[0, 1, 128], [0, 1, 255]]]


def test_transparency_of_sixteen_bits_lies_on_black(tmp_path):
    path = tmp_path / "deep.png"
    stored = np.full((1, 3, 4), 51400, np.uint16)
    stored[0, :, 3] = (0, 32896, 65535)
    cv2.imwrite(str(path), stored)
    assert read_picture(path)[0, :, 0].tolist() == [0, 100, 200]


def test_a_picture_that_is_too_large_is_refused_unread(tmp_path):
    path = tmp_path / "huge.png"
    path.write_bytes(png_header(60000, 60000))
    with pytest.raises(SourceUnsupported, match=r"huge\.png: too large: 60000x60000 pixels"):
        read_picture(path)


def test_what_is_not_there_or_no_picture_is_told_in_one_line(tmp_path):
    with pytest.raises(SourceNotFound, match=r"none\.png: no such file"):
        read_picture(tmp_path / "none.png")
    path = tmp_path / "new\nline.png"
    path.write_bytes(b"no picture")
    with pytest.raises(SourceUnsupported, match=r"new\\nline\.png: not a picture") as told:
        read_picture(path)
    assert "\n" not in str(told.value)
