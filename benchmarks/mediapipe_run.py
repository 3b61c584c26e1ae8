"""
Runs MediaPipe's selfie segmentation in whatever environment has it; for `vs_mediapipe`.

`python mediapipe_run.py WIDTH HEIGHT`: pictures come on standard input, each (HEIGHT, WIDTH, 3)
uint8 BGR, and their alphas go to standard output, each (HEIGHT, WIDTH) uint8. At the end a line of
JSON on standard error tells the version and the CPU time of a picture. Ends with 3 where MediaPipe
is missing.
"""

from __future__ import annotations

import importlib
import json
import sys
import time

import numpy as np

LANDSCAPE = 1
"""The model that MediaPipe recommends for pictures that are wider than high."""


def main(width: int, height: int) -> int:
    try:
        mediapipe = importlib.import_module("mediapipe")
        segmentation = mediapipe.solutions.selfie_segmentation
    except (ImportError, AttributeError):
        return 3
    shape, pictures, spent_s = (height, width, 3), 0, 0.0
    with segmentation.SelfieSegmentation(model_selection=LANDSCAPE) as model:
        while data := sys.stdin.buffer.read(height * width * 3):
            picture = np.frombuffer(data, np.uint8).reshape(shape)
            before = time.process_time()
            mask = model.process(np.ascontiguousarray(picture[..., ::-1])).segmentation_mask
            alpha = np.rint(np.clip(mask, 0, 1) * 255).astype(np.uint8)
            spent_s += time.process_time() - before
            pictures += 1
            sys.stdout.buffer.write(alpha.tobytes())
            sys.stdout.buffer.flush()
    figures = {"version": mediapipe.__version__, "cpu_ms": 1000 * spent_s / max(pictures, 1)}
    print("\n" + json.dumps(figures), file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1]), int(sys.argv[2])))
