"""
Many streams in one process: how many hold their rate, with what mattes, and what one more costs.

`python -m benchmarks.streams`. Films of 15 s, 640x360 at 15 frames/s, paced, each played once. With
the one-node model every stream runs it on each frame; with `--model isnet` they are `tracked`, and
the films are truth clips, so that mattes are compared with the truth, and those of each clip with
its own when it runs alone. A rate is that of the frames that left a stream, over the time that this
took, from the first to the last, or over the film's if that is longer. Each count of streams has a
process of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np

from benchmarks.models import write_trivial_model
from benchmarks.reference import Limit, print_limits
from streamer.config import SinkBase, parse_box, register
from streamer.core.heap import keep_few_arenas
from streamer.evaluation import make_clip
from streamer.evaluation.film import encode
from streamer.evaluation.metrics import mad
from streamer.frame import Frame, Matte, StreamInfo
from streamer.host import Host
from streamer.sinks import Making

WIDTH, HEIGHT, FPS = 640, 360, 15
SECONDS = 15
SETTLED_S = 3.0
BITRATE = 2_000_000
CLIPS = ("webcam-talking", "webcam-waving", "webcam-leaning", "webcam-standing")
COUNTS = (1, 2, 3, 4, 6, 8)
RATE, MEMORY_MB, MATTES = 0.95, 60.0, 2.0


class ShownSinkConfig(SinkBase):
    """Keeps what was shown, and when."""

    MADE_BY = "benchmarks.streams:make"

    type: Literal["shown"]
    out: str
    """Path without its suffix: the mattes go to `.alpha`, their frames and times to `.json`."""
    alphas: bool


class ShownSink:
    """Composes as a relay does, and writes each matte to a file: in memory they would count."""

    name = "shown"

    def __init__(self, config: ShownSinkConfig, making: Making) -> None:
        self._composer = making.composer(config)
        self._out = Path(config.out)
        self._keeps = config.alphas
        self._frames: list[int] = []
        self._times: list[float] = []

    def open(self, info: StreamInfo) -> None:
        self._file = self._out.with_suffix(".alpha").open("wb")

    def write(self, frame: Frame, matte: Matte) -> None:
        self._composer.picture_of(frame, matte)
        if self._keeps:
            self._file.write(matte.alpha.tobytes())
        self._frames.append(frame.stamp.index)
        self._times.append(time.monotonic())

    def close(self) -> None:
        self._composer.close()
        self._file.close()
        shown = {"frames": self._frames, "times": self._times}
        self._out.with_suffix(".json").write_text(json.dumps(shown))

    def statistics(self) -> dict[str, Any]:
        return {"type": "shown"}


def make(config: ShownSinkConfig, making: Making) -> ShownSink:
    return ShownSink(config, making)


def judged(out: Path, name: str) -> float:
    """Mean error of the mattes that were written to *out*, against the clip's."""
    clip = judged_clip(name)
    frames = json.loads(out.with_suffix(".json").read_text())["frames"]
    alphas = np.fromfile(out.with_suffix(".alpha"), np.uint8).reshape(-1, HEIGHT, WIDTH)
    return float(
        np.mean(
            [
                mad(alpha, clip.alpha(2 * index))
                for index, alpha in zip(frames, alphas, strict=True)
                if SETTLED_S * FPS <= index < SECONDS * FPS
            ]
        )
    )


def rate(times: Sequence[float]) -> float:
    """Frames a second of a film whose frames came at *times*; those that never came count too."""
    took_s = times[-1] - times[0] + 1 / FPS if times else 0.0
    return len(times) / max(took_s, SECONDS)


def judged_clip(name: str) -> Any:
    return make_clip(name, width=WIDTH, height=HEIGHT, frames=2 * SECONDS * FPS, seed=1)


def film(name: str, folder: Path) -> Path:
    """Every second frame of a clip of 30 frames/s, as H.264."""
    path = folder / f"{name}.mp4"
    if not path.exists():
        clip = judged_clip(name)
        pictures = (clip.frame(2 * n) for n in range(SECONDS * FPS))
        path.write_bytes(encode(pictures, WIDTH, HEIGHT, FPS, BITRATE))
    return path


