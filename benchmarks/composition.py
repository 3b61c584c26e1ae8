"""
What it costs to compose one 1080p picture on one core.

The subject is an ellipse of a sixth of the frame with a soft edge, on a photograph-like ground.
Each row is of many pictures that one `Composer` composes after it has warmed up, in the thread's
CPU time: OpenCV is kept to that thread. The pictures take turns, so that none is in the core's
cache; so do the rows and a bare copy of the frame, to which limits are ratios. Rows without a limit
are for orientation. Ends with 1 when a limit is not kept.
"""

from __future__ import annotations

import itertools
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from benchmarks.reference import Limit, Work, copying, in_turns, print_limits, times
from streamer.compositing import Composer, Pixels
from streamer.config import ComposeConfig, Layout, LayoutConfig, Settings
from streamer.frame import Alpha, Image

WIDTH, HEIGHT = 1920, 1080
ROUNDS, CALLS = 12, 4


@dataclass(frozen=True)
class Row:
    """One way to compose, and what it may take."""

    name: str
    compose: dict[str, object]
    limit: float | None = None
    """Of its CPU time to that of a bare copy of the frame."""
    layout: LayoutConfig | Layout = "composite"
    pixels: Pixels = "bgr"


def frames(count: int = 3) -> list[tuple[Image, Alpha]]:
    """Pictures and their alphas: the subject moves."""
    random = np.random.default_rng(0)
    made = []
    for number in range(count):
        coarse = random.integers(0, 256, (34, 60, 3), np.uint8)
        image = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        image = cv2.add(image, random.integers(0, 24, image.shape, np.uint8))
        alpha = np.zeros((HEIGHT, WIDTH), np.uint8)
        cv2.ellipse(alpha, (800 + 90 * number, 640), (280, 400), 0, 0, 360, 255, -1)
        soft = cv2.GaussianBlur(alpha, (0, 0), 4)
        made.append((np.asarray(image, np.uint8), np.asarray(soft, np.uint8)))
    return made


def composing(row: Row, pictures: list[tuple[Image, Alpha]]) -> Work:
    """One composition at each call, of the pictures in turn."""
    composer = Composer(
        row.layout, Settings(compose=ComposeConfig.model_validate(row.compose)), pixels=row.pixels
    )
    turn = itertools.cycle(pictures)
    for image, alpha in pictures:
        composer.compose(image, alpha)
    return lambda: composer.compose(*next(turn))


def rows(beach: Path) -> list[Row]:
    """What is measured, with a picture at *beach* for a background."""
    image = {"type": "image", "path": str(beach)}
    grid = LayoutConfig(
        layout="grid", panels=["source", "cutout", "mask", "composite"], tile=(960, 540)
    )
    return [
        Row("composite over a colour", {"background": "#204060"}, 10),
        Row("composite over an image", {"background": image}, 10),
        Row("composite over the blurred original", {"background": "blur"}, 20),
        Row("composite over a colour, despill", {"background": "green", "despill": {}}, 25),
        Row("composite over the pixelated original", {"background": "pixelate"}),
        Row("composite over the dimmed original", {"background": "dim"}),
        Row("composite over a colour, clean colours", {"background": "white", "colours": "clean"}),
        Row("composite over a colour, light wrap", {"background": "white", "light_wrap": {}}),
        Row("composite with alpha", {"background": "transparent"}, pixels="bgra"),
        Row("cutout on black", {}, layout="cutout"),
        Row("overlay", {}, layout="overlay"),
        Row("grid of four, tiles of 960x540", {}, layout=grid),
    ]


def main() -> int:
    """Print the tables; 1 where a limit is not kept."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        pictures = frames()
        with TemporaryDirectory() as folder:
            beach = Path(folder) / "beach.jpg"
            cv2.imwrite(str(beach), pictures[0][0][:, ::-1])
            measured = rows(beach)
            works = {row.name: composing(row, pictures) for row in measured}
            taken = in_turns(
                {**works, "": copying(HEIGHT, WIDTH, 3)},
                rounds=ROUNDS,
                calls=CALLS,
                clock=time.thread_time,
            )
    finally:
        cv2.setNumThreads(threads)
    copy = taken[""]
    print("| 1080p, one core | CPU ms | to a copy |\n|---|---|---|")
    for name in works:
        print(f"| {name} | {statistics.median(taken[name]):.2f} | {times(taken[name], copy):.1f} |")
    print(f"| a bare copy of the frame | {statistics.median(copy):.2f} | 1 |\n")
    return print_limits(
        [
            Limit(f"{row.name}, to a copy", times(taken[row.name], copy), "<=", row.limit)
            for row in measured
            if row.limit is not None
        ]
    )


if __name__ == "__main__":
    raise SystemExit(main())
