"""The sound of a source in what is recorded and relayed, in step with the delayed pictures."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import av
import numpy as np
import pytest

from streamer import Pipeline
from streamer.compositing import Composer
from streamer.config import DEFAULT_SETTINGS, FileSourceConfig, parse_config
from streamer.core.metrics import LatencyHistogram
from streamer.matting import EveryFrame
from streamer.sinks import Making, RecordSink, make_sink
from streamer.sources.file import FileSource
from tests.fakes import FakeSegmenter
from tests.media import sound
from tests.unit.sources.clips import encode

BEEPS_S = (0.5, 1.5)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return encode(tmp_path / "a.mp4", beeps_s=BEEPS_S)


def source(clip: Path, **fields: object) -> FileSource:
    config = {"type": "file", "path": str(clip), **fields}
    return FileSource(FileSourceConfig.model_validate(config))


def test_a_recording_of_a_file_has_all_of_its_sound(clip: Path, tmp_path: Path):
    video = tmp_path / "out.mp4"
    Pipeline(
        source(clip), EveryFrame(FakeSegmenter()), [RecordSink(video, Composer("source"))]
    ).run()
    with av.open(str(clip)) as given, av.open(str(video)) as made:
        before = [bytes(p) for p in given.demux(audio=0) if p.size and p.pts >= 0]
        assert [bytes(p) for p in made.demux(audio=0) if p.size] == before
    assert sound.heard_s(str(video)) == pytest.approx(BEEPS_S, abs=0.005)


def test_the_sound_is_whole_and_in_step_where_a_slow_model_drops_frames(clip: Path, tmp_path: Path):
    video = tmp_path / "out.mp4"
    model = FakeSegmenter(lambda image: time.sleep(0.15))
    record = RecordSink(video, Composer("source"))
    report = Pipeline(source(clip, realtime=True), EveryFrame(model), [record]).run()
    assert report["drops"]["overwritten"] > 10
    assert sound.heard_s(str(video)) == pytest.approx(BEEPS_S, abs=0.005)


def test_a_relay_sends_the_sound_in_step_with_the_pictures(clip: Path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"rtsp://127.0.0.1:{free.getsockname()[1]}/a"
    config = parse_config(
        {
            "source": {"type": "synthetic"},
            "sinks": [{"type": "rtsp", "serve": url, "layout": "source", "preset": "ultrafast"}],
        },
        name="relay",
    )
    sink = make_sink(
        config.sinks[0], Making(settings=DEFAULT_SETTINGS, stream="s", latency=LatencyHistogram())
    )
    # Pictures are 0.1 s behind, as with a model that takes its time.
    model = FakeSegmenter(lambda image: time.sleep(0.1))
    pipeline = Pipeline(source(clip, realtime=True, loop=True), EveryFrame(model), [sink])
    with pipeline:
        pipeline.start()
        heard, seen = watch(url)
    # Frame n of the clip has luma 16 + 4n and is shown at n / 25 s of each loop of 2 s.
    for at_s in heard:
        shown_s, luma = min(seen, key=lambda one: abs(one[0] - at_s))
        in_loop_s = (luma - 16) / 4 / 25 + (at_s - shown_s)
        assert min(abs(in_loop_s - beep_s) for beep_s in BEEPS_S) < 0.08
    assert len(heard) >= 2


def watch(url: str) -> tuple[list[float], list[tuple[float, float]]]:
    """About three seconds: when beeps begin, and each picture's time and luma."""
    heard: list[float] = []
    seen: list[tuple[float, float]] = []
    deadline = time.monotonic() + 20
    while True:
        try:
            viewer = av.open(url, options={"rtsp_transport": "tcp"}, timeout=5)
            break
        except av.FFmpegError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    with viewer:
        for packet in viewer.demux():
            for frame in packet.decode():
                if frame.pts is None:
                    continue
                at_s = float(frame.pts * frame.time_base)
                if isinstance(frame, av.VideoFrame):
                    seen.append((at_s, float(frame.to_ndarray()[: frame.height].mean())))
                elif np.abs(frame.to_ndarray()).max() > 0.2:
                    if not heard or at_s - heard[-1] > 0.2:
                        heard.append(at_s)
                    else:
                        heard[-1] = min(heard[-1], at_s)
            if len(seen) > 1 and seen[-1][0] - seen[0][0] > 3.2:
                return heard, seen
    raise AssertionError("the relay ended")
