"""From a configuration to what sinks get: regions, cropping, filters, and what has to be told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streamer import Pipeline
from streamer.config import PreprocessConfig, parse_config
from streamer.errors import ConfigError
from streamer.frame import Frame, Matte
from streamer.sources import make_source
from tests.fakes import FakeSink

SIZE = (128, 72)
FRAMES = 5


class Keeper(FakeSink):
    """Keeps pictures and alphas as they were."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[tuple[np.ndarray, np.ndarray]] = []

    def write(self, frame: Frame, matte: Matte) -> None:
        super().write(frame, matte)
        self.given.append((frame.image.copy(), matte.alpha.copy()))


@pytest.fixture
def run(make_model, monkeypatch):
    """Runs a generated clip through a tiny model; gives back (image, alpha) of each frame."""

    def run(preprocess: dict[str, Any], **matting: Any) -> list[tuple[np.ndarray, np.ndarray]]:
        sink = Keeper()
        monkeypatch.setattr("streamer.stream.build.make_sink", lambda *_, **__: sink)
        config = {
            "source": {
                "type": "synthetic",
                "width": SIZE[0],
                "height": SIZE[1],
                "frames": FRAMES,
            },
            "model": {"name": str(make_model(size=32, bias=4.0)), "providers": ["cpu"]},
            "preprocess": preprocess,
            "matting": matting,
            "sinks": [{"type": "discard"}],
        }
        Pipeline.from_config(parse_config(config, name="test")).run()
        assert len(sink.given) == FRAMES
        return sink.given

    return run


@pytest.fixture
def clip() -> list[np.ndarray]:
    """The frames of the source as they are."""
    config = parse_config(
        {
            "source": {"type": "synthetic", "width": SIZE[0], "height": SIZE[1], "frames": FRAMES},
            "sinks": [{"type": "discard"}],
        },
        name="test",
    )
    source = make_source(config.source)
    source.open()
    pictures = []
    for _ in range(FRAMES):
        pictures.append(np.empty((SIZE[1], SIZE[0], 3), np.uint8))
        source.read(pictures[-1])
    source.close()
    return pictures


@pytest.mark.parametrize("mode", ["every_frame", "tracked"])
def test_a_full_output_has_the_whole_frame_and_background_outside_of_its_region(run, clip, mode):
    inside = np.s_[18:54, 32:96]
    for (image, alpha), picture in zip(
        run({"roi": [0.25, 0.25, 0.5, 0.5]}, mode=mode), clip, strict=True
    ):
        assert (image == picture).all()
        assert alpha[inside].any()
        alpha[inside] = 0
        assert not alpha.any()


def test_a_cropped_output_is_the_box_and_nothing_is_lost_of_it(run, clip):
    for (image, alpha), picture in zip(
        run({"roi": [0.25, 0.25, 0.5, 0.5], "output": "cropped"}), clip, strict=True
    ):
        assert (image == picture[18:54, 32:96]).all()
        assert alpha.shape == (36, 64)
        assert (alpha > 0).all()


def test_between_the_regions_of_a_cropped_output_is_background(run, clip):
    regions = [[8, 4, 20, 20], [60, 40, 30, 10]]
    cropped = run({"roi": regions, "output": "cropped"})
    full = run({"roi": regions})
    box = np.s_[4:50, 8:90]
    for (image, alpha), (_, whole), picture in zip(cropped, full, clip, strict=True):
        assert (image == picture[box]).all()
        assert (alpha == whole[box]).all()
        assert np.count_nonzero(alpha) == 20 * 20 + 30 * 10


@pytest.mark.parametrize("filters", [{"max_side": 64}, {"hsv": {"ranges": [{"hue": [0, 10]}]}}])
def test_filters_change_what_the_model_sees_and_never_the_frame(run, clip, filters):
    for (image, alpha), (_, plain), picture in zip(run(filters), run({}), clip, strict=True):
        assert (image == picture).all()
        assert alpha.shape == plain.shape
        assert (alpha != plain).any()


def test_tracked_crops_of_a_shrunk_view_make_the_mattes_that_the_model_makes(run):
    """Its alpha of the generated clip is everywhere high."""
    for (_, every), (_, tracked) in zip(
        run({"scale": 0.5}), run({"scale": 0.5}, mode="tracked"), strict=True
    ):
        assert np.abs(every.astype(int) - tracked).mean() < 10


def test_a_region_outside_of_a_file_is_told_before_the_model_is_looked_for(tmp_path):
    from PIL import Image

    Image.new("RGB", SIZE).save(tmp_path / "a.png")
    config = {
        "source": {"type": "images", "path": str(tmp_path)},
        "model": {"name": str(tmp_path / "none.onnx")},
        "preprocess": {"roi": [500, 0, 10, 10], "output": "cropped"},
        "sinks": [{"type": "discard"}],
    }
    with pytest.raises(ConfigError, match=r"preprocess.roi: \[500, 0, 10, 10\] is outside"):
        Pipeline.from_config(parse_config(config, name="test"))


def test_what_is_left_to_tune_of_a_cropped_output_is_within_it(make_model, monkeypatch):
    made = []
    monkeypatch.setattr(
        "streamer.stream.build.make_sink",
        lambda _, making: made.append(making.settings) or FakeSink(),
    )
    config = {
        "source": {"type": "synthetic", "width": SIZE[0], "height": SIZE[1], "frames": 1},
        "model": {"name": str(make_model(size=32))},
        "preprocess": {"roi": [0.5, 0.5, 0.25, 0.25], "output": "cropped"},
        "sinks": [{"type": "discard"}],
    }
    stream = Pipeline.from_config(parse_config(config, name="test"))
    assert stream.settings.preprocess == PreprocessConfig()
    assert made[0].preprocess == PreprocessConfig()
