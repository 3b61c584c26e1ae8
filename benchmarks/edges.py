"""
Soft edges: how far their colours are from the truth, and what cleaning and refining them cost.

Errors are on truth clips at 1280x720, whose foreground's colours are known: rendered once more
before a black backdrop, a clip is those colours times alpha. Times are CPU time, and limits ratios
to a bare copy of a frame of that size, in turns.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.reference import Limit, Work, copying, in_turns, print_limits, times
from streamer.compositing.clean import Despill, Foreground, LightWrap
from streamer.compositing.stills import foreground_of
from streamer.config import RefineConfig
from streamer.evaluation import make_clip
from streamer.evaluation.scenery import Camera
from streamer.frame import Alpha, Image
from streamer.refining import Refiner

CLIPS = ("still", "talking", "noisy", "panning", "strands", "rotating", "crossing")
FRAME = 20
REFINEMENTS: dict[str, dict[str, Any]] = {
    "gain, band": {"gain": 1.2, "band": [0.1, 0.9]},
    "min_fragment": {"min_fragment": 0.01},
    "min_fragment, fragment_frames": {"min_fragment": 0.01, "fragment_frames": 5},
    "keep_largest": {"keep_largest": 1},
    "fill_holes": {"fill_holes": 0.01},
    "grow_px: 4": {"grow_px": 4},
    "grow_px: -32": {"grow_px": -32},
    "feather_px: 8": {"feather_px": 8.0},
    "feather_px: 8, outward": {"feather_px": 8.0, "feather": "outward"},
    "all of them": {
        "gain": 1.2,
        "band": [0.1, 0.9],
        "min_fragment": 0.01,
        "fragment_frames": 5,
        "keep_largest": 3,
        "fill_holes": 0.01,
        "grow_px": -2,
        "feather_px": 6.0,
        "invert": True,
    },
}


def truth(name: str) -> tuple[Image, Alpha, NDArray[np.float64]]:
    """A clip's frame, its alpha and the true colours of its foreground."""
    clip = make_clip(name, frames=FRAME + 1)
    scenes = [
        (first, replace(scene, backdrop=np.zeros_like(scene.backdrop)))
        for first, scene in clip.scenes
    ]
    lit = replace(clip, scenes=scenes, camera=Camera(noise=0)).frame(FRAME)
    alpha = clip.alpha(FRAME)
    return clip.frame(FRAME), alpha, np.minimum(lit * (255 / np.maximum(alpha, 1))[..., None], 255)


def error(colours: Image, alpha: Alpha, true: NDArray[np.float64]) -> float:
    """Mean difference in levels where alpha is between a twentieth and all but that."""
    soft = (alpha >= 13) & (alpha <= 242)
    return float(np.abs(colours - true)[soft].mean())


def against_a_copy(work: Work, image: Image, clock: Callable[[], float]) -> tuple[float, float]:
    """Milliseconds of one call, and how many bare copies of *image* that is."""
    taken = in_turns({"work": work, "copy": copying(*image.shape)}, rounds=12, calls=4, clock=clock)
    return statistics.median(taken["work"]), times(taken["work"], taken["copy"])


def print_errors() -> tuple[float, float]:
    """The table of errors and of what the estimate takes; the mean ratio and the most copies."""
    single = find_spec("pymatting") is not None
    print("| clip | plain | frames | frames / plain | pictures | frames, CPU ms |")
    print("|---|---|---|---|---|---|")
    ratios, copies = [], []
    for name in CLIPS:
        image, alpha, true = truth(name)
        foreground, out = Foreground(), np.empty_like(image)
        estimate = partial(foreground.estimate, image, alpha, out)
        took_ms, as_copies = against_a_copy(estimate, image, time.process_time)
        plain, clean = error(image, alpha, true), error(out, alpha, true)
        best = f"{error(foreground_of(image, alpha), alpha, true):.1f}" if single else "-"
        ratios.append(clean / plain)
        copies.append(as_copies)
        print(
            f"| {name} | {plain:.1f} | {clean:.1f} | {clean / plain:.2f} | {best} | {took_ms:.2f} |"
        )
    return statistics.mean(ratios), max(copies)


def print_costs() -> float:
    """The table of what refinements take at two sizes; all of them at 720p, in copies."""
    _, alpha, _ = truth("talking")
    random = np.random.default_rng(0)
    for x, y, radius in zip(
        random.integers(0, 1280, 30),
        random.integers(0, 720, 30),
        random.integers(2, 12, 30),
        strict=True,
    ):
        cv2.circle(alpha, (int(x), int(y)), int(radius), (255,), -1)
    large = np.asarray(cv2.resize(alpha, (1920, 1080)), np.uint8)
    print("| refinement | 1280x720, CPU ms | 1920x1080, CPU ms |\n|---|---|---|")
    copies = 0.0
    for name, options in REFINEMENTS.items():
        refine = [
            against_a_copy(
                refining(options, original),
                np.empty((*original.shape, 3), np.uint8),
                time.thread_time,
            )
            for original in (alpha, large)
        ]
        copies = refine[0][1]
        print(f"| {name} | {refine[0][0]:.2f} | {refine[1][0]:.2f} |")
    return copies


def refining(options: dict[str, Any], original: Alpha) -> Work:
    """Refine a copy of *original* at each call."""
    refiner, config = Refiner(), RefineConfig.model_validate(options)
    work = original.copy()

    def refine() -> None:
        np.copyto(work, original)
        refiner.refine(work, config)

    return refine


def main() -> int:
    """Print the tables; 1 where a limit is not kept."""
    ratio, estimate = print_errors()
    print()
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        refined = print_costs()
        image = np.random.default_rng(0).integers(0, 256, (1080, 1920, 3), dtype=np.uint8)
        out, backdrop = np.empty_like(image), image[::-1].copy()
        alpha = np.asarray(cv2.GaussianBlur(image[:, :, 0], (0, 0), 9), np.uint8)
        despill, wrap = Despill(), LightWrap()
        _, despilled = against_a_copy(
            lambda: despill.remove(image, "green", 0.5, out), image, time.thread_time
        )
        _, wrapped = against_a_copy(
            lambda: wrap.add(out, backdrop, alpha, 0.3, 12), image, time.thread_time
        )
    finally:
        cv2.setNumThreads(threads)
    print()
    return print_limits(
        [
            Limit("error of clean colours / of plain ones", ratio, "<=", 0.5),
            Limit("clean colours of 1280x720, slowest clip, CPU, to a copy", estimate, "<=", 60),
            Limit("all refinements of 1280x720, one thread, to a copy", refined, "<=", 70),
            Limit("despill of 1920x1080, one thread, to a copy", despilled, "<=", 15),
            Limit("light wrap of 1920x1080, one thread, to a copy", wrapped, "<=", 40),
        ]
    )


if __name__ == "__main__":
    raise SystemExit(main())