def run(count: int, first: int, model: str, folder: Path) -> dict[str, Any]:
    """Run *count* streams, the first with clip number *first*; their figures."""
    register(ShownSinkConfig)
    clips = [CLIPS[(first + n) % len(CLIPS)] for n in range(count)]
    tracked = model == "isnet"
    streams = {
        f"s{n}": {
            "source": {"type": "file", "path": str(film(clip, folder)), "realtime": True},
            "sinks": [{"type": "shown", "out": str(folder / str(n)), "alphas": tracked}],
        }
        for n, clip in enumerate(clips)
    }
    defaults = {
        "model": {"name": model},
        "matting": {"mode": "tracked" if tracked else "every_frame"},
    }
    host = Host(parse_box({"defaults": defaults, "streams": streams}))
    early: dict[str, int] = {}
    began: list[float] = []

    def look() -> bool:
        if not began and host.captured:
            began.append(time.monotonic())
        if began and not early and time.monotonic() - began[0] >= SETTLED_S:
            early.update({name: drops(host, name) for name in streams})
        return False

    report = host.run(look)
    shown = [json.loads((folder / f"{n}.json").read_text()) for n in range(count)]
    return {
        "rates": [rate(each["times"]) for each in shown],
        "lost": sum(drops(host, name) - early.get(name, 0) for name in streams),
        "mads": {f"{clip} {n}": judged(folder / str(n), clip) for n, clip in enumerate(clips)}
        if tracked
        else {},
        "rss_mb": report["rss_peak_mb"],
        "cores": report["cpu_s"] / report["wall_s"],
        "p95_ms": max(
            s["latency_ms"]["end_to_end"]["p95"] or 0 for s in report["streams"].values()
        ),
        "age": float(np.mean([s["matte_age"]["mean"] for s in report["streams"].values()])),
    }


def drops(host: Host, name: str) -> int:
    """But for those that the end of the run leaves over."""
    return sum(n for reason, n in host.metrics(name).drops().items() if reason != "stale")


def apart(count: int, first: int, model: str, folder: Path) -> dict[str, Any]:
    """As `run`, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.streams", "--model", model, "--in", str(folder)]
    done = subprocess.run(
        [*command, "--run", str(count), "--first", str(first)], capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def main() -> int:
    """Print the curve and what must hold."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="")
    parser.add_argument("--run", type=int)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--in", dest="folder", type=Path)
    asked = parser.parse_args()
    if asked.run:
        keep_few_arenas()  # as the command does
        print(json.dumps(run(asked.run, asked.first, asked.model, asked.folder)))
        return 0
    with TemporaryDirectory(prefix="streamer-") as name:
        folder = Path(name)
        model = asked.model or str(write_trivial_model(folder / "one.onnx"))
        for clip in CLIPS:
            film(clip, folder)
        return curve(model, folder)


def curve(model: str, folder: Path) -> int:
    tracked = model == "isnet"
    alone = {clip: apart(1, n, model, folder) for n, clip in enumerate(CLIPS)}
    one = alone[CLIPS[0]]
    print(f"{WIDTH}x{HEIGHT} at {FPS}/s, {model if tracked else 'one node'}\n")
    columns = (
        *("streams", "frames/s each, least", "lost after 3 s", "MAD to alone, mean, worst"),
        *("p95 ms", "matte age", "cores", "memory MB"),
    )
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    found = {}
    for count in COUNTS:
        figures = found[count] = one if count == 1 else apart(count, 0, model, folder)
        ratios = [
            own / alone[key.split()[0]]["mads"][f"{key.split()[0]} 0"]
            for key, own in figures["mads"].items()
        ]
        figures["ratio"] = float(np.mean(ratios)) if ratios else 0.0
        shown = f"{np.mean(ratios):.2f}, {max(ratios):.2f}" if ratios else "-"
        print(
            f"| {count} | {min(figures['rates']):.2f} | {figures['lost']} | {shown} "
            f"| {figures['p95_ms']:.0f} | {figures['age']:.1f} | {figures['cores']:.2f} "
            f"| {figures['rss_mb']:.0f} |"
        )
    print()
    if tracked:
        held = [n for n, f in found.items() if min(f["rates"]) >= RATE * FPS]
        good = [n for n in held if found[n]["ratio"] <= MATTES]
        print(f"{max(good, default=0)} streams hold {FPS}/s with mattes within {MATTES} x of one.")
        return 0
    most = max(COUNTS)
    more_mb = (found[most]["rss_mb"] - one["rss_mb"]) / (most - 1)
    total = sum(found[most]["rates"]) / (most * one["rates"][0])
    return print_limits(
        [
            Limit(f"rate of {most} to {most} times one", total, ">=", RATE),
            Limit(f"frames lost by {most} after 3 s", found[most]["lost"], "<=", 0),
            Limit("memory of one stream more, MB", more_mb, "<=", MEMORY_MB),
        ]
    )


if __name__ == "__main__":
    raise SystemExit(main())
