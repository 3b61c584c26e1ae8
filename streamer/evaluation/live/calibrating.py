"""Measures what each piece of work costs here, for the simulated machine `this`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from streamer.config import DEFAULT_SETTINGS, FileSourceConfig, RecordSinkConfig
from streamer.core.boxes import Box
from streamer.core.cores import core_count
from streamer.core.metrics import LatencyHistogram
from streamer.errors import EndOfStream
from streamer.evaluation.clips import make_clip
from streamer.evaluation.film import encode
from streamer.evaluation.live.machines import COSTED, FULL_SIDE, Costs, Machine
from streamer.evaluation.truth import Clip
from streamer.frame import Frame, Image, Matte, Stamp
from streamer.matting.tracking.blending import Blender
from streamer.matting.tracking.flow import FlowFinder
from streamer.matting.tracking.keys import Key, Lead
from streamer.matting.tracking.luma import Shrinker
from streamer.matting.tracking.plate import Plate
from streamer.protocols import Segmenter
from streamer.sinks import Making, make_sink
from streamer.sources import make_source

_ROUNDS = 12
_INFERENCES = 3
_BITRATE = 8_000_000

Work = Callable[[], object]


def calibrate(segmenter: Segmenter) -> Machine:
    """
    Measure this machine, which takes some seconds; it must be idle for useful figures.

    Args:
        segmenter: the model, warmed up; borrowed.
    """
    height, width = COSTED
    clip = make_clip("moving", width=width, height=height, frames=_ROUNDS)
    pictures = [clip.frame(index) for index in range(_ROUNDS)]
    decode, show = _codec(clip, pictures)
    small, large = _matting(clip, pictures)
    model, least = _model(segmenter, pictures[0])
    return Machine(
        "this",
        core_count(),
        Costs(**small, **large, decode=decode, show=show, model=model, model_least=least),
        crowding=_crowding(pictures),
    )


def _codec(clip: Clip, pictures: list[Image]) -> tuple[float, float]:
    """Costs in ms: of decoding a frame, and of composing and encoding one."""
    with TemporaryDirectory(prefix="streamer-") as name:
        film = Path(name, "film.mp4")
        film.write_bytes(encode(pictures, clip.width, clip.height, clip.fps, _BITRATE))
        sink = make_sink(
            RecordSinkConfig(type="record", path=str(Path(name, "out.mp4")), layout="side_by_side"),
            Making(
                settings=DEFAULT_SETTINGS,
                stream="eval",
                latency=LatencyHistogram(),
            ),
        )
        source = make_source(FileSourceConfig(type="file", path=str(film), realtime=True))
        decoded, shown = list[float](), list[float]()
        try:
            sink.open(source.open())
            out = np.empty_like(pictures[0])
            index = 0
            while True:
                before = time.process_time()
                grab = source.read(out)
                decoded.append(time.process_time() - before)
                stamp = Stamp(index, grab.pts, grab.time_base, grab.captured_ns, epoch=0)
                matte = Matte(clip.alpha(index), stamp, "inferred")
                before = time.process_time()
                sink.write(Frame(out, stamp), matte)
                shown.append(time.process_time() - before)
                index += 1
        except EndOfStream:
            pass
        finally:
            source.close()
            sink.close()
    return 1000 * median(decoded), 1000 * median(shown)


def _matting(clip: Clip, pictures: list[Image]) -> tuple[dict[str, float], dict[str, float]]:
    """Costs in ms of work on small pictures and of work on whole frames, by name."""
    shrinker = Shrinker(clip.height, clip.width)
    lumas = [np.empty(shrinker.size, np.uint8) for _ in range(2)]
    for picture, luma in zip((pictures[0], pictures[-1]), lumas, strict=True):
        shrinker.shrink(picture, luma)
    coarse, fine = FlowFinder(shrinker.size, stride=8), FlowFinder(shrinker.size, stride=5)
    key = Key((clip.height, clip.width), shrinker.size)
    key.luma[:], key.alpha[:] = lumas[0], clip.alpha(0)
    leads = [Lead(shrinker.size) for _ in range(2)]
    for lead in leads:
        lead.follow(fine, lumas[1], key, None)
    blender = Blender((clip.height, clip.width), shrinker.size)
    whole = Box(0, 0, clip.width, clip.height)
    out = np.empty((clip.height, clip.width), np.uint8)
    residual = np.zeros(shrinker.size, np.float32)
    colours = np.empty((*shrinker.size, 3), np.uint8)
    shrinker.shrink(pictures[0], lumas[0], colours)
    small = np.empty(shrinker.size, np.uint8)
    blender.shrink(key.alpha, small)
    plate = Plate(shrinker.size)
    plate.learn(colours, small, small)
    flow = np.empty_like(leads[0].flow)

    def check() -> None:
        blender.distrust(lumas[1], leads[0].residual, whole, out)
        plate.tell(colours, small, small, leads[0].residual)

    carry = _cost(lambda: blender.carry(leads[0], whole, out))
    few = _cost(lambda: leads[0].follow(coarse, lumas[1], key, None))
    many = _cost(lambda: leads[0].follow(fine, lumas[1], key, None))
    patches = max(0.0, (many - few) / (fine.patches - coarse.patches))
    return (
        {
            "compare": _cost(lambda: fine.difference(lumas[0], lumas[1], residual)),
            "flow": max(0.0, few - patches * coarse.patches),
            "patches": 1000 * patches,
            "chain": _cost(lambda: fine.through(leads[0].flow, leads[1].flow, flow)),
            "plate": _cost(check),
        },
        {
            "shrink": _cost(lambda: shrinker.shrink(pictures[0], lumas[0])),
            "carry": carry,
            "mix": _cost(lambda: blender.between((leads[0], leads[1]), (0.5, 0.5), whole, out))
            - 2 * carry,
        },
    )


def _model(segmenter: Segmenter, picture: Image) -> tuple[float, float]:
    """Cost of an inference in ms: the part that grows with the input, at 1024x1024; the rest."""
    alpha = np.empty(picture.shape[:2], np.uint8)

    def cost(size: tuple[int, int]) -> float:
        return _cost(lambda: segmenter.segment(picture, alpha, size), _INFERENCES)

    smallest, largest = segmenter.sizes[0], segmenter.sizes[-1]
    whole, share = cost(largest), (max(largest) / FULL_SIDE) ** 2
    if smallest == largest:
        return whole / share, 0.0
    part = (max(smallest) / FULL_SIDE) ** 2
    growth = max(0.0, (whole - cost(smallest)) / (share - part))
    return growth, max(0.0, whole - growth * share)


def _crowding(pictures: list[Image]) -> float:
    """How many times as long work takes while every core is busy with it."""

    def work() -> float:
        grey = cv2.cvtColor(pictures[0], cv2.COLOR_BGR2GRAY)
        before = time.thread_time()
        for _ in range(_ROUNDS):
            cv2.GaussianBlur(grey, (0, 0), 6)
        return time.thread_time() - before

    alone = median(work() for _ in range(3))
    together: list[float] = []
    threads = [
        threading.Thread(target=lambda: together.append(work())) for _ in range(core_count())
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return max(1.0, median(together) / alone)


def _cost(work: Work, rounds: int = _ROUNDS) -> float:
    """The median CPU time of *work*, over all threads, in milliseconds."""
    spent = []
    for _ in range(rounds):
        before = time.process_time()
        work()
        spent.append(time.process_time() - before)
    return 1000 * median(spent)
