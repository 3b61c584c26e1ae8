"""
Comparing an int8 graph with its float original on pictures that it was not calibrated on.

Both run in turn on each picture, so that other load on the machine slows both alike.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from streamer.frame import Image
from streamer.models.optimizing.calibration import Eye, spread
from streamer.models.optimizing.graph import cpu_session
from streamer.models.store.registry import Contract

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Int8 against float at one size of the network's input."""

    size: tuple[int, int]
    """(height, width)."""
    pictures: int
    mad: float
    """Mean absolute difference of alpha in 0..1, over all pixels of all pictures."""
    worst_mad: float
    """The greatest such difference of a single picture."""
    iou: float
    """Of the masks at 0.5: pixels in both over pixels in either, over all pictures together."""
    float_s: float
    """Median seconds of an inference of the float graph."""
    int8_s: float
    """Median seconds of an inference of the int8 graph."""
    shipped_s: float | None
    """Seconds of the shipped file, which would run otherwise; None at sizes but the first."""

    @property
    def speed_up(self) -> float:
        """How many times as fast as the float graph the int8 graph is."""
        return self.float_s / self.int8_s

    @property
    def shipped_speed_up(self) -> float | None:
        """How many times as fast as the shipped file the int8 graph is."""
        return self.shipped_s / self.int8_s if self.shipped_s is not None else None


def compare(
    float_path: Path,
    int8_path: Path,
    shipped: Path,
    contract: Contract,
    proofs: Mapping[tuple[int, int], Sequence[Image]],
    threads: int,
    done: Callable[[], None],
) -> list[Comparison]:
    """
    Run both graphs on all pictures of each size.

    Args:
        float_path: the folded float graph.
        int8_path: the quantised one.
        shipped: the file that both were made from; timed at the first size.
        contract: the model's.
        proofs: pictures, at least one each, by (height, width) of the input; the size of
            *shipped* comes first.
        threads: within an operator.
        done: called after each picture.
    """
    # Before the others are loaded: the shipped file may need the most memory.
    full, pictures = next(iter(proofs.items()))
    shipped_s = _shipped_s(shipped, contract, full, pictures, threads)
    sessions = [cpu_session(path, threads) for path in (float_path, int8_path)]
    compared = []
    for size, pictures in proofs.items():
        seconds = shipped_s if size == full else None
        compared.append(_compare(sessions, contract, size, pictures, seconds, done))
    return compared


def _compare(
    sessions: Sequence[ort.InferenceSession],
    contract: Contract,
    size: tuple[int, int],
    pictures: Sequence[Image],
    shipped_s: float | None,
    done: Callable[[], None],
) -> Comparison:
    """`compare` at one size; the first of *sessions* is the float graph."""
    eye = Eye(contract, size)
    name = sessions[0].get_inputs()[0].name
    for session in sessions:  # the first run allocates
        session.run(None, {name: np.zeros((1, 3, *size), np.float32)})
    times: tuple[list[float], list[float]] = ([], [])
    differences, both, either = [], 0, 0
    for picture in pictures:
        tensor = eye.tensor(picture)
        alphas = []
        for session, seconds in zip(sessions, times, strict=True):
            begin = time.perf_counter()
            estimate = session.run(None, {name: tensor})[0]
            seconds.append(time.perf_counter() - begin)
            alphas.append(eye.coverage(estimate))
        masks = [alpha > 0.5 for alpha in alphas]
        differences.append(float(np.abs(alphas[0] - alphas[1]).mean()))
        both += int((masks[0] & masks[1]).sum())
        either += int((masks[0] | masks[1]).sum())
        done()
    return Comparison(
        size,
        len(pictures),
        statistics.fmean(differences),
        max(differences),
        both / either if either else 1.0,
        statistics.median(times[0]),
        statistics.median(times[1]),
        shipped_s,
    )


def _shipped_s(
    shipped: Path,
    contract: Contract,
    size: tuple[int, int],
    pictures: Sequence[Image],
    threads: int,
) -> float:
    """Seconds of the second inference of *shipped*: the first allocates."""
    session, eye = cpu_session(shipped, threads), Eye(contract, size)
    seconds = 0.0
    for picture in spread((*pictures, pictures[0]), 2):
        tensor = eye.tensor(picture)
        begin = time.perf_counter()
        run_shipped(session, contract, tensor)
        seconds = time.perf_counter() - begin
    return seconds


def run_shipped(session: ort.InferenceSession, contract: Contract, tensor: Array) -> Array:
    """
    Run a shipped file on *tensor* and return its contract's output.

    Args:
        session: of that file, with a float or half-precision input.
        contract: the model's.
        tensor: (1, 3, height, width) float32.
    """
    source = session.get_inputs()[0]
    for entry in session.get_inputs():
        if entry.name == contract.input:
            source = entry
    given = tensor.astype(np.float16) if source.type == "tensor(float16)" else tensor
    name = contract.output or session.get_outputs()[0].name
    return np.asarray(session.run([name], {source.name: given})[0])
