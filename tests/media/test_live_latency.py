"""How old a live frame is when a sink gets it, by the sender's own clock."""

from __future__ import annotations

import time

from streamer import Pipeline
from streamer.config import ReconnectConfig, RtspSourceConfig
from streamer.errors import StopRequested
from streamer.frame import Frame
from streamer.matting import EveryFrame
from streamer.sources.network.rtsp import RtspSource
from tests.fakes import FakeSegmenter, FakeSink
from tests.unit.sources.live import Camera

MODEL_S = 0.25
SETTLED_S, WATCHED_S = 1.0, 4.5


def test_frames_never_queue_up_behind_a_slow_model():
    ages_s: list[float] = []

    def watch(frame: Frame) -> None:
        now_s = time.monotonic() - camera.begun_s
        # Frame n has the grey 2 * n and was sent at n / 25 s.
        if now_s > SETTLED_S:
            ages_s.append(now_s - int(frame.image[0, 0, 0]) / 2 / 25)
        if now_s > WATCHED_S:
            raise StopRequested

    with Camera() as camera:
        source = RtspSource(RtspSourceConfig.model_validate({"type": "rtsp", "url": camera.url}))
        model = FakeSegmenter(lambda image: time.sleep(MODEL_S))
        report = Pipeline(
            source,
            EveryFrame(model),
            [FakeSink(on_write=watch)],
            reconnect=ReconnectConfig(max_attempts=0),
        ).run()
    assert report["drops"]["overwritten"] > 50, "the model was too slow for every frame"
    assert len(ages_s) > 8
    # A whole ring of frames at 25/s, the model, and half a second for a machine that is busy; a
    # queue would have grown by three seconds.
    assert max(ages_s) < 4 / 25 + MODEL_S + 0.5
