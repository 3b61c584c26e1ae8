from __future__ import annotations

import resource
from pathlib import Path

import cv2
import numpy as np
import pytest

from streamer.errors import SinkError
from streamer.sinks import write_picture

NOISE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)


def test_a_png_reads_back_as_it_was_and_leaves_nothing_beside_it(tmp_path: Path):
    size = write_picture(tmp_path / "a.png", NOISE)
    assert np.array_equal(cv2.imread(str(tmp_path / "a.png")), NOISE)
    assert [f.name for f in tmp_path.iterdir()] == ["a.png"]
    assert size == (tmp_path / "a.png").stat().st_size


def test_quality_is_jpegs(tmp_path: Path):
    assert write_picture(tmp_path / "a.jpg", NOISE, 10) < write_picture(tmp_path / "b.jpg", NOISE)


def test_a_webp_of_full_quality_is_lossless_with_its_alpha(tmp_path: Path):
    picture = np.dstack([NOISE, NOISE[..., 0]])
    write_picture(tmp_path / "a.webp", picture, 100)
    read = cv2.imread(str(tmp_path / "a.webp"), cv2.IMREAD_UNCHANGED)
    shown = picture[..., 3] > 0
    assert np.array_equal(read[..., 3], picture[..., 3])
    assert np.array_equal(read[shown], picture[shown])
    assert write_picture(tmp_path / "b.webp", picture, 50) < (tmp_path / "a.webp").stat().st_size


def test_a_file_is_replaced_unless_that_is_refused(tmp_path: Path):
    path = tmp_path / "a.png"
    path.write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        write_picture(path, NOISE, overwrite=False)
    assert path.read_bytes() == b"mine"
    write_picture(path, NOISE)
    assert cv2.imread(str(path)) is not None
    assert [f.name for f in tmp_path.iterdir()] == ["a.png"]


def test_jpeg_refuses_alpha(tmp_path: Path):
    with pytest.raises(SinkError, match=r"jpeg holds no alpha: write a \.png"):
        write_picture(tmp_path / "a.jpg", np.zeros((4, 4, 4), np.uint8))


@pytest.mark.parametrize("name", ["a", "a.nothing"])
def test_an_unknown_suffix_is_refused(tmp_path: Path, name: str):
    with pytest.raises(SinkError, match=r"cannot be encoded: use \.png"):
        write_picture(tmp_path / name, NOISE)


def test_a_missing_folder_is_an_error_that_names_the_file(tmp_path: Path):
    with pytest.raises(SinkError, match=r"gone/a\.png: cannot be written: No such file"):
        write_picture(tmp_path / "gone" / "a.png", NOISE)


def test_a_write_that_fails_half_way_leaves_no_file(tmp_path: Path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(SinkError, match=r"a\.png: the file is as large as"):
            write_picture(tmp_path / "a.png", NOISE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []
