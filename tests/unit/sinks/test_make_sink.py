from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

import streamer.sinks
from streamer.config import ComposeConfig, ImagesSinkConfig, RecordSinkConfig
from streamer.errors import ConfigError
from streamer.metrics import LatencyHistogram
from streamer.sinks import make_sink
from tests.unit.sinks.scene import GREEN, shot, stream_info


def picture_of(config: ImagesSinkConfig, cutout: str, alpha: np.ndarray | None = None):
    latency = LatencyHistogram()
    sink = make_sink(
        config, compose=ComposeConfig(cutout=cutout), level=128, stream="desk", latency=latency
    )
    sink.open(stream_info())
    sink.write(*shot(alpha=alpha))
    sink.close()
    assert latency.quantile_ms(0.5) is not None
    (path,) = Path(config.path).iterdir()
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def test_the_names_are_sorted_and_there():
    assert sorted(streamer.sinks.__all__) == streamer.sinks.__all__
    assert all(hasattr(streamer.sinks, name) for name in streamer.sinks.__all__)


@pytest.mark.parametrize(
    ("layout", "cutout", "shape"),
    [
        ("cutout", "rgba", (48, 64, 4)),
        ("cutout", "rgb_on_black", (48, 64, 3)),
        ("side_by_side", "rgba", (48, 128, 3)),
        ("source", "rgba", (48, 64, 3)),
        ("mask", "rgba", (48, 64)),
        ("alpha", "rgb_on_black", (48, 64)),
    ],
)
def test_a_picture_has_the_channels_of_its_layout(
    tmp_path: Path, layout: str, cutout: str, shape: tuple[int, ...]
):
    config = ImagesSinkConfig(type="images", path=str(tmp_path / "out"), layout=layout)
    assert picture_of(config, cutout).shape == shape


def test_the_level_is_the_masks(tmp_path: Path):
    config = ImagesSinkConfig(type="images", path=str(tmp_path / "out"), layout="mask")
    alpha = np.full((48, 64), 127, np.uint8)
    alpha[:, 32:] = 128
    mask = picture_of(config, "rgba", alpha)
    assert not mask[:, :32].any()
    assert (mask[:, 32:] == 255).all()


def test_the_source_layout_is_untouched(tmp_path: Path):
    config = ImagesSinkConfig(type="images", path=str(tmp_path / "out"), layout="source")
    assert (picture_of(config, "rgba")[:, 32:] == GREEN).all()


def test_a_template_with_an_unknown_field_is_refused(tmp_path: Path):
    config = RecordSinkConfig(type="record", path=str(tmp_path / "{camera}.mp4"))
    with pytest.raises(ConfigError, match=r"\{camera\} is not known"):
        make_sink(
            config,
            compose=ComposeConfig(cutout="rgba"),
            level=128,
            stream="desk",
            latency=LatencyHistogram(),
        )
