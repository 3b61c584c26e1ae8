"""
Times rembg on pictures in a file, in whatever environment has rembg; for `vs_rembg`.

`python rembg_run.py MODEL.onnx PICTURES.npy`: (N, H, W, 3) uint8 RGB. The first picture is done
once before, uncounted. Prints one line of JSON; ends with 3 where rembg is missing. It needs
nothing but rembg and what rembg needs, so that an environment of its own will do.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import resource
import sys
import time
from pathlib import Path

import numpy as np


def main(model: Path, pictures: Path) -> int:
    # rembg loads custom models from its own folder only.
    os.environ["U2NET_HOME"] = str(model.parent)
    try:
        rembg = importlib.import_module("rembg")
    except (ImportError, SystemExit):
        return 3
    session = rembg.new_session("dis_custom", model_path=str(model))
    frames = np.load(pictures, mmap_mode="r")
    rembg.remove(np.array(frames[0]), session=session)
    cpu_s, began = time.process_time(), time.perf_counter()
    for frame in frames:
        rembg.remove(np.array(frame), session=session)
    wall_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_s
    print(
        json.dumps(
            {
                "version": importlib.metadata.version("rembg"),
                "providers": session.inner_session.get_providers(),
                "frames_per_s": len(frames) / wall_s,
                "cpu_ms": cpu_s / len(frames) * 1000,
                "rss_peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), Path(sys.argv[2])))
