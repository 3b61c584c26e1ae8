"""
Live mattes beside those of MediaPipe's selfie segmentation: the same clips, judged alike, in turns.

`python -m benchmarks.vs_mediapipe`. MediaPipe is no dependency of ours; where it is missing, the
way to get it is printed. It sees every frame, and its alpha is judged as that of the same frame: it
is quick enough. Ours is simulated live, on the machine that is named, its model's answers late.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

import numpy as np

from streamer.evaluation import Clip, clip_names, make_clip
from streamer.evaluation.live import Judge

JUDGED = ("mad", "leak", "dtssd")
"""Figures in which ours must be better on average."""
CLIPS = [name for name in clip_names("live", "live_moving") if name != "webcam-chair"]
"""Of people; the chair is for what is taken for a subject and is none."""

HOW_TO_GET_IT = """\
MediaPipe is missing in {python}. In an environment of its own:
  python -m venv mediapipe-env && mediapipe-env/bin/pip install mediapipe==0.10.21
  python -m benchmarks.vs_mediapipe --mediapipe-python mediapipe-env/bin/python"""

Figures = Mapping[str, Any]


def run_mediapipe(python: str, clip: Clip) -> Figures:
    """What a viewer of MediaPipe's alphas sees, from a process of its own."""
    script = Path(__file__).with_name("mediapipe_run.py")
    command = [python, str(script), str(clip.width), str(clip.height)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        told: list[bytes] = []
        listener = Thread(target=lambda: told.extend(process.stderr or ()))
        listener.start()
        judge = Judge(clip)
        try:
            for index in range(clip.frames):
                judge.capture(index)
                process.stdin.write(clip.frame(index).tobytes())
                process.stdin.flush()
                data = process.stdout.read(clip.width * clip.height)
                alpha = np.frombuffer(data, np.uint8).reshape(clip.height, clip.width)
                judge.show(index, alpha, index / clip.fps)
            process.stdin.close()
        except (BrokenPipeError, ValueError):
            process.kill()
        code = process.wait()
        listener.join()
    if code == 3:
        raise SystemExit(HOW_TO_GET_IT.format(python=python))
    if code:
        raise SystemExit(b"".join(told).decode(errors="replace"))
    return {**judge.close().figures(), **json.loads(told[-1])}


def run_ours(options: argparse.Namespace, clip: str, out: Path) -> Figures:
    """What `streamer eval --live` says of *clip*, from a process of its own."""
    command = [sys.executable, "-m", "streamer", "eval", options.config, "--live"]
    command += ["--machine", options.machine, "--clips", clip, "--out", str(out)]
    command += ["--frames", str(options.frames), "--seed", str(options.seed)]
    command += [
        "--size",
        f"{options.width}x{options.height}",
        "--set",
        f"model.name={options.model}",
    ]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    told = json.loads((out / "eval.json").read_text())["configurations"][0]["clips"][clip]
    figures: Figures = told
    return figures


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table; 1 where ours is not better on average."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.vs_mediapipe", description=__doc__)
    parser.add_argument("--config", default="config/webcam.yaml")
    parser.add_argument("--model", default="isnet")
    parser.add_argument("--machine", default="weak", help="as of `streamer eval --live`")
    parser.add_argument("--clips", nargs="+", default=CLIPS)
    parser.add_argument("--frames", type=int, default=240)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=720)
    parser.add_argument("--mediapipe-python", default=sys.executable, help="where it is installed")
    options = parser.parse_args(argv)
    theirs, ours = list[Figures](), list[Figures]()
    with TemporaryDirectory() as name:
        for clip in options.clips:
            made = make_clip(
                clip,
                width=options.width,
                height=options.height,
                frames=options.frames,
                seed=options.seed,
            )
            theirs.append(run_mediapipe(options.mediapipe_python, made))
            ours.append(run_ours(options, clip, Path(name)))
            print(f"{clip}: {_row(theirs[-1], ours[-1])}", file=sys.stderr, flush=True)
    print(f"MediaPipe {theirs[0]['version']}, {theirs[0]['cpu_ms']:.1f} ms of CPU a frame; ours is")
    print(
        f"{options.model} on {options.machine}, simulated; theirs / ours, the better one starred\n"
    )
    print("| clip | MAD e3 | leak % | dtSSD e2 |\n|---|---|---|---|")
    for clip, them, us in zip(options.clips, theirs, ours, strict=True):
        print(f"| `{clip}` | {_row(them, us)} |")
    them, us = _means(theirs), _means(ours)
    print(f"| average | {_row(them, us)} |")
    worse = [figure for figure in JUDGED if not us[figure] < them[figure]]
    print(f"\nbetter on average: {'kept' if not worse else 'BROKEN: ' + ', '.join(worse)}")
    return 1 if worse else 0


def _means(clips: Sequence[Figures]) -> dict[str, float]:
    return {figure: float(np.mean([one[figure] for one in clips])) for figure in JUDGED}


def _row(theirs: Figures, ours: Figures) -> str:
    cells = []
    for figure in JUDGED:
        scale = 100 if figure == "leak" else 1
        one, other = (scale * figures[figure] for figures in (theirs, ours))
        stars = ("*", "") if one < other else ("", "*")
        digits = 2 if figure == "leak" else 1
        cells.append(f"{one:.{digits}f}{stars[0]} / {other:.{digits}f}{stars[1]}")
    return " | ".join(cells)


if __name__ == "__main__":
    raise SystemExit(main())
