from __future__ import annotations

import numpy as np
import pytest

from streamer.config import PipelineConfig, SyntheticSourceConfig
from streamer.sources import make_source
from streamer.sources.synthetic import SyntheticSource, _on_path, _Scene


def frames(count: int = 3, **fields: object) -> list[np.ndarray]:
    size = {"width": 160, "height": 90}
    source = SyntheticSource(SyntheticSourceConfig(type="synthetic", **(size | fields)))
    info = source.open()
    pictures = []
    for _ in range(count):
        pictures.append(np.empty((info.height, info.width, 3), np.uint8))
        source.read(pictures[-1])
    source.close()
    return pictures


def truth(index: int, **fields: object) -> np.ndarray:
    size = {"width": 160, "height": 90}
    config = SyntheticSourceConfig(type="synthetic", **(size | fields))
    alpha = np.empty((config.height, config.width), np.uint8)
    SyntheticSource(config).truth(index, alpha)
    return alpha


def test_the_same_seed_gives_the_same_pictures_and_another_does_not():
    np.testing.assert_array_equal(frames(seed=3), frames(seed=3))
    assert (frames(seed=3)[0] != frames(seed=4)[0]).any()


def test_subject_and_background_move():
    first, *_, last = frames(12)
    assert (first[:8, :8] != last[:8, :8]).any()
    assert (truth(0) != truth(11)).any()


def test_the_alpha_has_soft_edges_a_hole_and_room_around():
    alpha = truth(0, width=640, height=360)
    assert {0, 255} <= set(np.unique(alpha).tolist())
    assert ((alpha > 0) & (alpha < 255)).sum() > 500
    rows, columns = np.nonzero(alpha == 255)
    inside = alpha[rows.max() - 40 : rows.max(), columns.min() + 40 : columns.max() - 40]
    assert (inside == 0).any()
    assert (alpha == 0).mean() > 0.3


def test_every_pixel_is_the_rounded_blend():
    pictures = frames(3)
    for index, picture in enumerate(pictures):
        scene = _Scene(160, 90, seed=0)
        x, y = _on_path(index, scene._slack, 2)
        rest = scene._background[y : y + 90, x : x + 160].astype(float)
        colours = np.zeros_like(rest)
        alpha = truth(index)
        np.divide(scene._lit, 255, out=colours[scene._place(index)])
        wanted = np.rint(colours + (1 - alpha[..., None] / 255) * rest)
        np.testing.assert_array_equal(picture, wanted)


@pytest.mark.parametrize("size", [(16, 16), (17, 301), (301, 17)])
def test_any_size(size):
    width, height = size
    assert frames(2, width=width, height=height)[1].shape == (height, width, 3)


def test_what_is_no_sources_configuration_is_refused() -> None:
    with pytest.raises(TypeError, match="a PipelineConfig is no source's configuration"):
        make_source(PipelineConfig())
