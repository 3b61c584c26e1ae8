"""A live stream on this machine, through the whole pipeline, as a viewer sees it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from streamer.config import DEFAULT_SETTINGS, Config, FileSourceConfig, RecordSinkConfig
from streamer.core.cpu import ThreadTimes, thread_named
from streamer.core.metrics import LatencyHistogram
from streamer.engine import Engine
from streamer.evaluation.film import encode
from streamer.evaluation.live.judging import Judge, Watched
from streamer.evaluation.truth import Clip
from streamer.frame import Frame, Matte, StreamInfo
from streamer.loading import load_matting
from streamer.models import Progress
from streamer.protocols import Sink
from streamer.sinks import Making, make_sink
from streamer.sources import make_source

_BITRATE = 8_000_000
_SAMPLE_S = 0.2
_STAGES = ("capture", "matting", "model", "sink")


def watch(
    clip: Clip,
    config: Config,
    progress: Progress | None = None,
    advance: Callable[[], None] = lambda: None,
) -> Watched:
    """
    Play *clip* at its pace to the model and matting of *config*, and record it side by side.

    Takes as long as the clip, and as long again to make and to judge it. Whatever else runs on
    the machine affects the figures.

    Args:
        clip: what is played.
        config: whose model, matting and queues are used.
        progress: told of a model's download.
        advance: called after each frame that was judged.

    Raises:
        StreamerError: the model cannot be had, or the pipeline failed.
    """
    with TemporaryDirectory(prefix="streamer-") as name:
        folder = Path(name)
        film = folder / "clip.mp4"
        pictures = (clip.frame(index) for index in range(clip.frames))
        film.write_bytes(encode(pictures, clip.width, clip.height, clip.fps, _BITRATE))
        kept = KeepingSink(
            make_sink(
                RecordSinkConfig(
                    type="record", path=str(folder / "out.mp4"), layout="side_by_side"
                ),
                Making(
                    settings=DEFAULT_SETTINGS,
                    stream="eval",
                    latency=LatencyHistogram(),
                ),
            ),
            folder / "alphas",
            (clip.frames, clip.height, clip.width),
        )
        spent = _run(film, config, kept, progress)
        return _judged(Judge(clip, advance), clip, kept, spent)


class KeepingSink:
    """
    Wraps a sink, and keeps a copy of the alphas that it was given in a file.

    Args:
        sink: the sink that writes; owned.
        path: the file, which is made.
        shape: (frames, H, W) of all alphas that may come.

    Attributes:
        captured_ns: when each frame that was written was captured, by index.
        written_ns: when each of these was written, by index.
        alphas: (frames, H, W) uint8; those that were not written are undefined.
    """

    def __init__(self, sink: Sink, path: Path, shape: tuple[int, int, int]) -> None:
        self.captured_ns: dict[int, int] = {}
        self.written_ns: dict[int, int] = {}
        self.alphas = np.memmap(path, np.uint8, "w+", shape=shape)
        self._sink = sink

    @property
    def name(self) -> str:
        """See `Sink.name`."""
        return self._sink.name

    def open(self, info: StreamInfo) -> None:
        """See `Sink.open`."""
        self._sink.open(info)

    def write(self, frame: Frame, matte: Matte) -> None:
        """See `Sink.write`."""
        self._sink.write(frame, matte)
        index = frame.stamp.index
        self.captured_ns[index] = frame.stamp.captured_ns
        self.written_ns[index] = time.monotonic_ns()
        self.alphas[index] = matte.alpha

    def close(self) -> None:
        """See `Sink.close`."""
        self._sink.close()

    def statistics(self) -> dict[str, Any]:
        """See `Sink.statistics`."""
        return self._sink.statistics()


def _run(film: Path, config: Config, sink: Sink, progress: Progress | None) -> dict[str, float]:
    """Run the pipeline to the film's end; returns the CPU seconds of its threads, by name."""
    with thread_named("model"):
        matting, _ = load_matting(config, progress, live=True)
    engine = Engine(
        make_source(FileSourceConfig(type="file", path=str(film), realtime=True)),
        matting,
        [sink],
        ring_capacity=config.pipeline.ring_capacity,
        sink_queue=config.pipeline.sink_queue,
    )
    times: ThreadTimes | None = None
    sampled_s = 0.0

    def sample() -> bool:
        nonlocal times, sampled_s
        now_s = time.monotonic()
        if times is None:
            times = ThreadTimes() if engine.statistics().frames["captured"] else None
        elif now_s - sampled_s >= _SAMPLE_S:
            times.sample()
            sampled_s = now_s
        return False

    engine.run(sample)
    return times.seconds() if times is not None else {}


def _judged(judge: Judge, clip: Clip, kept: KeepingSink, spent: dict[str, float]) -> Watched:
    # When the clip began, from the frame with the least delay; each is due relative to that.
    begun_ns = min(
        (ns - index * 1_000_000_000 // clip.fps for index, ns in kept.captured_ns.items()),
        default=0,
    )
    for index in range(clip.frames):
        judge.capture(index)
        if (written_ns := kept.written_ns.get(index)) is None:
            judge.lose(index)
        else:
            judge.show(index, np.array(kept.alphas[index]), (written_ns - begun_ns) / 1e9)
    for name, spent_s in spent.items():
        stage = next((stage for stage in _STAGES if stage in name), "other")
        judge.spend(stage, spent_s)
    return judge.close()
