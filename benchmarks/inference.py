"""
What an int8 file wins, and what the pipeline costs beyond its model.

`python -m benchmarks.inference`; wants `streamer models optimize isnet` before. In turns, in one
process: one inference at 1024x1024 of the file as it was shipped, which computes in fp32, of the
folded fp32 graph, of the int8 file and of that on OpenVINO; and frames/s of `every_frame` on a file
beside a bare loop of inferences with a session like its own, both of the file as it was shipped.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import onnxruntime

from benchmarks.stages import clip
from streamer import Pipeline
from streamer.config import FileSourceConfig, ModelConfig, parse_config
from streamer.core.cores import core_count
from streamer.models import load_segmenter
from streamer.models.runtime.session import open_session
from streamer.models.store.cache import sha256_of
from streamer.models.store.registry import lookup
from streamer.models.store.weights import fetch
from streamer.sources import make_source

SIDE = 1024
FPS = 25
"""Of the clip."""
INT8, OPENVINO, SHARE = 3.0, 1.2, 0.95


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def inferences(model: str, rounds: int) -> dict[str, list[float]]:
    """Seconds of one inference in each round, by what runs it."""
    ways = {
        "as shipped": {"precision": "fp16", "backend": "onnxruntime"},
        "folded fp32": {"precision": "fp32", "backend": "onnxruntime"},
        "int8": {"precision": "int8", "backend": "onnxruntime"},
        "OpenVINO int8": {"precision": "int8", "backend": "openvino"},
    }
    image = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    out = np.empty((SIDE, SIDE), np.uint8)
    segmenters = {
        name: load_segmenter(ModelConfig.model_validate({"name": model, **way}))[0]
        for name, way in ways.items()
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for segmenter in segmenters.values():
        segmenter.warm_up()
    for _ in range(rounds):
        for name, segmenter in segmenters.items():
            taken[name].append(seconds(partial(segmenter.segment, image, out)))
    for segmenter in segmenters.values():
        segmenter.close()
    return taken


def gain(slow: list[float], fast: list[float]) -> float:
    """How many times as fast: the median of the rounds' ratios."""
    return statistics.median(one / other for one, other in zip(slow, fast, strict=True))


def rates(model: str, frames: int, rounds: int) -> tuple[float, float, float]:
    """
    Frames/s of the pipeline with `every_frame`, inferences/s of a bare loop, and their ratio.

    Medians. The loop runs before and after each of the pipeline's turns, so that a machine which
    slows down slows both.
    """
    own = {"name": model, "precision": "fp16", "backend": "onnxruntime"}
    bare, feed = _bare(model)
    piped, looped, shares = [], [], []
    with TemporaryDirectory() as folder:
        config = parse_config(
            {
                "source": {"type": "file", "path": str(clip()), "duration_s": (frames - 0.5) / FPS},
                "model": own,
                "sinks": [{"type": "record", "path": f"{folder}/out.mp4", "overwrite": True}],
            }
        )

        def loop() -> float:
            return sum(seconds(partial(bare.run, None, feed)) for _ in range(frames // 2))

        loop()
        for _ in range(rounds):
            before = loop()
            piped.append(Pipeline.from_config(config).run()["fps"])
            looped.append(2 * (frames // 2) / (before + loop()))
            shares.append(piped[-1] / looped[-1])
    return statistics.median(piped), statistics.median(looped), statistics.median(shares)


def _bare(model: str) -> tuple[onnxruntime.InferenceSession, dict[str, object]]:
    """A session of the shipped file, with our options, and a picture of the clip for it."""
    path = fetch(lookup(model), "fp16")
    session = open_session(
        path, ModelConfig(providers=["cpu"]), threads=core_count(), sha256=sha256_of(path)
    )
    source = make_source(FileSourceConfig(type="file", path=str(clip())))
    info = source.open()
    picture = np.empty((info.height, info.width, 3), np.uint8)
    source.read(picture)
    source.close()
    small = cv2.resize(picture, (SIDE, SIDE))[..., ::-1].astype(np.float32) / 255 - 0.5
    feed = np.ascontiguousarray(small.transpose(2, 0, 1)[None])
    return session, {session.get_inputs()[0].name: feed}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="isnet")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--frames", type=int, default=30)
    options = parser.parse_args()
    taken = inferences(options.model, options.rounds)
    print(f"| {SIDE}x{SIDE} | s per inference |\n|---|---|")
    for name, values in taken.items():
        print(f"| {name} | {statistics.median(values):.3f} |")
    piped, looped, share = rates(options.model, options.frames, max(options.rounds // 3, 1))
    shipped, folded, int8, openvino = taken.values()
    rows = [
        ("int8 to the file as shipped", gain(shipped, int8), INT8),
        ("int8 to folded fp32", gain(folded, int8), 0.0),
        ("int8 on OpenVINO to onnxruntime", gain(int8, openvino), OPENVINO),
        (
            f"`every_frame` to inferences ({piped:.2f} to {looped:.2f} a second)",
            share,
            SHARE,
        ),
    ]
    print("\n| rate of | measured | must be |\n|---|---|---|")
    for what, measured, wanted in rows:
        print(f"| {what} | {measured:.2f} | >= {wanted}{'' if measured >= wanted else ' MISSED'} |")
    return int(any(measured < wanted for _, measured, wanted in rows))


if __name__ == "__main__":
    raise SystemExit(main())
