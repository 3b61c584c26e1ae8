"""
What a picture costs the model in batches of one, two and four, in turns.

`python -m benchmarks.batches [--model isnet]`. Files are exported for one picture at a time; the
batch is made free in a copy.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import onnxruntime as ort

from streamer.config import ModelConfig
from streamer.models.store.weights import resolve

SIDES = (384, 512, 1024)
BATCHES = (1, 2, 4)
ROUNDS = 5


def with_any_batch(path: Path, out: Path) -> Path:
    """A copy of the graph that takes any number of pictures at once."""
    model = onnx.load(path)
    for port in [*model.graph.input, *model.graph.output]:
        port.type.tensor_type.shape.dim[0].dim_param = "batch"
    del model.graph.value_info[:]
    onnx.save(model, out)
    return out


def seconds_a_picture(session: ort.InferenceSession, side: int) -> dict[int, float]:
    """Medians by batch."""
    name, output = session.get_inputs()[0].name, session.get_outputs()[0].name
    rng = np.random.default_rng(0)
    pictures = {
        size: rng.random((size, 3, side, side), np.float32) - np.float32(0.5) for size in BATCHES
    }
    took: dict[int, list[float]] = {size: [] for size in BATCHES}
    for _ in range(ROUNDS + 1):
        for size, given in pictures.items():
            began = time.perf_counter()
            session.run([output], {name: given})
            took[size].append((time.perf_counter() - began) / size)
    return {size: statistics.median(times[1:]) for size, times in took.items()}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batches", description=__doc__)
    parser.add_argument("--model", default="isnet")
    model = ModelConfig(name=parser.parse_args().model)
    path = resolve(model, on_gpu=False, progress=None, resizable=True).path
    with TemporaryDirectory() as folder:
        free = with_any_batch(path, Path(folder) / "any.onnx")
        session = ort.InferenceSession(str(free), providers=["CPUExecutionProvider"])
        print("| side | ms a picture, alone | " + " | ".join(f"of {n}" for n in BATCHES[1:]) + " |")
        print("|---" * (len(BATCHES) + 1) + "|")
        for side in SIDES:
            took = seconds_a_picture(session, side)
            ratios = " | ".join(f"{took[size] / took[1]:.2f}" for size in BATCHES[1:])
            print(f"| {side} | {1000 * took[1]:.0f} | {ratios} |", flush=True)


if __name__ == "__main__":
    main()
