"""
What an int8 file wins, and what the pipeline costs beyond its model.

`python -m benchmarks.inference`; wants `streamer models optimize isnet` before. In turns, in one
process: one inference at 1024x1024 in fp32, int8 and OpenVINO's int8; and frames/s of `every_frame`
on a file beside a bare loop of inferences with a session like its own.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.stages import clip
from streamer import Pipeline
from streamer.config import ModelConfig, parse_config
from streamer.segmentation import load_segmenter

SIDE = 1024
FPS = 25
"""Of the clip."""
INT8, OPENVINO, SHARE = 3.0, 1.2, 0.95


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def inferences(model: str, rounds: int) -> dict[str, float]:
    """Median seconds of one inference, by what runs it."""
    ways = {
        "onnxruntime fp32": {"precision": "fp32", "backend": "onnxruntime"},
        "onnxruntime int8": {"precision": "int8", "backend": "onnxruntime"},
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
    return {name: statistics.median(values) for name, values in taken.items()}


def rates(model: str, frames: int, rounds: int) -> tuple[float, float]:
    """Frames/s of the pipeline with `every_frame`, and inferences/s of a bare loop; medians."""
    own = {"name": model, "backend": "onnxruntime"}
    bare, _ = load_segmenter(ModelConfig.model_validate(own))
    bare.warm_up()
    piped, looped = [], []
    with TemporaryDirectory() as folder:
        config = parse_config(
            {
                "source": {"type": "file", "path": str(clip()), "duration_s": (frames - 0.5) / FPS},
                "model": own,
                "sinks": [{"type": "record", "path": f"{folder}/out.mp4", "overwrite": True}],
            }
        )
        for _ in range(rounds):
            piped.append(Pipeline.from_config(config).run()["fps"])
            looped.append(frames / sum(seconds(bare.warm_up) for _ in range(frames)))
    bare.close()
    return statistics.median(piped), statistics.median(looped)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="isnet")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--frames", type=int, default=60)
    options = parser.parse_args()
    taken = inferences(options.model, options.rounds)
    print(f"| {SIDE}x{SIDE} | s per inference |\n|---|---|")
    for name, value in taken.items():
        print(f"| {name} | {value:.3f} |")
    piped, looped = rates(options.model, options.frames, max(options.rounds // 2, 1))
    fp32, int8, openvino = taken.values()
    rows = [
        ("onnxruntime int8 to fp32", fp32 / int8, INT8),
        ("OpenVINO int8 to onnxruntime int8", int8 / openvino, OPENVINO),
        (
            f"`every_frame` to inferences ({piped:.2f} to {looped:.2f} a second)",
            piped / looped,
            SHARE,
        ),
    ]
    print("\n| rate of | measured | must be |\n|---|---|---|")
    for what, measured, wanted in rows:
        print(f"| {what} | {measured:.2f} | >= {wanted}{'' if measured >= wanted else ' MISSED'} |")
    return int(any(measured < wanted for _, measured, wanted in rows))


if __name__ == "__main__":
    raise SystemExit(main())
