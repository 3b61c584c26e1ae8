"""
What it costs to compose one 1080p picture on one core.

The subject is an ellipse of a sixth of the frame with a soft edge, on a photograph-like ground.
Each row is the median of many pictures that one `Composer` composes after it has warmed up, in the
thread's CPU time: OpenCV is kept to that thread. The pictures take turns, so that none is in the
core's cache. Rows without a limit are for orientation. Ends with 1 when a limit is not kept.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from streamer.compositing import Composer, Pixels
from streamer.config import ComposeConfig, Layout, LayoutConfig
from streamer.frame import Alpha, Image
from streamer.tuning import Tuning

WIDTH, HEIGHT = 1920, 1080
PICTURES = 40


@dataclass(frozen=True)
class Row:
    """One way to compose, and what it may take."""

    name: str
    compose: dict[str, object]
    limit_ms: float | None = None
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


def measured_ms(row: Row, pictures: list[tuple[Image, Alpha]]) -> float:
    """The median CPU time of one composition."""
    composer = Composer(
        row.layout, Tuning(compose=ComposeConfig.model_validate(row.compose)), pixels=row.pixels
    )
    for image, alpha in pictures:
        composer.compose(image, alpha)
    costs = []
    for number in range(PICTURES):
        image, alpha = pictures[number % len(pictures)]
        started = time.thread_time()
        composer.compose(image, alpha)
        costs.append(time.thread_time() - started)
    composer.close()
    return statistics.median(costs) * 1000


def rows(beach: Path) -> list[Row]:
    """What is measured, with a picture at *beach* for a background."""
    image = {"type": "image", "path": str(beach)}
    grid = LayoutConfig(
        layout="grid", panels=["source", "cutout", "mask", "composite"], tile=(960, 540)
    )
    return [
        Row("composite over a colour", {"background": "#204060"}, 3.0),
        Row("composite over an image", {"background": image}, 4.0),
        Row("composite over the blurred original", {"background": "blur"}, 6.0),
        Row("composite over a colour, despill", {"background": "green", "despill": {}}, 10.0),
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
    """Print the table; 1 where a limit is not kept."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        pictures = frames()
        with TemporaryDirectory() as folder:
            beach = Path(folder) / "beach.jpg"
            cv2.imwrite(str(beach), pictures[0][0][:, ::-1])
            times = [(row, measured_ms(row, pictures)) for row in rows(beach)]
    finally:
        cv2.setNumThreads(threads)
    print("| 1080p, one core | CPU ms | must be | |\n|---|---|---|---|")
    failed = 0
    for row, taken_ms in times:
        verdict = limit = ""
        if row.limit_ms is not None:
            kept = taken_ms <= row.limit_ms
            failed += not kept
            verdict, limit = "kept" if kept else "BROKEN", f"<= {row.limit_ms:g}"
        print(f"| {row.name} | {taken_ms:.2f} | {limit} | {verdict} |")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
