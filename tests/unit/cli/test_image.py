import sys
import types
from pathlib import Path

import numpy as np
import pytest

from streamer.cli.image import find, plan
from streamer.errors import SourceUnsupported


class FakeRemover:
    """Keeps the left half of a picture."""

    fallback = None

    def __init__(self, model, *, rgba, normalize, progress):
        self.channels = 4 if rgba else 3

    def __call__(self, image, order):
        mask = np.zeros(image.shape[:2], np.uint8)
        mask[:, : mask.shape[1] // 2] = 255
        return np.full((*mask.shape, self.channels), 7, np.uint8), mask

    def __enter__(self):
        return self

    def __exit__(self, *details):
        pass


def read_picture(path):
    import cv2

    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise SourceUnsupported(f"{path}: is no picture")
    return picture


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    import cv2

    monkeypatch.chdir(tmp_path)
    for module, name, value in (
        ("streamer.remover", "BackgroundRemover", FakeRemover),
        ("streamer.sources.images", "read_picture", read_picture),
    ):
        fake = types.ModuleType(module)
        setattr(fake, name, value)
        monkeypatch.setitem(sys.modules, module, fake)
    for name in ("a.jpg", "in/a.png", "in/b.png"):
        Path(name).parent.mkdir(exist_ok=True)
        cv2.imwrite(name, np.full((8, 8, 3), 99, np.uint8))
    Path("bad.png").write_bytes(b"not a picture")
    return cv2


def test_a_cutout_has_transparency_and_the_mask_stands_beside_it(streamer, pictures):
    result = streamer("image", "a.jpg", "--out", "out", "--mask")
    assert result.exit_code == 0, result.output
    assert pictures.imread("out/a.png", pictures.IMREAD_UNCHANGED).shape == (8, 8, 4)
    assert pictures.imread("out/a-mask.png", pictures.IMREAD_UNCHANGED).shape == (8, 8)


def test_a_cutout_can_be_on_black_and_without_a_mask(streamer, pictures):
    assert streamer("image", "a.jpg", "--out", "out", "--cutout", "rgb_on_black").exit_code == 0
    assert pictures.imread("out/a.png", pictures.IMREAD_UNCHANGED).shape == (8, 8, 3)
    assert [path.name for path in Path("out").iterdir()] == ["a.png"]


def test_a_bad_picture_is_reported_and_the_others_are_done(streamer, pictures):
    result = streamer("image", "bad.png", "none.png", "a.jpg", "--out", "out")
    assert result.exit_code == 3
    assert "bad.png: is no picture" in result.stderr
    assert "none.png: no such picture" in result.stderr
    assert "1 of 3 pictures" in result.stdout
    assert Path("out/a.png").is_file()


def test_no_input_is_ever_overwritten(streamer, pictures):
    before = Path("in/a.png").read_bytes()
    assert streamer("image", "in", "a.jpg", "--out", "in").exit_code == 0
    assert Path("in/a.png").read_bytes() == before
    assert {path.name for path in Path("in").iterdir()} == {
        "a.png",
        "b.png",
        "a-2.png",
        "a-3.png",
        "b-2.png",
    }


def test_folders_and_globs_are_looked_through_and_each_picture_is_taken_once(pictures):
    sources, missing = find(["in", "in/*.png", "in/a.png", "x/*.png"])
    assert sources == [Path("in/a.png"), Path("in/b.png")]
    assert missing == ["x/*.png"]


def test_results_of_one_name_are_told_apart():
    jobs = plan([Path("x/a.jpg"), Path("y/A.png"), Path("x/a-mask.jpg")], Path("out"))
    names = [path.name for job in jobs for path in (job.cutout, job.mask)]
    assert names == [
        "a.png",
        "a-mask.png",
        "A-2.png",
        "A-2-mask.png",
        "a-mask-2.png",
        "a-mask-2-mask.png",
    ]


def test_nothing_to_do_exits_with_3(streamer, pictures):
    assert streamer("image", "none.png", "--out", "out").exit_code == 3
