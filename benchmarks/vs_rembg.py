"""
Frames a second beside rembg's: the same weights, clip and machine, in turns, each in a process.

`python -m benchmarks.vs_rembg`. rembg is no dependency of ours; where it is missing, the way to get
it is printed. It is given decoded pictures and makes cutouts of them; ours decode the clip and
record cutout and mask side by side as H.264. Neither counts its loading and first inference.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.stages import clip
from streamer.config import FileSourceConfig
from streamer.models.store.registry import lookup
from streamer.models.store.weights import fetch
from streamer.sources import make_source

MODEL = "isnet"
LIMIT = 40.0
"""So many times rembg's rate `tracked` with `effort: fast` must reach."""

OURS = ("every_frame", "tracked", "fast")

HOW_TO_GET_IT = """\
rembg is missing in {python}. Either
  pip install rembg
into this environment, where it runs on the same onnxruntime (not `rembg[cpu]`, which would put
another one over it), or into one of its own:
  python -m venv rembg-env && rembg-env/bin/pip install "rembg[cpu]"
  python -m benchmarks.vs_rembg --rembg-python rembg-env/bin/python"""

Figures = Mapping[str, Any]


def configurations(weights: Path, path: Path, folder: Path) -> dict[str, dict[str, Any]]:
    """What is measured of ours: the very file that rembg gets on each frame, and tracked, twice."""
    record = {"type": "record", "path": str(folder / "out.mp4"), "overwrite": True}
    common = {"source": {"type": "file", "path": str(path)}, "sinks": [record]}
    fast = {"mode": "tracked", "effort": "fast", "max_interval": 24}
    return {
        "every_frame": {**common, "model": {"name": str(weights)}},
        "tracked": {**common, "model": {"name": MODEL}, "matting": {"mode": "tracked"}},
        "fast": {
            "source": common["source"],
            "model": {"name": MODEL},
            "matting": fast,
            "sinks": [{**record, "preset": "ultrafast"}],
        },
    }


def save_pictures(path: Path, frames: int, out: Path) -> None:
    """The first *frames* pictures of a clip, as RGB."""
    source = make_source(FileSourceConfig(type="file", path=str(path)))
    info = source.open()
    pictures = np.empty((frames, info.height, info.width, 3), np.uint8)
    for picture in pictures:
        source.read(picture)
    source.close()
    np.save(out, pictures[..., ::-1])


def run_rembg(python: str, weights: Path, pictures: Path) -> Figures:
    """rembg's figures, from a process of its own."""
    script = Path(__file__).with_name("rembg_run.py")
    done = subprocess.run(
        [python, str(script), str(weights), str(pictures)], stdout=subprocess.PIPE, check=False
    )
    if done.returncode == 3:
        raise SystemExit(HOW_TO_GET_IT.format(python=python))
    done.check_returncode()
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def run_ours(config: Path, seconds: float, out: Path) -> Figures:
    """`streamer bench`'s figures, from a process of its own."""
    command = [sys.executable, "-m", "streamer", "bench", str(config)]
    command += ["--seconds", str(seconds), "--json", str(out)]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    figures: Figures = json.loads(out.read_text())["configs"][0]["runs"][0]
    return figures


def in_turns(arguments: argparse.Namespace) -> dict[str, list[Figures]]:
    """The figures of each, a list of as many as there are rounds."""
    weights, path = fetch(lookup(MODEL), "fp16"), clip()
    figures: dict[str, list[Figures]] = {"rembg": [], **{name: [] for name in arguments.ours}}
    with TemporaryDirectory() as name:
        folder = Path(name)
        save_pictures(path, arguments.frames, folder / "pictures.npy")
        configs = configurations(weights, path, folder)
        for which in arguments.ours:
            (folder / f"{which}.yaml").write_text(json.dumps(configs[which]))
        for number in range(1, arguments.rounds + 1):
            print(f"round {number} of {arguments.rounds}", file=sys.stderr)
            figures["rembg"].append(
                run_rembg(arguments.rembg_python, weights, folder / "pictures.npy")
            )
            for which in arguments.ours:
                config, out = folder / f"{which}.yaml", folder / "figures.json"
                figures[which].append(run_ours(config, arguments.seconds, out))
    return figures


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table; 1 where the limit is not kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.vs_rembg", description=__doc__)
    parser.add_argument("--frames", type=int, default=12, help="pictures that rembg does a round")
    parser.add_argument("--seconds", type=float, default=30.0, help="limit of each run of ours")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ours", nargs="+", choices=[*OURS], default=[*OURS])
    parser.add_argument("--rembg-python", default=sys.executable, help="where rembg is installed")
    arguments = parser.parse_args(argv)
    figures = in_turns(arguments)
    theirs = figures["rembg"]
    print(f"rembg {theirs[0]['version']} on {theirs[0]['providers'][0]}, {MODEL}, 1280x720\n")
    print("| what | frames/s | to rembg's, median (of each round) | CPU ms a frame | memory MB |")
    print("|---|---|---|---|---|")
    ratios = {}
    for name, rounds in figures.items():
        each = [
            own["frames_per_s"] / other["frames_per_s"]
            for own, other in zip(rounds, theirs, strict=True)
        ]
        ratios[name] = statistics.median(each)
        rate, cpu_ms, memory_mb = (
            statistics.median(figures[field] for figures in rounds)
            for field in ("frames_per_s", "cpu_ms", "rss_peak_mb")
        )
        print(
            f"| {name} | {rate:.2f} | {ratios[name]:.2f} ({', '.join(f'{r:.2f}' for r in each)}) "
            f"| {cpu_ms:,.0f} | {memory_mb:,.0f} |"
        )
    if "fast" not in ratios:
        return 0
    kept = ratios["fast"] >= LIMIT
    print(f"\nfast / rembg >= {LIMIT:g}: {'kept' if kept else 'BROKEN'}")
    return 0 if kept else 1


if __name__ == "__main__":
    raise SystemExit(main())
