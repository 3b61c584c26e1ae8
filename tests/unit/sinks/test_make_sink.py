from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

import streamer.sinks
from streamer.config import ComposeConfig, ImagesSinkConfig, RecordSinkConfig, Settings, SinkConfig
from streamer.core.metrics import LatencyHistogram
from streamer.protocols import Sink
from streamer.sinks import Making, make_sink
from tests.unit.sinks.scene import GREEN, shot, stream_info


def made(
    config: SinkConfig,
    compose: ComposeConfig | None = None,
    latency: LatencyHistogram | None = None,
) -> Sink:
    return make_sink(
        config,
        Making(
            settings=Settings(compose=compose or ComposeConfig()),
            stream="desk",
            latency=latency or LatencyHistogram(),
        ),
    )


def picture_of(
    config: ImagesSinkConfig, compose: ComposeConfig | str, alpha: np.ndarray | None = None
):
    if isinstance(compose, str):
        compose = ComposeConfig(cutout=compose)
    latency = LatencyHistogram()
    sink = made(config, compose, latency)
    sink.open(stream_info())
    frame, matte = shot(alpha=alpha)
    sink.write(replace(frame, settings=Settings(compose=compose)), matte)
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


def test_a_transparent_composite_keeps_its_alpha(tmp_path: Path):
    config = ImagesSinkConfig(type="images", path=str(tmp_path / "out"), layout="composite")
    picture = picture_of(config, ComposeConfig(background="transparent"))
    assert (picture[:, :32, 3] == 255).all()
    assert not picture[:, 32:, 3].any()


def test_the_options_of_the_images_reach_them(tmp_path: Path):
    config = ImagesSinkConfig(
        type="images",
        path=str(tmp_path / "out"),
        format="webp",
        when="interval",
        every_s=0.1,
        limit=2,
    )
    sink = made(config)
    sink.open(stream_info())
    for index in range(10):
        sink.write(*shot(index))
    assert sorted(f.name for f in (tmp_path / "out").iterdir()) == [
        "00000006.webp",
        "00000009.webp",
    ]


def test_a_subject_that_appears_is_kept(tmp_path: Path):
    config = ImagesSinkConfig(type="images", path=str(tmp_path / "out"), when="subject")
    sink = made(config)
    sink.open(stream_info())
    for index in range(100):
        alpha = np.full((48, 64), 255 if index in (5, 6, 20, 80) else 0, np.uint8)
        sink.write(*shot(index, alpha=alpha))
    assert sorted(f.name for f in (tmp_path / "out").iterdir()) == [
        "00000005.png",
        "00000080.png",
    ]


def test_a_subject_that_covers_less_than_its_share_is_none(tmp_path: Path):
    config = ImagesSinkConfig(
        type="images", path=str(tmp_path / "out"), when="subject", subject_share=0.3, absent_s=0
    )
    sink = made(config)
    sink.open(stream_info())
    for index, rows in enumerate((0, 12, 16)):  # of 48: none, a quarter, a third
        alpha = np.zeros((48, 64), np.uint8)
        alpha[:rows] = 255
        sink.write(*shot(index, alpha=alpha))
    assert [f.name for f in (tmp_path / "out").iterdir()] == ["00000002.png"]


@pytest.mark.parametrize("limit", [{"limit_mb": 1e-6}, {"limit_age_s": 1e-9}])
def test_a_limit_of_size_or_age_deletes_the_older_pictures(tmp_path: Path, limit):
    sink = made(ImagesSinkConfig(type="images", path=str(tmp_path / "out"), **limit))
    sink.open(stream_info())
    for index in range(3):
        sink.write(*shot(index))
    left = {f.name for f in (tmp_path / "out").iterdir()}
    assert left <= {"00000002.png"}
    assert sink.statistics()["deleted"] == 3 - len(left)


@pytest.mark.parametrize(
    ("config", "channels"),
    [
        (RecordSinkConfig(type="record", path="a.mov", layout="cutout"), 4),
        (RecordSinkConfig(type="record", path="a.mov", layout="mask"), 3),
        (RecordSinkConfig(type="record", path="a.mov"), 3),
    ],
)
def test_a_recording_has_an_alpha_where_one_is_asked_for(
    tmp_path: Path, config: RecordSinkConfig, channels: int
):
    path = tmp_path / config.path
    sink = made(config.model_copy(update={"path": str(path)}), ComposeConfig(cutout="rgba"))
    sink.open(stream_info())
    sink.write(*shot())
    sink.close()
    with av.open(str(path)) as film:
        assert film.streams.video[0].format.name.startswith("yuva" if channels == 4 else "yuv4")
