"""What every matting promises, over the real ones and the fakes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np
import pytest

from streamer.config import MattingConfig, ModelConfig
from streamer.frame import Alpha, Frame, Matte, Stamp
from streamer.matting import Automatic, EveryFrame, Tracked
from streamer.models import load_segmenter
from streamer.protocols import Matting
from tests.fakes import FakeMatting, FakeSegmenter, Within

MakeMatting = Callable[[], Matting]


TRACKED = {
    "tracked-file": (MattingConfig(mode="tracked", max_interval=4), False),
    "tracked-live": (MattingConfig(mode="tracked"), True),
    "tracked-live-delayed": (MattingConfig(mode="tracked", delay_frames=3), True),
}
AUTOMATIC = {"automatic-fast": 1e9, "automatic-slow": 1e-9}
"""Seconds from one frame to the next."""
REGIONS = {
    "everywhere": None,
    "in-a-region": (0.25, 0.1, 0.6, 0.85),
    "in-two-regions": [(0, 0, 30, 30), (20, 20, 44, 28)],
}
FAKES = ["fake-0", "fake-1", "fake-5", "fake-5-in-bursts"]


@pytest.fixture(
    params=[
        *["every_frame", *TRACKED, *AUTOMATIC, *FAKES],
        *[f"fake-5 {where}" for where in REGIONS],
        *["every_frame in-a-region", "tracked-file in-two-regions", "tracked-live in-a-region"],
    ]
)
def make_matting(request, make_model) -> MakeMatting:
    kind, _, where = request.param.partition(" ")

    def make() -> Matting:
        if kind == "every_frame":
            return EveryFrame(load_segmenter(ModelConfig(name=str(make_model())))[0])
        if kind in TRACKED:
            config, live = TRACKED[kind]
            return Tracked(FakeSegmenter(sides=(32, 48, 64)), config, live=live)
        if kind in AUTOMATIC:
            model = FakeSegmenter(sides=(32, 48, 64))
            return Automatic(model, MattingConfig(), period_s=AUTOMATIC[kind])
        return FakeMatting(int(kind.split("-")[1]), in_bursts=kind.endswith("bursts"))

    if not where:
        return make
    return lambda: Within(make(), REGIONS[where])


def frames(count: int, *, epoch: int = 0) -> Iterator[Frame]:
    numbers = np.random.default_rng(5)
    for index in range(count):
        image = numbers.integers(0, 256, (48, 64, 3), np.uint8)
        yield Frame(image, Stamp(index, index, Fraction(1, 25), 0, epoch))


def test_each_frame_gets_its_matte_once_in_order_and_in_its_own_alpha(make_matting) -> None:
    matting = make_matting()
    matting.warm_up()
    given: list[tuple[Frame, Alpha]] = []
    mattes: list[Matte] = []
    for frame in frames(13):
        given.append((frame, np.full((48, 64), 99, np.uint8)))
        mattes += matting.matte(*given[-1])
        assert len(given) - len(mattes) <= matting.delay
    mattes += matting.flush()
    for matte, (frame, alpha) in zip(mattes, given, strict=True):
        assert matte.stamp == frame.stamp
        assert matte.alpha is alpha
        assert not (alpha == 99).all(), "it was written"
    assert not matting.flush(), "nothing is held after a flush"
    matting.close()


def test_after_a_flush_an_epoch_gives_what_it_would_give_alone(make_matting) -> None:
    alphas: list[list[np.ndarray]] = []
    for epochs in ([0, 1], [1]):
        matting = make_matting()
        matting.warm_up()
        for epoch in epochs:
            mattes: list[Matte] = []
            for frame in frames(7, epoch=epoch):
                mattes += matting.matte(frame, np.zeros((48, 64), np.uint8))
            mattes += matting.flush()
        alphas.append([matte.alpha for matte in mattes])
        matting.close()
    assert np.array_equal(alphas[0], alphas[1])


def test_the_image_is_left_alone(make_matting) -> None:
    matting = make_matting()
    matting.warm_up()
    given = list(frames(6))
    kept = [frame.image.copy() for frame in given]
    for frame in given:
        matting.matte(frame, np.zeros((48, 64), np.uint8))
    matting.flush()
    assert np.array_equal(kept, [frame.image for frame in given])
    matting.close()


def test_statistics_are_plain_data_for_the_report_at_any_time(make_matting) -> None:
    matting = make_matting()
    before = json.loads(json.dumps(matting.statistics()))
    matting.warm_up()
    for frame in frames(3):
        matting.matte(frame, np.zeros((48, 64), np.uint8))
    after = json.loads(json.dumps(matting.statistics()))
    for statistics in (before, after):
        assert statistics["mode"]
        assert statistics["delay_frames"] == matting.delay
    matting.close()


def test_a_matting_is_closed_twice_and_with_frames_held(make_matting) -> None:
    matting = make_matting()
    matting.warm_up()
    for frame in frames(3):
        matting.matte(frame, np.zeros((48, 64), np.uint8))
    matting.close()
    matting.close()


def test_every_frames_matte_is_the_models(make_model) -> None:
    segmenter = load_segmenter(ModelConfig(name=str(make_model())))[0]
    matting = EveryFrame(segmenter)
    frame = next(frames(1))
    alpha, expected = np.empty((48, 64), np.uint8), np.empty((48, 64), np.uint8)
    (matte,) = matting.matte(frame, alpha)
    segmenter.segment(frame.image, expected)
    assert (matte.origin, matte.age) == ("inferred", 0)
    assert (alpha == expected).all()
    matting.close()
